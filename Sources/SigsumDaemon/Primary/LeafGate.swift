// SPDX-License-Identifier: BSD-2-Clause
//
// The first look at a new leaf, before its signature is verified: is the submit token good that came
// along, if one did, and what do the rate limits say, if there are any? What is found of the latter is
// no promise: a leaf is charged by the writer, when it is added.

import LogCrypto
import LogService
import SigsumFormats

/// Finds out on whose account a new leaf goes.
final class LeafGate: Sendable {
    /// What becomes of a new leaf.
    enum Decision: Sendable {
        /// It is to be charged to this account; nil: nothing is limited.
        case charge(Account?)
        /// It is not taken.
        case refuse(AddLeafAnswer)
    }

    /// nil: nothing is limited.
    let quotas: Quotas?
    private let tokens: TokenChecker
    private let metrics: RateLimitMetrics

    init(quotas: Quotas?, tokens: TokenChecker, metrics: RateLimitMetrics) {
        self.quotas = quotas
        self.tokens = tokens
        self.metrics = metrics
    }

    /// Decides on a new leaf of the key with `keyHash`; `then` is called within this call or later, on
    /// any thread. A token that came along must be valid, whether it is needed or not; but nobody is
    /// asked about one that could not help.
    func decide(
        _ keyHash: KeyHash, _ token: SubmitToken?, then: @escaping @Sendable (Decision) -> Void
    ) {
        guard let token else { return then(look(keyHash, domain: nil)) }
        tokens.check(
            token,
            refusal: { [self] domain in
                guard let quotas else { return nil }
                let found = quotas.look(keyHash, domain: domain, at: UnixTime.now())
                return found == nil ? refusal(.unknownDomain) : nil
            }
        ) { [self] outcome in
            switch outcome {
            case .valid(let domain): then(look(keyHash, domain: domain))
            case .refused(let answer): then(.refuse(answer))
            }
        }
    }

    /// Whether leaves without a token pass in any case.
    var isOpen: Bool { quotas == nil }

    /// Counts new leaves that were added.
    func charged(_ count: Int) { metrics.accepted.add(UInt64(count)) }

    /// Counts a leaf that the writer refused, and returns the answer to it.
    func refusal(_ verdict: QuotaTable.Verdict) -> AddLeafAnswer { refusal(.quota(verdict)) }

    private func look(_ keyHash: KeyHash, domain: DomainName?) -> Decision {
        guard let quotas else { return .charge(nil) }
        guard let found = quotas.look(keyHash, domain: domain, at: UnixTime.now()) else {
            return .refuse(refusal(domain == nil ? .unknownKey : .unknownDomain))
        }
        guard found.verdict == .allowed else { return .refuse(refusal(found.verdict)) }
        return .charge(found.account)
    }

    private func refusal(_ reason: RateLimitRefusal) -> AddLeafAnswer {
        metrics.record(reason)
        return .overLimit(reason)
    }
}
