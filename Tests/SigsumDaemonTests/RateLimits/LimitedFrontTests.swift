// SPDX-License-Identifier: BSD-2-Clause
//
// New leaves under rate limits, over sockets: what is charged and what is not, and that whoever
// brings a leaf that the log has, or is about to have, is never refused for it.

import LogCrypto
import LogService
import SigsumFormats
import Testing
import Transport

@testable import SigsumDaemon

@Suite struct LimitedFrontTests {
    private static let seed: UInt8 = 7
    private static let keyHash = key(seed: seed).publicKey.keyHash
    private static let account = Account.key(keyHash)

    private static func withNode(
        _ limits: String, names: ScriptedNames = ScriptedNames(),
        _ body: (LimitedNode) async throws -> Void
    ) async throws {
        let node = try LimitedNode(limits, names: names)
        defer { node.stop() }
        try await body(node)
    }

    private static func leaf(_ number: Int, isValid: Bool = true) -> TestLeaf {
        TestLeaf(number, seed: seed, isValid: isValid)
    }

    /// Whoever knows a public key cannot use its limit up.
    @Test func badSignaturesUseNothing() async throws {
        try await Self.withNode("key \(Self.keyHash) 2") { node in
            let bad = (0..<60).map { Self.leaf($0, isValid: false) }
            try await node.expect([403: 60], forAll: bad)
            #expect(await node.size == 0)
            try await node.expect(200, for: Self.leaf(1))
            try await node.expect(200, for: Self.leaf(2))
            try await node.expect(429, for: Self.leaf(3))
            #expect(try node.stored(Self.account) == 2)
            // A signature is not looked at any more.
            try await node.expect(429, for: bad[0])
            #expect(
                node.limits.samples(of: "rate_limit_total") == ["accepted": 2, "over-limit": 2])
        }
    }

    /// However many come at the same time, a limit is met exactly, and what is charged is what is in
    /// the tree.
    @Test func parallelRequests() async throws {
        try await Self.withNode("key \(Self.keyHash) 17") { node in
            let leaves = (0..<80).map { Self.leaf($0) }
            try await node.expect([200: 17, 429: 63], forAll: leaves)
            #expect(await node.size == 17)
            #expect(try node.stored(Self.account) == 17)
            // Those that got in are free, and no others do.
            try await node.expect([200: 17, 429: 63], forAll: leaves)
            #expect(await node.size == 17)
        }
    }

    /// Of many who bring the last leaf that there is room for, nobody is refused.
    @Test(arguments: 1...10) func oneLeafFromMany(round: Int) async throws {
        try await Self.withNode("key \(Self.keyHash) 1") { node in
            let leaves = Array(repeating: Self.leaf(round), count: 24)
            try await node.expect([200: 24], forAll: leaves)
            #expect(await node.size == 1)
            #expect(try node.stored(Self.account) == 1)
        }
    }

    /// One waits for a name server while another brings the leaf, and uses up the limit with it. What
    /// the token turns out to be worth does not matter any more.
    @Test(
        arguments: [.keys(9), .keys(8), .nonexistent(ttl: .zero), .failure(.unanswered)]
            as [TXTAnswer])
    func aLeafThatGotInMeanwhile(answer: TXTAnswer) async throws {
        let names = ScriptedNames(["_sigsum_v1.example.org": answer])
        try await Self.withNode("key \(Self.keyHash) 1", names: names) { node in
            names.fallSilent()
            let token = try SubmitToken("example.org", seed: 9)
            async let slow = node.add(Self.leaf(1), token)
            while names.asked.isEmpty { await Task.yield() }
            try await node.expect(200, for: Self.leaf(1))
            try await node.expect(429, for: Self.leaf(2))
            names.speak(releasing: 1)
            let status = try await slow
            #expect(status == 200)
            #expect(await node.size == 1)
        }
    }

    /// With name servers that do not answer, reads and leaves without tokens are served, and leaves
    /// with tokens when there is an answer.
    @Test func silentNameServers() async throws {
        let names = ScriptedNames(["_sigsum_v1.example.org": .keys(9)])
        let limits = "key \(Self.keyHash) 10\ndomain example.org 3"
        try await Self.withNode(limits, names: names) { node in
            names.fallSilent()
            let token = try SubmitToken("example.org", seed: 9)
            let strangers = (0..<12).map { TestLeaf($0, seed: 20) }
            async let slow = node.addAll(strangers, token)
            while names.asked.isEmpty { await Task.yield() }
            for number in 0..<10 { try await node.expect(200, for: Self.leaf(number)) }
            let status = try await node.read()
            #expect(status == 200)
            try await node.expect(429, for: strangers[0])
            names.speak(releasing: 1)
            let statuses = try await slow
            #expect(statuses == [200: 3, 429: 9])
            #expect(names.asked == ["_sigsum_v1.example.org"])
            #expect(await node.size == 13)
            let domain = try DomainName(parsing: Array("example.org".utf8).span)
            #expect(try node.stored(.domain(domain)) == 3)
        }
    }

    /// What is wrong with a token is said of new leaves alone, and nothing is charged for it.
    @Test func tokens() async throws {
        let names = ScriptedNames([
            "_sigsum_v1.example.org": .keys(9), "_sigsum_v1.broken.org": .failure(.malformed),
        ])
        try await Self.withNode("key \(Self.keyHash) 2", names: names) { node in
            for (domain, seed, status) in [
                ("example.org", 8, 400), ("a..b", 9, 400), ("nowhere.org", 9, 400),
                ("broken.org", 9, 500), ("example.org", 9, 200), ("example.org", 8, 200),
                ("broken.org", 9, 200),
            ] as [(String, UInt8, Int)] {
                let token = try SubmitToken(domain, seed: seed)
                try await node.expect(status, for: Self.leaf(1), token)
            }
            #expect(try node.stored(Self.account) == 1)
        }
    }

    /// Limits that are replaced while leaves come hold at once, and what was counted counts.
    @Test func otherLimits() async throws {
        try await Self.withNode("key \(Self.keyHash) 5") { node in
            let leaves = (0..<40).map { Self.leaf($0) }
            try await node.expect([200: 5, 429: 35], forAll: leaves)
            let others = (40..<80).map { Self.leaf($0) }
            let wider = try RateLimits("key \(Self.keyHash) 12")
            let all = Task { try await node.addAll(others) }
            node.quotas.replace(wider)
            let statuses = try await all.value
            #expect(statuses[200, default: 0] <= 7)
            // Five of these are in the tree, and the others take what is left.
            let taken = 12 - statuses[200, default: 0]
            try await node.expect([200: taken, 429: 40 - taken], forAll: leaves)
            #expect(await node.size == 12)
            node.quotas.replace(try RateLimits(""))
            try await node.expect(429, for: Self.leaf(99))
            #expect(try node.stored(Self.account) == 12)
        }
    }

    /// The end comes while a name server is silent.
    @Test func stopping() async throws {
        let node = try LimitedNode("key \(Self.keyHash) 5")
        node.names.fallSilent()
        let token = try SubmitToken("example.org", seed: 9)
        let slow = Task { try await node.add(Self.leaf(1), token) }
        while node.names.asked.isEmpty { await Task.yield() }
        node.stop()
        slow.cancel()
        node.names.speak(releasing: 1)
    }
}
