// SPDX-License-Identifier: BSD-2-Clause
//
// The first look at the limits: whose account a new leaf goes on, what is refused there, and that
// nothing is counted by looking.

import LogCrypto
import LogService
import Reactor
import SigsumFormats
import Synchronization
import Testing
import Transport

@testable import SigsumDaemon

extension LeafGate.Decision: Equatable {
    static func == (left: Self, right: Self) -> Bool {
        switch (left, right) {
        case (.charge(let left), .charge(let right)): left == right
        case (.refuse(let left), .refuse(let right)): left == right
        default: false
        }
    }
}

@Suite final class LeafGateTests {
    private static let keyHashes = (2...5).map { key(seed: $0).publicKey.keyHash }

    private let names: ScriptedNames
    private let thread: ThreadExecutor
    private let resolver: TXTResolver
    private let metrics = RateLimitMetrics { LookUpCounts() }
    private let gate: LeafGate

    init() throws {
        names = ScriptedNames([
            "_sigsum_v1.example.org": .keys(9), "_sigsum_v1.a.example.org": .keys(9),
            "_sigsum_v1.x.example.com": .keys(9), "_sigsum_v1.example.net": .keys(9),
            "_sigsum_v1.broken.org": .failure(.unanswered),
        ])
        thread = try ThreadExecutor(name: "tokens")
        resolver = TXTResolver(measure: { _ in }) { [names] in names.lookUp($0) }
        gate = LeafGate(
            quotas: Quotas(
                try RateLimits(
                    """
                    key \(Self.keyHashes[0]) 1
                    key \(Self.keyHashes[1]) 0
                    domain example.org 1
                    public list 1
                    """), stored: nil, now: UnixTime.now()),
            tokens: TokenChecker(
                logKey: key(seed: 1).publicKey, resolver: resolver, thread: thread,
                metrics: metrics),
            metrics: metrics)
    }

    deinit {
        resolver.stop()
        thread.stop()
    }

    private func decide(_ keyHash: KeyHash, _ token: SubmitToken?) async -> LeafGate.Decision {
        await withCheckedContinuation { continuation in
            gate.decide(keyHash, token) { continuation.resume(returning: $0) }
        }
    }

    /// Without a token the decision comes within the call.
    @Test(
        arguments: [
            (0, .charge(.key(keyHashes[0]))), (1, .refuse(.overLimit(.quota(.overLimit)))),
            (2, .refuse(.overLimit(.unknownKey))),
        ] as [(Int, LeafGate.Decision)])
    func withoutAToken(number: Int, decision: LeafGate.Decision) {
        let found = Mutex<LeafGate.Decision?>(nil)
        gate.decide(Self.keyHashes[number], nil) { decision in found.withLock { $0 = decision } }
        #expect(found.withLock { $0 } == decision)
    }

    /// With one, which must be valid even where the key has a limit of its own.
    @Test func withAToken() async throws {
        func name(_ text: String) throws -> DomainName {
            try DomainName(parsing: Array(text.utf8).span)
        }
        for (number, domain, seed, decision) in [
            (0, "example.org", 9, .charge(.key(Self.keyHashes[0]))),
            (0, "example.org", 8, .refuse(.invalidToken(.signature))),
            (0, "broken.org", 9, .refuse(.tokenUnchecked)),
            (1, "example.org", 9, .refuse(.overLimit(.quota(.overLimit)))),
            (2, "a.Example.org", 9, .charge(.domain(try name("example.org")))),
            (2, "x.example.com", 9, .charge(.publicDomain(try name("example.com")))),
            (2, "example.net", 9, .refuse(.overLimit(.unknownDomain))),
            (2, "nowhere.org", 9, .refuse(.invalidToken(.noKey))),
            (2, "no..name", 9, .refuse(.invalidToken(.domain))),
        ] as [(Int, String, UInt8, LeafGate.Decision)] {
            let found = await decide(
                Self.keyHashes[number], try SubmitToken(domain, seed: seed))
            #expect(found == decision, "\(domain) \(seed)")
        }
        #expect(
            metrics.samples(of: "rate_limit_total") == ["over-limit": 1, "unknown-domain": 1])
        #expect(
            metrics.samples(of: "submit_tokens_total")
                == ["valid": 4, "bad-signature": 1, "unchecked": 1, "no-key": 1, "bad-domain": 1])
    }

    /// Nobody is asked about a token that cannot help.
    @Test func aDomainThatMayNotSubmit() async throws {
        let token = try SubmitToken("example.net", seed: 9)
        #expect(await decide(Self.keyHashes[2], token) == .refuse(.overLimit(.unknownDomain)))
        #expect(names.asked == [])
        // A key with a limit of its own needs no token, and one that comes along must be valid.
        #expect(await decide(Self.keyHashes[0], token) == .charge(.key(Self.keyHashes[0])))
        #expect(names.asked == ["_sigsum_v1.example.net"])
    }

    /// Looking uses nothing up; what was charged shows at the next look.
    @Test func lookingAndCharging() async throws {
        let account = Account.key(Self.keyHashes[0])
        for _ in 0..<5 { #expect(await decide(Self.keyHashes[0], nil) == .charge(account)) }
        var ledger = try #require(gate.quotas).ledger(for: [account, account], at: UnixTime.now())
        let charged = [ledger.charge(0), ledger.charge(1)]
        #expect(charged == [true, false])
        gate.charged(1)
        let refusals = ledger.refusals.mapValues(gate.refusal)
        #expect(refusals == [1: .overLimit(.quota(.overLimit))])
        #expect(
            await decide(Self.keyHashes[0], nil) == .refuse(.overLimit(.quota(.overLimit))))
        #expect(metrics.samples(of: "rate_limit_total") == ["accepted": 1, "over-limit": 2])
    }
}
