// SPDX-License-Identifier: BSD-2-Clause
//
// What a submit token is worth, by what name servers say of its domain, and on whose thread that is
// found out.

import Foundation
import LogCrypto
import LogService
import Reactor
import SigsumFormats
import Synchronization
import TestSupport
import Testing
import Transport

@testable import SigsumDaemon

extension TokenChecker.Outcome: Equatable {
    static func == (left: Self, right: Self) -> Bool {
        switch (left, right) {
        case (.valid(let left), .valid(let right)): left == right
        case (.refused(let left), .refused(let right)): left == right
        default: false
        }
    }

    static func fault(_ fault: TokenFault) -> Self { .refused(.invalidToken(fault)) }

    static func valid(_ name: String) throws -> Self {
        .valid(try DomainName(parsing: Array(name.utf8).span))
    }
}

/// A checker over scripted name servers.
private final class CheckerRig: Sendable {
    let names: ScriptedNames
    let metrics = RateLimitMetrics { LookUpCounts() }
    let thread: ThreadExecutor
    let resolver: TXTResolver
    let checker: TokenChecker

    init(
        _ answers: [String: TXTAnswer], limits: LookUpLimits = LookUpLimits(),
        log: PublicKey = key(seed: 1).publicKey,
        zone: @escaping @Sendable (DomainName) -> DomainName = { $0 }
    ) throws {
        let names = ScriptedNames(answers)
        self.names = names
        thread = try ThreadExecutor(name: "tokens")
        // On a clock that stands still, what is remembered is remembered.
        let now = MonotonicInstant.now()
        resolver = TXTResolver(limits: limits, clock: { now }, measure: { _ in }) {
            names.lookUp($0)
        }
        checker = TokenChecker(
            logKey: log, resolver: resolver, thread: thread, metrics: metrics, zone: zone)
    }

    func stop() {
        resolver.stop()
        thread.stop()
    }

    /// The outcome, and whether it came on the thread that verifies.
    func check(_ token: SubmitToken) async -> (outcome: TokenChecker.Outcome, wasOnThread: Bool) {
        await withCheckedContinuation { continuation in
            checker.check(token) { [thread] outcome in
                continuation.resume(returning: (outcome, thread.isOnThread))
            }
        }
    }
}

/// What name servers say of example.org, and what its token is then worth.
struct NamesCase: CustomTestStringConvertible, Sendable {
    let testDescription: String
    let current: TXTAnswer?
    let old: TXTAnswer?
    let outcome: TokenChecker.Outcome
    /// What the metrics count it as.
    let counted: String
    var asksForOld = false

    static let none = TXTAnswer.nonexistent(ttl: .seconds(60))

    static let all: [NamesCase] = {
        let valid = (try? TokenChecker.Outcome.valid("example.org")) ?? .fault(.domain)
        let unchecked = TokenChecker.Outcome.refused(.tokenUnchecked)
        let upper = "\(key(seed: 9).publicKey)".uppercased()
        func the(
            _ name: String, _ current: TXTAnswer?, old: TXTAnswer? = .keys(9),
            _ outcome: TokenChecker.Outcome, _ counted: String, asksForOld: Bool = false
        ) -> NamesCase {
            NamesCase(
                testDescription: name, current: current, old: old, outcome: outcome,
                counted: counted, asksForOld: asksForOld)
        }
        return [
            the("a key", .keys(9), old: nil, valid, "valid"),
            the("the second of two keys", .keys(8, 9), valid, "valid"),
            the("a key in upper case", .texts(upper), old: nil, valid, "valid"),
            the("another key", .keys(8), .fault(.signature), "bad-signature"),
            the("no such name, an old one", none, valid, "valid", asksForOld: true),
            the("only an old name", nil, valid, "valid", asksForOld: true),
            the("neither", none, old: none, .fault(.noKey), "no-key", asksForOld: true),
            the(
                "an old name with another key", none, old: .keys(8), .fault(.signature),
                "bad-signature", asksForOld: true),
            the(
                "an old name that cannot be looked up", none, old: .failure(.unanswered), unchecked,
                "unchecked", asksForOld: true),
            // The old name counts only where the new one has no records.
            the("records without a key", .texts("v=spf1 -all"), .fault(.noKey), "no-key"),
            the("an empty record", .texts(""), .fault(.noKey), "no-key"),
            the("a key of 31 bytes", .texts(String(upper.dropLast(2))), .fault(.noKey), "no-key"),
            the("a key of 33 bytes", .texts(upper + "00"), .fault(.noKey), "no-key"),
            the("a key after a blank", .texts(" " + upper), .fault(.noKey), "no-key"),
            the("two keys in one record", .texts(upper + upper), .fault(.noKey), "no-key"),
            the("no answer", .failure(.unanswered), unchecked, "unchecked"),
            the("SERVFAIL", .failure(.refused(code: 2)), unchecked, "unchecked"),
            the("a malformed answer", .failure(.malformed), unchecked, "unchecked"),
            the("an end", .failure(.stopped), unchecked, "unchecked"),
            the(
                "too many questions", .failure(.overloaded),
                .refused(.unavailable(.tokensOverloaded)), "unchecked"),
            // Ten records are looked at, whatever they are.
            the("a key behind nine others", .keys(9, junk: 9), valid, "valid"),
            the("a key behind ten others", .keys(9, junk: 10), .fault(.noKey), "no-key"),
            the(
                "behind ten keys", .keys(11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 9),
                .fault(.signature), "bad-signature"),
            the(
                "the tenth key", .keys(11, 12, 13, 14, 15, 16, 17, 18, 19, 9), valid, "valid"),
        ]
    }()
}

@Suite struct TokenCheckerTests {
    private static func withRig(
        _ answers: [String: TXTAnswer], limits: LookUpLimits = LookUpLimits(),
        _ body: (CheckerRig) async throws -> Void
    ) async throws {
        let rig = try CheckerRig(answers, limits: limits)
        defer { rig.stop() }
        try await body(rig)
    }

    /// Asked twice: what comes from memory is worth the same, and asks nobody.
    @Test(arguments: NamesCase.all) func whatNameServersSay(case: NamesCase) async throws {
        var answers: [String: TXTAnswer] = [:]
        answers["_sigsum_v1.example.org"] = `case`.current
        answers["_sigsum_v0.example.org"] = `case`.old
        try await Self.withRig(answers) { rig in
            let token = try SubmitToken("example.org", seed: 9)
            for _ in 0..<2 {
                let (outcome, wasOnThread) = await rig.check(token)
                #expect(outcome == `case`.outcome)
                let isVerified = `case`.counted == "valid" || `case`.counted == "bad-signature"
                #expect(wasOnThread == isVerified)
            }
            let old = `case`.asksForOld ? ["_sigsum_v0.example.org"] : []
            #expect(rig.names.asked == ["_sigsum_v1.example.org"] + old)
            #expect(rig.metrics.samples(of: "submit_tokens_total") == [`case`.counted: 2])
        }
    }

    /// Names are compared and looked up in one form.
    @Test(
        arguments: [
            ("EXAMPLE.Org", "_sigsum_v1.example.org"),
            ("example.org.", "_sigsum_v1.example.org"),
            ("b\u{FC}cher.example", "_sigsum_v1.xn--bcher-kva.example"),
            ("Bu\u{308}cher.example", "_sigsum_v1.xn--bcher-kva.example"),
            ("xn--bcher-kva.example", "_sigsum_v1.xn--bcher-kva.example"),
            ("a_b.example", "_sigsum_v1.a_b.example"),
        ])
    func theNameThatIsLookedUp(domain: String, name: String) async throws {
        try await Self.withRig([name: .keys(9)]) { rig in
            let outcome = await rig.check(try SubmitToken(domain, seed: 9)).outcome
            let normal = String(name.dropFirst("_sigsum_v1.".count))
            #expect(try outcome == .valid(normal))
            #expect(rig.names.asked == [name])
        }
    }

    @Test(arguments: [
        ".", "example..org", "-a.example", "a\u{A0}b", "a/b", "\u{2603}\u{FE0F}",
        "xn--a", "XN--BCHER-KVA\u{DF}.example", String(repeating: "a", count: 64) + ".example",
    ])
    func whatIsNoName(domain: String) async throws {
        try await Self.withRig([:]) { rig in
            let outcome = await rig.check(try SubmitToken(domain, seed: 9)).outcome
            #expect(outcome == .fault(.domain))
            #expect(rig.names.asked == [])
            #expect(rig.metrics.samples(of: "submit_tokens_total") == ["bad-domain": 1])
        }
    }

    /// A name that leaves no room for the label before it is in no DNS.
    @Test func aNameThatIsTooLong() async throws {
        let name = String(repeating: "abcdefg.", count: 31) + "org"
        #expect(name.utf8.count == 251)
        try await Self.withRig([:]) { rig in
            let outcome = await rig.check(try SubmitToken(name, seed: 9)).outcome
            #expect(outcome == .fault(.noKey))
            #expect(rig.names.asked == [])
        }
    }

    /// A token is for one log.
    @Test func aTokenForAnotherLog() async throws {
        try await Self.withRig(["_sigsum_v1.example.org": .keys(9)]) { rig in
            let token = try SubmitToken("example.org", seed: 9, log: key(seed: 2).publicKey)
            #expect(await rig.check(token).outcome == .fault(.signature))
        }
    }

    /// As sigsum-go makes them.
    @Test func goldenTokens() async throws {
        let vectors = try Vectors.tokens()
        #expect(vectors.count == 2)
        for vector in vectors {
            let log = try #require(PublicKey(hex: vector.log_public_key))
            let rig = try CheckerRig(
                ["_sigsum_v1.test.sigsum.org": .texts(vector.rate_limit_public_key)], log: log)
            defer { rig.stop() }
            let token = try SubmitToken(
                parsing: Array("test.sigsum.org \(vector.token)".utf8).span)
            let outcome = await rig.check(token).outcome
            #expect(try outcome == .valid("test.sigsum.org"))
        }
    }

    /// Whoever asks never waits and never verifies: a check returns while name servers are silent,
    /// and when the records are there already the work goes to the other thread.
    @Test func nothingOnTheCallersThread() async throws {
        try await Self.withRig(["_sigsum_v1.example.org": .keys(9)]) { rig in
            rig.names.fallSilent()
            let token = try SubmitToken("example.org", seed: 9)
            let (outcomes, continuation) = AsyncStream.makeStream(of: TokenChecker.Outcome.self)
            for _ in 0..<3 { rig.checker.check(token) { continuation.yield($0) } }
            rig.names.speak(releasing: 1)
            var count = 0
            for await outcome in outcomes {
                #expect(try outcome == .valid("example.org"))
                count += 1
                if count == 3 { break }
            }
            #expect(rig.names.asked == ["_sigsum_v1.example.org"])

            // The thread is busy, and so nothing has been said when the call returns.
            let gate = DispatchSemaphore(value: 0)
            rig.thread.post { gate.wait() }
            let isSettled = Mutex(false)
            let outcome = await withCheckedContinuation { continuation in
                rig.checker.check(token) {
                    isSettled.withLock { $0 = true }
                    continuation.resume(returning: $0)
                }
                let wasSettled = isSettled.withLock { $0 }
                #expect(!wasSettled)
                gate.signal()
            }
            #expect(try outcome == .valid("example.org"))
        }
    }

    /// More than may wait for name servers, or for the thread that verifies, are told so at once.
    @Test func tooMany() async throws {
        let limits = LookUpLimits(threadCountMax: 1, waiterCountMax: 1)
        try await Self.withRig(["_sigsum_v1.example.org": .keys(9)], limits: limits) { rig in
            let token = try SubmitToken("example.org", seed: 9)
            rig.names.fallSilent()
            async let first = rig.check(token).outcome
            while rig.names.asked.isEmpty { await Task.yield() }
            let other = await rig.check(try SubmitToken("example.com", seed: 9)).outcome
            #expect(other == .refused(.unavailable(.tokensOverloaded)))
            rig.names.speak(releasing: 1)
            let outcome = await first
            #expect(try outcome == .valid("example.org"))
            // It is told before it counts no more.
            await withCheckedContinuation { continuation in
                rig.thread.post { continuation.resume() }
            }

            let gate = DispatchSemaphore(value: 0)
            rig.thread.post { gate.wait() }
            let (outcomes, continuation) = AsyncStream.makeStream(of: TokenChecker.Outcome.self)
            for _ in 0..<TokenChecker.verifyingCountMax {
                rig.checker.check(token) { continuation.yield($0) }
            }
            #expect(await rig.check(token).outcome == .refused(.unavailable(.tokensOverloaded)))
            gate.signal()
            var validCount = 0
            for await outcome in outcomes {
                #expect(try outcome == .valid("example.org"))
                validCount += 1
                if validCount == TokenChecker.verifyingCountMax { break }
            }
            // And those that were done make room.
            let last = await rig.check(token).outcome
            #expect(try last == .valid("example.org"))
        }
    }

    /// Name servers of one zone keep a few look-ups busy at most. A domain counts once, whoever asks
    /// for it, and counts no more when it is known.
    @Test func slowNameServersOfOneZone() async throws {
        let limits = try RateLimits("public list 1")
        let rig = try CheckerRig([:], zone: { limits.zone(of: $0) })
        defer { rig.stop() }
        let (outcomes, continuation) = AsyncStream.makeStream(of: TokenChecker.Outcome.self)
        func begin(_ domain: String) throws {
            rig.checker.check(try SubmitToken(domain, seed: 9)) { continuation.yield($0) }
        }
        rig.names.fallSilent()
        for number in 1...TokenChecker.zoneCountMax { try begin("a\(number).example.org") }
        let next = try SubmitToken("next.example.org", seed: 9)
        #expect(await rig.check(next).outcome == .refused(.unavailable(.tokensOverloaded)))
        try begin("a1.example.org")
        try begin("a1.example.com")
        while rig.names.asked.count <= TokenChecker.zoneCountMax { await Task.yield() }
        rig.names.speak(releasing: TokenChecker.zoneCountMax + 1)
        var count = 0
        for await outcome in outcomes {
            #expect(outcome == .fault(.noKey))
            count += 1
            if count == TokenChecker.zoneCountMax + 2 { break }
        }
        #expect(await rig.check(next).outcome == .fault(.noKey))
        #expect(!rig.names.asked[..<count].contains("_sigsum_v1.next.example.org"))
    }

    /// Those who wait for a name server hear of the end, and the checker's thread can end.
    @Test func stoppingWhileNameServersAreSilent() async throws {
        let rig = try CheckerRig([:])
        rig.names.fallSilent()
        async let outcome = rig.check(try SubmitToken("example.org", seed: 9)).outcome
        while rig.names.asked.isEmpty { await Task.yield() }
        rig.stop()
        #expect(try await outcome == .refused(.tokenUnchecked))
        rig.names.speak(releasing: 1)
    }
}
