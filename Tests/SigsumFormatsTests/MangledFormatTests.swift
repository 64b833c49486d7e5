// SPDX-License-Identifier: BSD-2-Clause

// Mangled files and bodies: whatever comes in, nothing traps, and what is accepted is written out
// as the same bytes (hexadecimal in lower case).

import LogCrypto
import SigsumFormats
import TestSupport
import Testing

@Suite struct MangledFormatTests {
    private static let tokens = [
        "size=", "root_hash=", "signature=", "cosignature=", "message=", "public_key=", "leaf=",
        "=",
        "\n", " ", "0", "9223372036854775808", "ssh-ed25519 ", "-----END OPENSSH PRIVATE KEY-----",
        "sigsum-policy=\"x\" ", "AAAA", "====", "log ", "witness W ", "group G 2 ", "quorum ",
        "none", " any ", " all ", "# ", "\u{2014} ", "\u{a0}",
    ].map { Array($0.utf8) }

    /// Runs `check` on mutants of `corpus` until one fails it; some must be accepted.
    private func mangle(
        _ corpus: [[UInt8]], quick: Int, _ check: ([UInt8]) -> Verdict
    ) {
        var acceptedCount = 0
        for (seed, bytes) in Fuzzing.mutants(of: corpus, tokens: Self.tokens, quick: quick) {
            switch check(bytes) {
            case .refused: break
            case .accepted: acceptedCount += 1
            case .changed:
                let text = String(decoding: bytes, as: UTF8.self)
                Issue.record("seed \(seed): \(text.debugDescription)")
                return
            }
        }
        #expect(acceptedCount > 0)
    }

    private enum Verdict {
        case refused
        case accepted
        /// Accepted, and written out as something else.
        case changed
    }

    @Test func treeHeads() throws {
        let corpus = try Vectors.treeHeads().map { Array($0.utf8) }
        mangle(corpus, quick: 20_000) { bytes in
            guard let head = try? CosignedTreeHead(parsing: bytes.span) else { return .refused }
            let lowerCase = Array(String(decoding: bytes, as: UTF8.self).lowercased().utf8)
            return head.encode() == lowerCase ? .accepted : .changed
        }
    }

    @Test func leaves() throws {
        let corpus = try Vectors.leaves().prefix(20).map(\.body)
        mangle(corpus, quick: 20_000) { bytes in
            guard let leaf = try? UnverifiedLeaf(parsing: bytes.span) else { return .refused }
            let message = Digest(bytes: leaf.message)
            let again =
                "message=\(message)\nsignature=\(leaf.signature)\npublic_key=\(leaf.publicKey)\n"
            return again == String(decoding: bytes, as: UTF8.self).lowercased()
                ? .accepted : .changed
        }
    }

    @Test func leafLines() throws {
        let corpus = try [1, 2, 20].map { Array(try LeafLinesTests.golden($0).text.utf8) }
        mangle(corpus, quick: 20_000) { bytes in
            guard let leaves = try? Leaf.parseLines(bytes.span) else { return .refused }
            var stored: [UInt8] = []
            for leaf in leaves {
                let span = leaf.bytes.storage.span
                for position in span.indices { stored.append(span[position]) }
            }
            var again: [UInt8] = []
            again.append(addingCapacity: leaves.count * Leaf.lineByteCount) {
                Leaf.encodeLines(of: stored.span, into: &$0)
            }
            let lowerCase = Array(String(decoding: bytes, as: UTF8.self).lowercased().utf8)
            return again == lowerCase ? .accepted : .changed
        }
    }

    @Test func keyFiles() throws {
        let keys = try Vectors.keys()
        let corpus = [
            keys.log.openssh_private, keys.log.openssh_public, keys.ssh_keygen.openssh_private,
            keys.ssh_keygen.openssh_public,
        ].map { Array($0.utf8) }
        let known = [keys.log.public_key, keys.ssh_keygen.public_key]
        mangle(corpus, quick: 10_000) { bytes in
            guard let parsed = try? KeyFile(parsing: bytes.span) else { return .refused }
            // A private key that is accepted is whole; a public one may be any key.
            guard case .privateKey(let key) = parsed else { return .accepted }
            return known.contains(key.publicKey.description) ? .accepted : .changed
        }
    }

    @Test func submitTokens() {
        let corpus = ["example.org \(String(repeating: "0a", count: 64))"].map { Array($0.utf8) }
        mangle(corpus, quick: 10_000) { bytes in
            guard let token = try? SubmitToken(parsing: bytes.span) else { return .refused }
            let again = token.domain + Array(" \(token.signature)".utf8)
            let domainCount = token.domain.count
            let digits = String(decoding: bytes[domainCount...], as: UTF8.self).lowercased()
            return again == Array(bytes[..<domainCount]) + Array(digits.utf8) ? .accepted : .changed
        }
    }

    /// What is accepted has its entries on the lines it says, and all witnesses together meet its
    /// quorum, while none meet no other than `none`.
    @Test func policies() throws {
        let corpus = try Vectors.policies().filter(\.accepted).map(\.bytes)
        mangle(corpus, quick: 20_000) { bytes in
            guard let policy = try? Policy(parsing: bytes.span) else { return .refused }
            let lines = bytes.split(separator: 0x0A, omittingEmptySubsequences: false).map { line in
                line.split { $0 == 0x20 || $0 == 0x09 }.map { String(decoding: $0, as: UTF8.self) }
            }
            let logLines = policy.logs.map { lines[$0.line - 1] }
            let witnessLines = policy.witnesses.map { lines[$0.line - 1] }
            let agrees =
                logLines.map { $0[1].lowercased() } == policy.logs.map(\.publicKey.description)
                && logLines.map { $0.dropFirst(2).first } == policy.logs.map(\.url)
                && witnessLines.map { $0[2].lowercased() }
                    == policy.witnesses.map(\.publicKey.description)
                && witnessLines.map { $0.dropFirst(3).first } == policy.witnesses.map(\.url)
                && lines.count { $0.first == "log" } == policy.logs.count
                && lines.count { $0.first == "witness" } == policy.witnesses.count
                && policy.quorum.isMet(by: Set(policy.witnesses.map(\.keyHash)))
                && policy.quorum.isMet(by: []) == policy.quorum.isNone
            return agrees ? .accepted : .changed
        }
    }

    /// What is accepted is the cosignature that the witness made, under a name that it gave.
    @Test func witnessAnswers() throws {
        let witness = try ScriptedWitness()
        let exchange = try #require(try Exchange.all().last)
        let golden = try witness.parse(exchange.response, over: exchange.treeHead)
        let junk = ScriptedWitness.line(
            golden.keyName, [1, 2, 3, 4] + [UInt8](repeating: 9, count: 8 + 2420))
        let own = witness.line("w.example", over: exchange.treeHead)
        let made = [golden, try witness.parse(Array(own.utf8), over: exchange.treeHead)]
        let corpus = [
            exchange.response, Array(own.utf8), Array(junk.utf8) + exchange.response,
            exchange.response + Array(junk.utf8), exchange.response + Array(own.utf8),
        ]
        mangle(corpus, quick: 20_000) { bytes in
            guard let parsed = try? witness.parse(bytes, over: exchange.treeHead) else {
                return .refused
            }
            return made.contains(parsed) ? .accepted : .changed
        }
    }

    @Test func checkpointConflicts() {
        mangle(["0\n", "17\n", "9223372036854775807\n"].map { Array($0.utf8) }, quick: 10_000) {
            bytes in
            guard let size = try? CheckpointConflict.parse(bytes.span) else { return .refused }
            return Array("\(size)\n".utf8) == bytes ? .accepted : .changed
        }
    }
}
