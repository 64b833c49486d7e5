// SPDX-License-Identifier: BSD-2-Clause

// Mangled files and bodies: whatever comes in, nothing traps, and what is accepted is written out
// as the same bytes (hexadecimal in lower case).

import LogCrypto
import SigsumFormats
import TestSupport
import Testing

@Suite struct MangledFormatTests {
    private static let tokens = [
        "size=", "root_hash=", "signature=", "cosignature=", "message=", "public_key=", "=", "\n",
        " ", "0", "9223372036854775808", "ssh-ed25519 ", "-----END OPENSSH PRIVATE KEY-----",
        "sigsum-policy=\"x\" ", "AAAA", "====",
    ].map { Array($0.utf8) }

    /// Runs `check` on mutants of `corpus` until one fails it; some must be accepted.
    private func mangle(
        _ corpus: [[UInt8]], quick: Int, _ check: ([UInt8]) -> Verdict
    ) {
        let seed = Fuzzing.seed
        var acceptedCount = 0
        for iteration in 0..<Fuzzing.iterationCount(quick: quick) {
            var mangler = Mangler(seed: seed &+ UInt64(iteration), tokens: Self.tokens)
            let bytes = mangler.mutant(of: corpus)
            switch check(bytes) {
            case .refused: break
            case .accepted: acceptedCount += 1
            case .changed:
                let text = String(decoding: bytes, as: UTF8.self)
                Issue.record("seed \(seed &+ UInt64(iteration)): \(text.debugDescription)")
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
}
