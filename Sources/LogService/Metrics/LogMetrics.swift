// SPDX-License-Identifier: BSD-2-Clause

// Everything that is counted, and the page that tells it (Prometheus text format 0.0.4).
// docs/metrics.md explains each name and maps log-go's.

internal import HTTPWire
internal import Synchronization

/// A count or a level that any thread may change and read.
package final class Gauge: Sendable {
    private let value = Atomic<UInt64>(0)

    /// Zero.
    package init() {}

    /// Adds to a count.
    package func add(_ amount: UInt64 = 1) { value.wrappingAdd(amount, ordering: .relaxed) }

    /// Takes from a level.
    package func subtract(_ amount: UInt64 = 1) {
        value.wrappingSubtract(amount, ordering: .relaxed)
    }

    /// Sets a level.
    package func set(_ level: UInt64) { value.store(level, ordering: .relaxed) }

    /// The count or level now.
    package var current: UInt64 { value.load(ordering: .relaxed) }
}

/// The counters of a log.
package final class LogMetrics: Sendable {
    /// One for each reactor and listener.
    package let requests: [RequestMetrics]
    /// Leaves that are durable here.
    package let committedSize = Gauge()
    /// Leaves in the last signed tree head.
    package let signedSize = Gauge()
    /// Leaves in the published tree head.
    package let publishedSize = Gauge()
    /// When the signed tree head last had its quorum, be it none, in seconds since 1970.
    package let publishedTime = Gauge()
    /// How long each batch took from its begin to being durable.
    package let commits = Histogram()
    /// Leaves added by those batches.
    package let committedLeaves = Gauge()
    /// How long each signing took: reading back, the signature, making it durable.
    package let signings = Histogram()
    /// Tree heads that could not be signed or stored.
    package let signingFailures = Gauge()
    /// Signatures of leaves found valid.
    package let validSignatures = Gauge()
    /// Signatures of leaves found invalid.
    package let invalidSignatures = Gauge()
    /// Add-leaf requests that wait for a publication.
    package let heldRequests = Gauge()
    /// Bytes that the store's file system has left.
    package let freeBytes = Gauge()
    /// 1 when nothing is signed any more, else 0.
    package let signingHalted = Gauge()
    /// The witnesses and their quorum.
    package let policy: PolicyMetrics
    /// Open connections, by listener and reactor, as the transport counts them.
    package let connections: @Sendable () -> ConnectionCounts

    /// Metrics of a process with as many request counters as `requestMetricsCount`, and of a policy.
    package init(
        requestMetricsCount: Int, policy: PolicyMetrics = PolicyMetrics(witnessNames: []),
        connections: @escaping @Sendable () -> ConnectionCounts
    ) {
        self.policy = policy
        requests = (0..<requestMetricsCount).map { _ in RequestMetrics() }
        self.connections = connections
    }

    /// The page. `version` is the software's.
    package func render(version: String) -> [UInt8] {
        var text = MetricsText()
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
        text.family("tree_size_leaves", "gauge", "Number of leaves of the tree.")
        text.sample("tree_size_leaves", "state=\"committed\"", committedSize.current)
        text.sample("tree_size_leaves", "state=\"signed\"", signedSize.current)
        text.sample("tree_size_leaves", "state=\"published\"", publishedSize.current)
        text.gauge(
            "published_timestamp_seconds",
            "When a tree head last had its quorum: the age of what is published.",
            publishedTime.current)
        text.histogram(
            "commit_duration_seconds", "Time to make a batch of leaves durable.", commits.totals)
        text.counter(
            "committed_leaves_total", "Leaves added since start.", committedLeaves.current)
        text.histogram(
            "signing_duration_seconds",
            "Time to read back and sign a tree head and to make it durable.", signings.totals)
        text.counter(
            "signing_failures_total", "Tree heads that could not be signed or stored.",
            signingFailures.current)
        text.gauge(
            "signing_halted", "1 when nothing is signed any more; the log file says why.",
            signingHalted.current)
        policy.render(into: &text)
        text.family("leaf_signatures_total", "counter", "Leaf signatures verified, by outcome.")
        text.sample("leaf_signatures_total", "outcome=\"valid\"", validSignatures.current)
        text.sample("leaf_signatures_total", "outcome=\"invalid\"", invalidSignatures.current)
        text.gauge(
            "held_requests", "Add-leaf requests waiting for a publication.", heldRequests.current)
        text.gauge("store_free_bytes", "Bytes free in the store's file system.", freeBytes.current)
        return text.bytes
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
