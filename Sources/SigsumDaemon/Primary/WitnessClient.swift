// SPDX-License-Identifier: BSD-2-Clause
//
// One witness over HTTP: a request out, what it came to back. Which requests are made, and what the
// answers mean for the log, is the publisher's.

import HTTPWire
import LogCrypto
import LogService
import Reactor
import SigsumFormats
import Transport

/// Asks one witness, on the control reactor.
final class WitnessClient {
    /// A cosignature has 140 bytes, a post-quantum one 3,300; there may be several.
    private static let limits = ResponseLimits(bodyBytesMax: 64 * 1024)

    private let witness: PublicKey
    private let target: String
    private let client: HTTPClient
    private let metrics: WitnessMetrics

    /// - Parameters:
    ///   - tls: for witnesses with an https URL; must be there for those.
    ///   - timeout: how long one request may take in all.
    init(
        on reactor: Reactor, _ endpoint: WitnessEndpoint, tls: TLSClientContext?,
        timeout: Duration, metrics: WitnessMetrics
    ) {
        witness = endpoint.witness.publicKey
        target = "\(endpoint.url.path)/add-checkpoint"
        self.metrics = metrics
        // An address that does not answer leaves time for the next one.
        let timeouts = ClientTimeouts(
            connect: min(.seconds(5), timeout / 2), request: timeout, overall: timeout)
        client = HTTPClient(
            on: reactor, origin: endpoint.url.origin, tls: tls, timeouts: timeouts,
            limits: Self.limits, userAgent: "sigsum/\(Version.number)")
    }

    /// Sends `body` and hands what the witness says about `treeHead` to `handle`, on the reactor.
    /// No other request may be on its way.
    func addCheckpoint(
        _ body: [UInt8], over treeHead: TreeHead, of logKeyHash: KeyHash,
        then handle: @escaping (WitnessAnswer) -> Void
    ) {
        let begun = MonotonicInstant.now()
        let request = ClientRequest(
            .post, target, contentType: "text/plain; charset=utf-8", body: body)
        client.send(request) { [self] result in
            let duration = begun.duration(to: .now())
            switch result {
            case .success(let response):
                metrics.record(status: response.statusCode, duration)
                handle(
                    WitnessAnswer(
                        status: response.statusCode, contentType: response.contentType,
                        body: response.body.span, from: witness, over: treeHead, of: logKeyHash))
            case .failure(let error):
                metrics.record(status: nil, duration)
                handle(WitnessAnswer(error))
            }
        }
    }

    /// Ends the connection and what is on its way.
    func close() { client.close() }
}

extension WitnessAnswer {
    fileprivate init(_ error: HTTPClientError) {
        if error.isStaleConnection {
            self = .connectionGone
        } else if error.wasSent {
            self = .failed(reason: error.description)
        } else {
            self = .unsent(reason: error.description)
        }
    }
}
