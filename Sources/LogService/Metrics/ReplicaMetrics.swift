// SPDX-License-Identifier: BSD-2-Clause

// Everything that a secondary counts, and the page that tells it.

/// The counters of a secondary.
package final class ReplicaMetrics: Sendable {
    /// What it counts as every node does.
    package let server: ServerMetrics
    /// 1 when nothing is copied any more, else 0.
    package let isHalted = Gauge()
    /// When it last was at the end of the primary's tree, in seconds since 1970; 0 before.
    package let caughtUpTime = Gauge()
    private let statuses = StatusCounts()

    /// Metrics of a process with as many request counters as `requestMetricsCount`.
    package init(
        requestMetricsCount: Int, connections: @escaping @Sendable () -> ConnectionCounts
    ) {
        server = ServerMetrics(requestMetricsCount: requestMetricsCount, connections: connections)
    }

    /// Records a request to the primary and what it was answered with; nil when there was no whole
    /// answer.
    package func recordRequest(status: Int?) {
        statuses.record(status: status)
    }

    /// The page. `version` is the software's.
    package func render(version: String) -> [UInt8] {
        var text = MetricsText()
        server.render(version: version, into: &text)
        server.renderTreeSizes(into: &text)
        text.family(
            "replication_requests_total", "counter",
            "Requests to the primary, by status; none: no whole answer came.")
        for (status, count) in statuses.byStatus {
            text.sample("replication_requests_total", "status=\"\(status)\"", count)
        }
        text.gauge(
            "replication_halted", "1 when nothing is copied any more; the log file says why.",
            isHalted.current)
        text.gauge(
            "replication_caught_up_timestamp_seconds",
            "When this node last had all leaves of the primary.", caughtUpTime.current)
        return text.bytes
    }
}
