// SPDX-License-Identifier: BSD-2-Clause

// What is counted of each witness, and of the quorum.

/// The counters of one witness.
package final class WitnessMetrics: Sendable {
    /// The name in the policy file, printable.
    package let name: String
    /// How long its answers took, or their absence was waited for.
    package let requests = Histogram()
    /// The time in its last cosignature, in seconds since 1970.
    package let cosignatureTime = Gauge()
    /// Answers that say that it has cosigned a tree that this log does not have.
    package let contradictions = Gauge()
    /// Cosignatures with an odd time.
    package let oddTimes = Gauge()
    /// Requests saved up for new leaves.
    package let requestsLeft = Gauge()
    private let statuses = StatusCounts()

    /// Without records.
    package init(name: String) {
        self.name = name
    }

    /// Records a request and what it was answered with; nil when there was no whole answer.
    package func record(status: Int?, _ duration: Duration) {
        requests.record(duration)
        statuses.record(status: status)
    }

    var countsByStatus: [(status: String, count: UInt64)] { statuses.byStatus }
}

/// The counters of a policy: its witnesses and its quorum.
package final class PolicyMetrics: Sendable {
    /// In the publisher's order.
    package let witnesses: [WitnessMetrics]
    /// How long each quorum took from the beginning of its round.
    package let quorumDurations = Histogram()
    /// Rounds that ended without one.
    package let quorumsLost = Gauge()

    /// Counters of the witnesses with these names.
    package init(witnessNames: [String]) {
        witnesses = witnessNames.map { WitnessMetrics(name: $0) }
    }

    func render(into text: inout MetricsText) {
        text.family(
            "witness_requests_total", "counter",
            "Requests to witnesses, by status; none: no whole answer came.")
        for witness in witnesses {
            for (status, count) in witness.countsByStatus {
                text.sample(
                    "witness_requests_total", "\(witness.label),status=\"\(status)\"", count)
            }
        }
        let duration = "witness_request_duration_seconds"
        text.family(duration, "histogram", "Time to a witness's answer, or to giving up.")
        for witness in witnesses {
            text.histogramSamples(duration, witness.label, witness.requests.totals)
        }
        render(
            "witness_cosignature_timestamp_seconds", "gauge",
            "The time in the last cosignature of each witness.", into: &text
        ) { $0.cosignatureTime }
        render(
            "witness_contradictions_total", "counter",
            "Answers by which a witness has cosigned a tree that this log does not have.",
            into: &text
        ) { $0.contradictions }
        render(
            "witness_clock_warnings_total", "counter",
            "Cosignatures with a time an hour off, or before the last one.", into: &text
        ) { $0.oddTimes }
        render(
            "witness_requests_left", "gauge",
            "Requests saved up for new leaves, of those that the witness grants.", into: &text
        ) { $0.requestsLeft }
        text.family("quorum_total", "counter", "Rounds, by whether they reached the quorum.")
        text.sample("quorum_total", "outcome=\"reached\"", quorumDurations.totals.count)
        text.sample("quorum_total", "outcome=\"lost\"", quorumsLost.current)
        text.histogram(
            "quorum_duration_seconds", "Time from the beginning of a round to its quorum.",
            quorumDurations.totals)
    }

    private func render(
        _ name: String, _ type: String, _ help: String, into text: inout MetricsText,
        _ gauge: (WitnessMetrics) -> Gauge
    ) {
        text.family(name, type, help)
        for witness in witnesses { text.sample(name, witness.label, gauge(witness).current) }
    }
}

extension WitnessMetrics {
    fileprivate var label: String { "witness=\"\(MetricsText.escaped(name))\"" }
}
