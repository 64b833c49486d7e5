// SPDX-License-Identifier: BSD-2-Clause

// Everything that a primary counts, and the page that tells it (Prometheus text format 0.0.4).
// docs/metrics.md explains each name and maps log-go's.

/// The counters of a log.
package final class LogMetrics: Sendable {
    /// What it counts as every node does.
    package let server: ServerMetrics
    /// Leaves that the required secondaries hold; tells nothing where there are none.
    package let replicatedSize = Gauge()
    /// Leaves in the last signed tree head.
    package let signedSize = Gauge()
    /// Leaves in the published tree head.
    package let publishedSize = Gauge()
    /// When the signed tree head last had its quorum, be it none, in seconds since 1970.
    package let publishedTime = Gauge()
    /// How long it took from a batch being durable here to being held by the required secondaries.
    package let replications = Histogram()
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
    /// 1 when nothing is signed any more, else 0.
    package let signingHalted = Gauge()
    /// The secondaries, in the configuration's order.
    package let secondaries: [SecondaryMetrics]
    /// The witnesses and their quorum.
    package let policy: PolicyMetrics
    /// The rate limits; nil where there are none.
    package let rateLimits: RateLimitMetrics?

    /// Metrics of a process with as many request counters as `requestMetricsCount`, of the
    /// secondaries with these URLs, of a policy, and of rate limits.
    package init(
        requestMetricsCount: Int, secondaryNames: [String] = [],
        policy: PolicyMetrics = PolicyMetrics(witnessNames: []),
        rateLimits: RateLimitMetrics? = nil,
        connections: @escaping @Sendable () -> ConnectionCounts
    ) {
        server = ServerMetrics(requestMetricsCount: requestMetricsCount, connections: connections)
        secondaries = secondaryNames.map { SecondaryMetrics(name: $0) }
        self.policy = policy
        self.rateLimits = rateLimits
    }

    /// The page. `version` is the software's.
    package func render(version: String) -> [UInt8] {
        var text = MetricsText()
        server.render(version: version, into: &text)
        renderTreeSizes(into: &text)
        text.gauge(
            "published_timestamp_seconds",
            "When a tree head last had its quorum: the age of what is published.",
            publishedTime.current)
        text.histogram(
            "signing_duration_seconds",
            "Time to read back and sign a tree head and to make it durable.", signings.totals)
        text.counter(
            "signing_failures_total", "Tree heads that could not be signed or stored.",
            signingFailures.current)
        text.gauge(
            "signing_halted", "1 when nothing is signed any more; the log file says why.",
            signingHalted.current)
        secondaries.render(into: &text)
        text.histogram(
            "replication_duration_seconds",
            "Time from being durable here to being held by the required secondaries.",
            replications.totals)
        policy.render(into: &text)
        rateLimits?.render(into: &text)
        text.family("leaf_signatures_total", "counter", "Leaf signatures verified, by outcome.")
        text.sample("leaf_signatures_total", "outcome=\"valid\"", validSignatures.current)
        text.sample("leaf_signatures_total", "outcome=\"invalid\"", invalidSignatures.current)
        text.gauge(
            "held_requests", "Add-leaf requests waiting for a publication.", heldRequests.current)
        return text.bytes
    }

    private func renderTreeSizes(into text: inout MetricsText) {
        server.renderTreeSizes(into: &text)
        if !secondaries.isEmpty {
            text.sample("tree_size_leaves", "state=\"replicated\"", replicatedSize.current)
        }
        text.sample("tree_size_leaves", "state=\"signed\"", signedSize.current)
        text.sample("tree_size_leaves", "state=\"published\"", publishedSize.current)
    }
}
