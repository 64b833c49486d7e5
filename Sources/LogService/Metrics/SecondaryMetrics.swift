// SPDX-License-Identifier: BSD-2-Clause

// What a primary counts of each of its secondaries.

/// The counters of one secondary, as its primary sees it.
package final class SecondaryMetrics: Sendable {
    /// The URL of its internal endpoint, as configured.
    package let name: String
    /// Leaves in its last tree head that was found to be right; 0 before the first.
    package let treeSize = Gauge()
    /// Tree heads that were not: wrongly signed, larger than this log, or of another tree.
    package let rejections = Gauge()
    private let statuses = StatusCounts()

    /// Without records.
    package init(name: String) {
        self.name = name
    }

    /// Records a request and what it was answered with; nil when there was no whole answer.
    package func record(status: Int?) {
        statuses.record(status: status)
    }

    var countsByStatus: [(status: String, count: UInt64)] { statuses.byStatus }
}

extension [SecondaryMetrics] {
    func render(into text: inout MetricsText) {
        text.family(
            "secondary_requests_total", "counter",
            "Requests to secondaries, by status; none: no whole answer came.")
        for secondary in self {
            for (status, count) in secondary.countsByStatus {
                text.sample(
                    "secondary_requests_total", "\(secondary.label),status=\"\(status)\"", count)
            }
        }
        text.family(
            "secondary_tree_size_leaves", "gauge",
            "Leaves in the last tree head of each secondary that was verified.")
        for secondary in self {
            text.sample(
                "secondary_tree_size_leaves", secondary.label, secondary.treeSize.current)
        }
        text.family(
            "secondary_rejected_total", "counter",
            "Tree heads of secondaries that were rejected; the log file says why.")
        for secondary in self {
            text.sample("secondary_rejected_total", secondary.label, secondary.rejections.current)
        }
    }
}

extension SecondaryMetrics {
    fileprivate var label: String { "secondary=\"\(MetricsText.escaped(name))\"" }
}
