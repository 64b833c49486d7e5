// SPDX-License-Identifier: BSD-2-Clause

// What is counted in every role: the requests that are served, and the store.

internal import HTTPWire

/// The counters that a primary and a secondary have in common.
package final class ServerMetrics: Sendable {
    /// One for each reactor and listener.
    package let requests: [RequestMetrics]
    /// Leaves that are durable here.
    package let committedSize = Gauge()
    /// How long each batch took from its begin to being durable.
    package let commits = Histogram()
    /// Leaves added by those batches.
    package let committedLeaves = Gauge()
    /// Bytes that the store's file system has left.
    package let freeBytes = Gauge()
    /// Open connections, by listener and reactor, as the transport counts them.
    package let connections: @Sendable () -> ConnectionCounts

    /// Metrics of a process with as many request counters as `requestMetricsCount`.
    package init(
        requestMetricsCount: Int, connections: @escaping @Sendable () -> ConnectionCounts
    ) {
        requests = (0..<requestMetricsCount).map { _ in RequestMetrics() }
        self.connections = connections
    }

    /// All of it but the tree's sizes, to which each role has some of its own to add.
    func render(version: String, into text: inout MetricsText) {
        text.gauge(
            "build_info", "Always 1; the label says which version runs.", 1,
            labels: "version=\"\(version)\"")
        renderRequests(into: &text)
        let counts = connections()
        text.gauge("http_connections", "Open connections.", counts.open)
        text.counter("http_connections_accepted_total", "Connections accepted.", counts.accepted)
        text.counter(
            "http_connections_refused_total",
            "Connections closed at once, there being too many.", counts.refused)
        text.counter(
            "http_malformed_requests_total",
            "Requests refused because their framing or size was not acceptable.", counts.malformed)
        text.histogram(
            "commit_duration_seconds", "Time to make a batch of leaves durable.", commits.totals)
        text.counter(
            "committed_leaves_total", "Leaves added since start.", committedLeaves.current)
        text.gauge("store_free_bytes", "Bytes free in the store's file system.", freeBytes.current)
    }

    /// The committed tree's size; samples of other states may follow.
    func renderTreeSizes(into text: inout MetricsText) {
        text.family("tree_size_leaves", "gauge", "Number of leaves of the tree.")
        text.sample("tree_size_leaves", "state=\"committed\"", committedSize.current)
    }

    private func renderRequests(into text: inout MetricsText) {
        let name = "http_request_duration_seconds"
        text.family(name, "histogram", "Time to answer a request, by endpoint and status.")
        for endpoint in Endpoint.allCases {
            for (column, status) in RequestMetrics.statuses.enumerated() {
                var totals = HistogramTotals()
                for metrics in requests {
                    if let part = metrics.totals(endpoint, column: column) { totals.add(part) }
                }
                guard totals.count > 0 else { continue }
                let labels = "endpoint=\"\(endpoint.name)\",status=\"\(status.code)\""
                text.histogramSamples(name, labels, totals)
            }
        }
    }
}

/// What the transport counts.
package struct ConnectionCounts: Sendable {
    /// Open now.
    package var open: UInt64 = 0
    /// Accepted since start.
    package var accepted: UInt64 = 0
    /// Closed at once since start.
    package var refused: UInt64 = 0
    /// Requests refused for their framing or size since start.
    package var malformed: UInt64 = 0

    /// Nothing counted.
    package init() {}
}
