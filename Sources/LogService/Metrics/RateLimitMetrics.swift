// SPDX-License-Identifier: BSD-2-Clause

// What is counted of rate limits, submit tokens and the look-ups that they need.

/// The counters of a log that has rate limits.
package final class RateLimitMetrics: Sendable {
    /// New leaves that were charged.
    package let accepted = Gauge()
    private let refusals: [RateLimitRefusal: Gauge]
    /// Tokens that a key of their domain made.
    package let validTokens = Gauge()
    private let faults: [TokenFault: Gauge]
    /// Tokens whose domain could not be looked up.
    package let uncheckedTokens = Gauge()
    /// How long look-ups took.
    package let lookUps = Histogram()
    /// What the resolver counts.
    package let lookUpCounts: @Sendable () -> LookUpCounts

    private static let reasons: [(RateLimitRefusal, name: String)] = [
        (.unknownKey, "unknown-key"), (.unknownDomain, "unknown-domain"),
        (.quota(.overLimit), "over-limit"), (.quota(.overPublicTotal), "over-public-total"),
        (.quota(.tooManyDomains), "too-many-domains"),
    ]
    private static let tokenFaults: [(TokenFault, name: String)] = [
        (.domain, "bad-domain"), (.noKey, "no-key"), (.signature, "bad-signature"),
    ]

    /// Without records.
    package init(lookUpCounts: @escaping @Sendable () -> LookUpCounts) {
        refusals = Dictionary(
            uniqueKeysWithValues: Self.reasons.map { ($0.0, Gauge()) })
        faults = Dictionary(uniqueKeysWithValues: Self.tokenFaults.map { ($0.0, Gauge()) })
        self.lookUpCounts = lookUpCounts
    }

    /// Counts a request that the limits did not allow.
    package func record(_ refusal: RateLimitRefusal) { refusals[refusal]?.add() }

    /// Counts a token that is not what it should be.
    package func record(_ fault: TokenFault) { faults[fault]?.add() }

    func render(into text: inout MetricsText) {
        text.family(
            "rate_limit_total", "counter", "New leaves, by what the rate limits made of them.")
        text.sample("rate_limit_total", "outcome=\"accepted\"", accepted.current)
        for (refusal, name) in Self.reasons {
            text.sample(
                "rate_limit_total", "outcome=\"\(name)\"", refusals[refusal]?.current ?? 0)
        }
        text.family("submit_tokens_total", "counter", "Submit tokens, by what they were worth.")
        text.sample("submit_tokens_total", "outcome=\"valid\"", validTokens.current)
        for (fault, name) in Self.tokenFaults {
            text.sample(
                "submit_tokens_total", "outcome=\"\(name)\"", faults[fault]?.current ?? 0)
        }
        text.sample("submit_tokens_total", "outcome=\"unchecked\"", uncheckedTokens.current)
        let counts = lookUpCounts()
        text.family("dns_lookups_total", "counter", "Look-ups of TXT records, by outcome.")
        for (outcome, count) in [
            ("found", counts.found), ("nonexistent", counts.nonexistent),
            ("failed", counts.failed), ("refused", counts.refused),
        ] { text.sample("dns_lookups_total", "outcome=\"\(outcome)\"", count) }
        text.histogram(
            "dns_lookup_duration_seconds", "Time that a look-up of TXT records took.",
            lookUps.totals)
        text.counter(
            "dns_cache_hits_total", "Questions that an earlier look-up's answer was good for.",
            counts.cached)
    }
}

/// What a resolver counts since its start.
package struct LookUpCounts: Sendable {
    /// Look-ups that gave records.
    package var found: UInt64 = 0
    /// Look-ups that found that there are none.
    package var nonexistent: UInt64 = 0
    /// Look-ups that failed.
    package var failed: UInt64 = 0
    /// Questions that were turned away, there being too many.
    package var refused: UInt64 = 0
    /// Questions answered from memory.
    package var cached: UInt64 = 0

    /// Nothing counted.
    package init() {}
}
