// SPDX-License-Identifier: BSD-2-Clause
//
// The primary over HTTP, as its secondary sees it: requests for leaves out, what they came to back.
// Which leaves are asked for, and what the answers mean, is Replicator's.

import HTTPWire
import LogService
import Reactor
import SigsumFormats
import Transport

/// Asks the primary for leaves over as many connections as there are lanes, on the control reactor.
final class PrimaryClient {
    /// How many requests may be on their way.
    static let laneCount = 4
    /// As many leaves as one request ever asks for.
    private static let limits = ResponseLimits(
        bodyBytesMax: Int(LeafRequest.leafCountMax) * Leaf.lineByteCount)

    private let path: String
    private let longPoll: LongPoll
    private let lanes: [HTTPClient]
    private let metrics: ReplicaMetrics

    /// - Parameters:
    ///   - url: the primary's internal endpoint.
    ///   - tls: must be there for an https URL.
    ///   - timeout: how long one request may take in all.
    init(
        on reactor: Reactor, _ url: HTTPURL, tls: TLSClientContext?, timeout: Duration,
        metrics: ReplicaMetrics
    ) {
        path = url.path
        longPoll = LongPoll(timeout: timeout)
        self.metrics = metrics
        lanes = (0..<Self.laneCount).map { _ in
            HTTPClient(
                on: reactor, origin: url.origin, tls: tls, timeouts: LongPoll.timeouts(timeout),
                limits: Self.limits, userAgent: "sigsum/\(Version.number)")
        }
    }

    /// Sends a request and hands what came of it to `handle`, on the reactor, and whether that came
    /// over another connection than what came before on its lane. No other request of that lane may be
    /// on its way.
    func fetch(
        _ request: LeafRequest,
        then handle: @escaping (_ answer: LeafAnswer, _ isNewConnection: Bool) -> Void
    ) {
        let message =
            request.waits
            ? ClientRequest(
                .get, path + request.target, fields: [longPoll.preference],
                timeouts: longPoll.timeouts)
            : ClientRequest(.get, path + request.target)
        lanes[request.lane].send(message) { [metrics] result in
            switch result {
            case .success(let response):
                metrics.recordRequest(status: response.statusCode)
                handle(
                    LeafAnswer(
                        status: response.statusCode, body: response.body.span,
                        isWaitHonored: response.isWaitHonored, to: request),
                    response.isFirstOnConnection)
            case .failure(let error):
                metrics.recordRequest(status: nil)
                handle(LeafAnswer(error), false)
            }
        }
    }

    /// Ends all connections and what is on its way.
    func close() {
        for lane in lanes { lane.close() }
    }
}

extension LeafAnswer {
    fileprivate init(_ error: HTTPClientError) {
        if error.isStaleConnection {
            self = .connectionGone
        } else if error.cause == .timeout(.answer) {
            self = .late(reason: error.description)
        } else {
            self = .failed(reason: error.description)
        }
    }
}
