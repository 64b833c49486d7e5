// SPDX-License-Identifier: BSD-2-Clause

// Requests and how long they took, by endpoint and status. Each reactor has its own, so that the
// counters of two cores do not share cache lines; a scrape adds them up.

package import HTTPWire
internal import Synchronization

/// One reactor's request counts and times. Recorded on its reactor, read by any thread.
package final class RequestMetrics: Sendable {
    /// The statuses that are told apart; any other counts as the last.
    static let statuses: [Status] = [
        .ok, .accepted, .movedPermanently, .badRequest, .forbidden, .notFound,
        .methodNotAllowed, .tooManyRequests, .internalServerError, .serviceUnavailable,
    ]

    /// One for each endpoint and status, made when it is first needed.
    private let histograms: Mutex<[Histogram?]>

    /// Without records.
    package init() {
        let count = Endpoint.allCases.count * Self.statuses.count
        histograms = Mutex(Array(repeating: nil, count: count))
    }

    /// Records a request that was answered.
    package func record(_ endpoint: Endpoint, _ status: Status, nanoseconds: UInt64) {
        let column = Self.statuses.firstIndex(of: status) ?? Self.statuses.count - 1
        let position = endpoint.rawValue * Self.statuses.count + column
        // Only this reactor and a scrape ever take this lock.
        let histogram = histograms.withLock { histograms in
            if let histogram = histograms[position] { return histogram }
            let histogram = Histogram()
            histograms[position] = histogram
            return histogram
        }
        histogram.record(nanoseconds: nanoseconds)
    }

    func totals(_ endpoint: Endpoint, column: Int) -> HistogramTotals? {
        let position = endpoint.rawValue * Self.statuses.count + column
        return histograms.withLock { $0[position] }?.totals
    }
}
