// SPDX-License-Identifier: BSD-2-Clause

// Leaves, tree heads, cosignatures and tokens: golden bytes, round trips, and every malformed form.

import Foundation
import LogCrypto
import MerkleLog
import SigsumFormats
import TestSupport
import Testing

@Suite struct DecimalTests {
    func parseDecimal(_ text: String) -> UInt64? { ASCIIDecimal.parse(Array(text.utf8).span) }

    @Test(arguments: [
        ("0", 0), ("1", 1), ("10", 10), ("9223372036854775807", UInt64(Int64.max)),
    ])
    func canonical(text: String, number: UInt64) {
        #expect(parseDecimal(text) == number)
    }

    @Test(arguments: [
        "", "00", "01", "-1", "+1", " 1", "1 ", "1_000", "0x1", "9223372036854775808",
        "18446744073709551616", "99999999999999999999", "１", "1.0", "1e3",
    ])
    func refuses(text: String) {
        #expect(parseDecimal(text) == nil)
    }
}

@Suite struct LeafTests {
    @Test func goldenLeavesVerifyAndHash() throws {
        var hasher = TreeHasher()
        for vector in try Vectors.leaves().prefix(50) {
            let unverified = try UnverifiedLeaf(parsing: vector.body.span)
            #expect(unverified.leafHash(hasher: &hasher) == vector.leafHash)
            let leaf = try unverified.verified()
            #expect(leaf.leafHash(hasher: &hasher) == vector.leafHash)
        }
    }

    @Test func aChangedLeafIsInvalid() throws {
        let vector = try #require(try Vectors.leaves().first)
        let body = String(decoding: vector.body, as: UTF8.self)
        for (old, new) in [("message=6", "message=7"), ("signature=a", "signature=b")] {
            let changed = body.replacingOccurrences(of: old, with: new)
            #expect(changed != body)
            let leaf = try UnverifiedLeaf(parsing: Array(changed.utf8).span)
            #expect(throws: LeafError.invalidSignature) { try leaf.verified() }
        }
    }

    /// What every reader must see as an error: each body and the error's beginning.
    @Test func malformedBodies() throws {
        let vector = try #require(try Vectors.leaves().first)
        let good = String(decoding: vector.body, as: UTF8.self)
        let lines = good.split(separator: "\n").map(String.init)
        let cases: [(String, String)] = [
            ("", "line 1: expected \"message=\", found nothing"),
            (String(good.dropLast()), "line 3: expected a line feed"),
            (good + "\n", "line 4: expected the end"),
            (good + "x=1\n", "line 4: expected the end, found \"x=1\\n\""),
            (
                good.replacingOccurrences(of: "\n", with: "\r\n"),
                "line 1: expected message= with 64"
            ),
            (good.uppercased(), "line 1: expected \"message=\""),
            (lines[1] + "\n" + lines[0] + "\n" + lines[2] + "\n", "line 1: expected \"message=\""),
            (good.replacingOccurrences(of: "signature=", with: "signature= "), "line 2:"),
            (good.replacingOccurrences(of: "signature=", with: "signature=0"), "line 2:"),
            (good.replacingOccurrences(of: "message=6", with: "message="), "line 1:"),
            (good.replacingOccurrences(of: "message=65", with: "message=6g"), "line 1:"),
            ("\n" + good, "line 1:"),
            (" " + good, "line 1:"),
        ]
        for (body, message) in cases {
            let error = #expect(throws: FormatError.self, "\(body)") {
                try UnverifiedLeaf(parsing: Array(body.utf8).span)
            }
            #expect(error?.description.hasPrefix(message) == true, "\(error?.description ?? "")")
        }
        let upper = good.split(separator: "\n").map { line in
            let parts = line.split(separator: "=")
            return parts[0] + "=" + parts[1].uppercased() + "\n"
        }.joined()
        #expect(throws: Never.self) { try UnverifiedLeaf(parsing: Array(upper.utf8).span) }
    }

    @Test func linesOfStoredLeaves() throws {
        var stored: [UInt8] = []
        var expected = ""
        for vector in try Vectors.leaves().prefix(3) {
            let leaf = try UnverifiedLeaf(parsing: vector.body.span).verified()
            let bytes = leaf.bytes.storage.span
            for position in bytes.indices { stored.append(bytes[position]) }
            let checksum = Digest(sha256OfBytes: try #require(Hex.decode(text: vector.message)))
            expected += "leaf=\(checksum) \(vector.signature) \(leaf.keyHash)\n"
        }
        var text: [UInt8] = []
        text.append(addingCapacity: 3 * Leaf.lineByteCount) {
            Leaf.encodeLines(of: stored.span, into: &$0)
        }
        #expect(String(decoding: text, as: UTF8.self) == expected)
    }
}

@Suite struct TreeHeadTests {
    @Test func goldenBodiesComeBackAndVerify() throws {
        let keys = try Vectors.keys()
        let log = try #require(PublicKey(hex: keys.log.public_key))
        let witness = try #require(
            PublicKey(hex: "8abb4c25c224e8cbd04c52ce51eca3892932a3ca28622431be3e6b47f23f4eb0"))
        let roots = try Vectors.roots()
        let bodies = try Vectors.treeHeads()
        #expect(bodies.count > 5)
        for body in bodies {
            let parsed = try CosignedTreeHead(parsing: Array(body.utf8).span)
            #expect(String(decoding: parsed.encode(), as: UTF8.self) == body)
            #expect(parsed.signedTreeHead.isValid(for: log))
            let treeHead = parsed.signedTreeHead.treeHead
            #expect(treeHead.rootHash == roots[Int(treeHead.size.value)])
            for cosignature in parsed.cosignatures {
                #expect(cosignature.isValid(for: witness, over: treeHead, of: log.keyHash))
            }
            #expect(parsed.cosignatures.count == 1)
        }
    }

    @Test func signingGivesLogGosSignature() throws {
        let seed = try #require(Digest(hex: try Vectors.keys().log.seed))
        let key = SigningKey(seed: seed.bytes)
        for body in try Vectors.treeHeads() {
            let parsed = try CosignedTreeHead(parsing: Array(body.utf8).span).signedTreeHead
            #expect(SignedTreeHead(signing: parsed.treeHead, with: key) == parsed)
        }
    }

    /// Every body with one byte changed, dropped or doubled is refused or says something else.
    @Test func mangledBodies() throws {
        let body = Array(try #require(try Vectors.treeHeads().first).utf8)
        let original = try CosignedTreeHead(parsing: body.span)
        for position in body.indices {
            for change in 0..<3 {
                var mangled = body
                switch change {
                case 0: mangled[position] ^= 0x01
                case 1: mangled.remove(at: position)
                default: mangled.insert(body[position], at: position)
                }
                guard let parsed = try? CosignedTreeHead(parsing: mangled.span) else { continue }
                #expect(parsed != original)
                #expect(parsed.encode() == mangled)
            }
        }
    }

    @Test func twoCosignaturesOfOneWitnessAreRefused() throws {
        let body = try #require(try Vectors.treeHeads().first)
        let last = try #require(body.split(separator: "\n").last)
        #expect(throws: FormatError.self) {
            try CosignedTreeHead(parsing: Array((body + last + "\n").utf8).span)
        }
    }
}

@Suite struct SubmitTokenTests {
    @Test(arguments: ["", "example.org", "example.org 00", " example.org 00", "example.org  00"])
    func malformed(value: String) {
        #expect(throws: FormatError.self) { try SubmitToken(parsing: Array(value.utf8).span) }
    }

    @Test func wellFormed() throws {
        let hex = String(repeating: "0a", count: 64)
        let token = try SubmitToken(parsing: Array("example.org \(hex)".utf8).span)
        #expect(token.domain == Array("example.org".utf8))
        #expect(token.signature.description == hex)
    }
}
