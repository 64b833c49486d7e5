// SPDX-License-Identifier: BSD-2-Clause
//
// Whether a domain stands behind a submit token: the keys in the domain's TXT records are looked up,
// and the token verified with each. Neither is done on a reactor.

import LogCrypto
import LogService
import Logging
import Reactor
import SigsumFormats
import Synchronization
import Transport

/// Checks submit tokens for one log.
final class TokenChecker: Sendable {
    /// What a token is worth.
    enum Outcome: Sendable {
        /// This domain stands behind it.
        case valid(DomainName)
        /// To be answered so.
        case refused(AddLeafAnswer)
    }

    /// The records that are looked at, valid or not: their order is the name server's.
    static let recordCountMax = 10
    /// The most tokens that wait to be verified: a second and a half's work where each domain has as
    /// many keys as are looked at.
    static let verifyingCountMax = 1_024

    /// The most domains of one zone that are looked up at a time.
    static let zoneCountMax = 8

    private let logKey: PublicKey
    /// Tokens that wait for name servers, by zone and domain.
    private let asking = Mutex<[DomainName: [DomainName: Int]]>([:])
    private let resolver: TXTResolver
    private let metrics: RateLimitMetrics
    private let thread: ThreadExecutor
    private let zone: @Sendable (DomainName) -> DomainName
    private let verifyingCount = Atomic<Int>(0)
    private let logger = Logger(label: "rate-limit")

    /// - Parameters:
    ///   - logKey: what tokens for this log are made over.
    ///   - thread: where tokens are verified.
    ///   - zone: whose name servers are asked for a domain. They may be slow on purpose, so those of
    ///     one zone keep a part of the resolver busy at most.
    init(
        logKey: PublicKey, resolver: TXTResolver, thread: ThreadExecutor,
        metrics: RateLimitMetrics,
        zone: @escaping @Sendable (DomainName) -> DomainName = { $0 }
    ) {
        self.zone = zone
        self.logKey = logKey
        self.resolver = resolver
        self.thread = thread
        self.metrics = metrics
    }

    /// Finds out what `token` is worth and tells `then`, within this call or later, on any thread.
    ///
    /// - Parameter refusal: the answer to tokens of a domain that are worth nothing whoever made
    ///   them; name servers are not asked then.
    func check(
        _ token: SubmitToken, refusal: (DomainName) -> AddLeafAnswer? = { _ in nil },
        then: @escaping @Sendable (Outcome) -> Void
    ) {
        let domain: DomainName
        do throws(FormatError) {
            domain = try DomainName(parsing: token.domain.span)
        } catch {
            return then(refused(.domain))
        }
        if let answer = refusal(domain) { return then(.refused(answer)) }
        let zone = zone(domain)
        guard begin(domain, in: zone) else {
            return then(unchecked(.unavailable(.tokensOverloaded)))
        }
        lookUp("_sigsum_v1", domain) { [self] answer in
            // Only where that name has no records: a domain that moves on leaves the old one behind.
            guard case .nonexistent = answer else {
                end(domain, in: zone)
                return judge(token, domain, answer, then: then)
            }
            lookUp("_sigsum_v0", domain) { answer in
                self.end(domain, in: zone)
                self.judge(token, domain, answer, then: then)
            }
        }
    }

    private func begin(_ domain: DomainName, in zone: DomainName) -> Bool {
        asking.withLock { asking in
            let isAsked = asking[zone]?[domain] != nil
            guard isAsked || asking[zone]?.count ?? 0 < Self.zoneCountMax else { return false }
            asking[zone, default: [:]][domain, default: 0] += 1
            return true
        }
    }

    private func end(_ domain: DomainName, in zone: DomainName) {
        asking.withLock { asking in
            let count = (asking[zone]?[domain] ?? 1) - 1
            asking[zone]?[domain] = count > 0 ? count : nil
            if asking[zone]?.isEmpty == true { asking[zone] = nil }
        }
    }

    private func lookUp(
        _ label: StaticString, _ domain: DomainName,
        then: @escaping @Sendable (TXTAnswer) -> Void
    ) {
        guard let name = domain.child(label) else { return then(.nonexistent(ttl: .zero)) }
        resolver.lookUp(name.ascii, then: then)
    }

    private func judge(
        _ token: SubmitToken, _ domain: DomainName, _ answer: TXTAnswer,
        then: @escaping @Sendable (Outcome) -> Void
    ) {
        switch answer {
        case .records(let records, _):
            let keys = records.prefix(Self.recordCountMax).compactMap { PublicKey(hex: $0.span) }
            guard !keys.isEmpty else { return then(refused(.noKey)) }
            verify(token, domain, with: keys, then: then)
        case .nonexistent:
            then(refused(.noKey))
        case .failure(.overloaded):
            then(unchecked(.unavailable(.tokensOverloaded)))
        case .failure(let failure):
            logger.debug("submit token of \(domain): \(failure)")
            then(unchecked(.tokenUnchecked))
        }
    }

    /// The records may have come from memory, on a reactor, so another thread has the work.
    private func verify(
        _ token: SubmitToken, _ domain: DomainName, with keys: [PublicKey],
        then: @escaping @Sendable (Outcome) -> Void
    ) {
        let count = verifyingCount.add(1, ordering: .relaxed).newValue
        guard count <= Self.verifyingCountMax else {
            verifyingCount.subtract(1, ordering: .relaxed)
            return then(unchecked(.unavailable(.tokensOverloaded)))
        }
        thread.post { [self] in
            defer { verifyingCount.subtract(1, ordering: .relaxed) }
            guard keys.contains(where: { token.isValid(for: $0, log: logKey) }) else {
                return then(refused(.signature))
            }
            metrics.validTokens.add()
            then(.valid(domain))
        }
    }

    private func refused(_ fault: TokenFault) -> Outcome {
        metrics.record(fault)
        return .refused(.invalidToken(fault))
    }

    private func unchecked(_ answer: AddLeafAnswer) -> Outcome {
        metrics.uncheckedTokens.add()
        return .refused(answer)
    }
}
