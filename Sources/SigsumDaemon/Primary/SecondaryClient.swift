// SPDX-License-Identifier: BSD-2-Clause
//
// One secondary over HTTP, as its primary sees it: a request out, what it came to back. When requests
// are made, and what the answers mean for the log, is Replication's.

import HTTPWire
import LogCrypto
import LogService
import MerkleLog
import Reactor
import TileStore
import Transport

/// Asks one secondary, on the control reactor.
final class SecondaryClient {
    /// A tree head has 250 bytes.
    private static let limits = ResponseLimits(bodyBytesMax: 16 * 1024)

    private let publicKey: PublicKey
    private let target: String
    private let client: HTTPClient
    private let longPoll: LongPoll
    private let reader: StoreReader
    private let metrics: SecondaryMetrics

    /// - Parameters:
    ///   - tls: for a secondary with an https URL; must be there for it.
    ///   - timeout: how long one request may take in all.
    ///   - reader: of this log's own tree, which the secondary's is compared with.
    init(
        on reactor: Reactor, _ endpoint: SecondaryEndpoint, tls: TLSClientContext?,
        timeout: Duration, reader: StoreReader, metrics: SecondaryMetrics
    ) {
        publicKey = endpoint.publicKey
        target = "\(endpoint.url.path)/get-secondary-tree-head"
        longPoll = LongPoll(timeout: timeout)
        self.reader = reader
        self.metrics = metrics
        client = HTTPClient(
            on: reactor, origin: endpoint.url.origin, tls: tls,
            timeouts: LongPoll.timeouts(timeout), limits: Self.limits,
            userAgent: "sigsum/\(Version.number)")
    }

    /// Asks for the tree head and hands what came of it to `handle`, on the reactor. No other request
    /// may be on its way.
    ///
    /// - Parameter knownSize: the secondary may hold the request until its tree has more leaves; nil:
    ///   it answers at once.
    func treeHead(
        knownSize: TreeSize?, then handle: @escaping (SecondaryAnswer) -> Void
    ) {
        client.send(request(knownSize: knownSize)) { [self] result in
            switch result {
            case .success(let response):
                metrics.record(status: response.statusCode)
                handle(answer(response))
            case .failure(let error):
                metrics.record(status: nil)
                handle(
                    error.isStaleConnection
                        ? .connectionGone : .failed(reason: error.description))
            }
        }
    }

    /// Ends the connection and what is on its way.
    func close() { client.close() }

    private func request(knownSize: TreeSize?) -> ClientRequest {
        // Asked for in any case: the answer says whether it is honored.
        ClientRequest(
            .get, knownSize.map { "\(target)?size=\($0)" } ?? target,
            fields: [longPoll.preference], timeouts: longPoll.timeouts)
    }

    private func answer(_ response: ClientResponse) -> SecondaryAnswer {
        do throws(StoreError) {
            return try SecondaryAnswer(
                status: response.statusCode, body: response.body.span,
                isWaitHonored: response.isWaitHonored, from: publicKey, reader: reader)
        } catch {
            return .failed(reason: "its tree cannot be compared with this log's: \(error)")
        }
    }
}
