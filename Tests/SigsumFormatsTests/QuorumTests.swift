// SPDX-License-Identifier: BSD-2-Clause

// When a quorum is met: small ones by hand, random ones against the definition written down as a
// recursive function, and ones of a size and depth that recursion would not survive.

import LogCrypto
import SigsumFormats
import TestSupport
import Testing

@Suite struct QuorumTests {
    /// Two of three in one group and one of three in another, as in the format's description.
    @Test(arguments: [
        ("", false), ("A", false), ("AB", false), ("X", false), ("XYZ", false), ("AX", false),
        ("ABX", true), ("BCZ", true), ("ABCXYZ", true), ("AXYZ", false),
    ])
    func twoGroups(witnesses: String, isMet: Bool) throws {
        let policy = try PolicyTests.parse(
            "ABCXYZ".enumerated().map { "witness \($1) \(PolicyTests.key($0))\n" }.joined()
                + "group G 2 A B C\ngroup H any X Y Z\ngroup I all G H\nquorum I\n")
        let cosigned = policy.witnesses.filter { witnesses.contains($0.name) }
        #expect(policy.quorum.isMet(by: Set(cosigned.map(\.keyHash))) == isMet)
    }

    @Test func none() throws {
        let policy = try PolicyTests.parse("witness W \(PolicyTests.key(1))\nquorum none\n")
        #expect(policy.quorum.isNone)
        #expect(policy.quorum.isMet(by: []))
        #expect(policy.quorum.isMet(by: Set(policy.witnesses.map(\.keyHash))))
        #expect(Quorum.none.isNone)
    }

    /// Witnesses that the policy does not have, or that the quorum does not name, add nothing; and
    /// a group defined after the quorum does not touch it.
    @Test func othersDoNotCount() throws {
        let policy = try PolicyTests.parse(
            (1...4).map { "witness \($0) \(PolicyTests.key($0))\n" }.joined()
                + "group G 2 1 2 3\nquorum G\ngroup H any G 4\n")
        #expect(!policy.quorum.isNone)
        let keyHashes = policy.witnesses.map(\.keyHash)
        let unknown = try #require(KeyHash(hex: PolicyTests.key(9)))
        #expect(!policy.quorum.isMet(by: [keyHashes[0], keyHashes[3], unknown]))
        #expect(policy.quorum.isMet(by: [keyHashes[0], keyHashes[2]]))
    }

    /// A witness or a group as a policy's description says it.
    indirect enum Condition {
        case witness(Int)
        case group(threshold: Int, members: [Condition])

        func isMet(by witnesses: Set<Int>) -> Bool {
            switch self {
            case .witness(let number): witnesses.contains(number)
            case .group(let threshold, let members):
                members.count { $0.isMet(by: witnesses) } >= threshold
            }
        }
    }

    /// A policy with a random tree, and lines that do not belong to it, beside the tree itself.
    static func randomPolicy(
        _ random: inout SeededGenerator
    ) -> (text: String, condition: Condition) {
        var text = ""
        var free: [(name: String, condition: Condition)] = []
        for number in 0..<Int.random(in: 1...40, using: &random) {
            text += "witness w\(number) \(PolicyTests.key(number))\n"
            free.append(("w\(number)", .witness(number)))
        }
        for number in 0..<Int.random(in: 0...20, using: &random) {
            free.shuffle(using: &random)
            let count = Int.random(in: 1...min(5, free.count), using: &random)
            let members = free.suffix(count)
            free.removeLast(count)
            let threshold = Int.random(in: 1...count, using: &random)
            text += "group g\(number) \(threshold) "
            text += members.map(\.name).joined(separator: " ") + "\n"
            free.append(
                ("g\(number)", .group(threshold: threshold, members: members.map(\.condition))))
        }
        // The newest is often the largest.
        let quorum = Bool.random(using: &random) ? free.count - 1 : 0
        text += "quorum \(free[quorum].name)\n"
        text += "group last any \(free[quorum].name)\n"
        return (text, free[quorum].condition)
    }

    @Test func randomPoliciesAgainstTheDefinition() throws {
        var random = SeededGenerator(seed: Fuzzing.seed)
        var metCount = 0
        let roundCount = 200
        let subsetCount = 20
        for _ in 0..<roundCount {
            let (text, condition) = Self.randomPolicy(&random)
            let policy = try PolicyTests.parse(text)
            for _ in 0..<subsetCount {
                let share = Double.random(in: 0...1, using: &random)
                let subset = Set(
                    policy.witnesses.indices.filter { _ in
                        Double.random(in: 0..<1, using: &random) < share
                    })
                let isMet = policy.quorum.isMet(
                    by: Set(subset.map { policy.witnesses[$0].keyHash }))
                #expect(isMet == condition.isMet(by: subset), "\(subset) for\n\(text)")
                metCount += isMet ? 1 : 0
            }
        }
        // Both answers come up.
        #expect(metCount > roundCount && metCount < roundCount * (subsetCount - 1))
    }

    @Test(arguments: ["any", "all", "1"]) func tenThousandDeep(threshold: String) throws {
        var text = "witness g0 \(PolicyTests.key(1))\n"
        for depth in 1...10_000 { text += "group g\(depth) \(threshold) g\(depth - 1)\n" }
        let policy = try PolicyTests.parse(text + "quorum g10000\n")
        // Kept apart from the macro, which would print ten thousand groups.
        let isMet = policy.quorum.isMet(by: [policy.witnesses[0].keyHash])
        let isMetByNone = policy.quorum.isMet(by: [])
        #expect(isMet && !isMetByNone)
    }

    /// A chain in which each group also asks for a witness of its own: the deepest missing is found
    /// as well as the last.
    @Test func aWitnessOnEachOfManyLevels() throws {
        let count = 2_000
        var text = "witness w0 \(PolicyTests.key(0))\ngroup g0 any w0\n"
        for depth in 1..<count {
            text += "witness w\(depth) \(PolicyTests.key(depth))\n"
            text += "group g\(depth) all w\(depth) g\(depth - 1)\n"
        }
        let policy = try PolicyTests.parse(text + "quorum g\(count - 1)\n")
        let keyHashes = policy.witnesses.map(\.keyHash)
        let isMetByAll = policy.quorum.isMet(by: Set(keyHashes))
        #expect(isMetByAll)
        for missing in [0, 1, count / 2, count - 1] {
            let isMet = policy.quorum.isMet(by: Set(keyHashes).subtracting([keyHashes[missing]]))
            #expect(!isMet)
        }
    }
}
