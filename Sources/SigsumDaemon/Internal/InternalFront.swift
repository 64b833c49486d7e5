// SPDX-License-Identifier: BSD-2-Clause
//
// A primary's internal endpoint, on the control reactor.

import HTTPWire
import LogService
import Logging
import Reactor
import TileStore
import Transport

/// Handles the requests of secondaries and of whoever collects metrics.
final class InternalFront: RequestHandler {
    private let answers: InternalAnswers
    private let requestMetrics: RequestMetrics
    private let logger = Logger(label: "http")

    init(answers: InternalAnswers, requestMetrics: RequestMetrics) {
        self.answers = answers
        self.requestMetrics = requestMetrics
    }

    func handle(
        _ head: RequestHead, bytes: Span<UInt8>, body: Span<UInt8>,
        response: inout ResponseWriter, ticket: () -> ResponseTicket
    ) -> Handling {
        let begun = MonotonicInstant.now()
        var outcome = Answer.written(.other, .internalServerError)
        do throws(StoreError) {
            outcome = try answers.answer(head, bytes: bytes, response: &response)
        } catch {
            logger.error("\(error)")
            response.text(.internalServerError, "the log's store failed")
        }
        guard case .written(let endpoint, let status) = outcome else {
            preconditionFailure("internal requests are answered at once")
        }
        requestMetrics.record(endpoint, status, from: begun)
        return .answered
    }
}
