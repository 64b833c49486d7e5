// SPDX-License-Identifier: BSD-2-Clause

// What a witness's HTTP answer means: every status, with bodies good and bad.

import LogCrypto
import MerkleLog
import SigsumFormats
import TestSupport
import Testing

@testable import LogService

@Suite struct WitnessAnswerTests {
    static let treeHead = TreeHead(
        size: .zero.advanced(by: 9), rootHash: Digest(sha256OfBytes: [1]))
    static let logKeyHash = KeyHash(bytes: Digest(sha256OfBytes: [2]).bytes)

    static func key(_ number: UInt8) -> SigningKey {
        SigningKey(seed: FixedBytes(copying: [UInt8](repeating: number, count: 32).span))
    }

    /// The line with which the witness with key `number` cosigns `treeHead`, and the cosignature.
    static func line(
        _ number: UInt8, name: String = "witness.example/1", time: UInt64 = 1_795_000_000,
        over treeHead: TreeHead = treeHead
    ) -> (text: String, cosignature: Cosignature) {
        let key = key(number)
        let text =
            Array("cosignature/v1\ntime \(time)\n".utf8)
            + treeHead.signedText(keyHash: logKeyHash)
        let cosignature = Cosignature(
            keyHash: key.publicKey.keyHash, time: time, signature: key.sign(text.span))
        func bytes(_ value: some FixedByteValue) -> [UInt8] {
            value.withSpan { span in span.indices.map { span[$0] } }
        }
        let id = bytes(
            Digest(sha256OfBytes: Array(name.utf8) + [0x0A, 0x04] + bytes(key.publicKey)))[..<4]
        let times = (0..<8).map { UInt8(truncatingIfNeeded: time >> (56 - 8 * $0)) }
        let blob = id + times + bytes(cosignature.signature)
        let line =
            "\u{2014} \(name) " + String(decoding: Base64.encode(Array(blob).span), as: UTF8.self)
        return (line + "\n", cosignature)
    }

    static func answer(_ status: Int, _ contentType: String?, _ body: String) -> WitnessAnswer {
        WitnessAnswer(
            status: status, contentType: contentType, body: Array(body.utf8).span,
            from: key(1).publicKey, over: treeHead, of: logKeyHash)
    }

    static func isFailure(_ answer: WitnessAnswer, _ words: String) -> Bool {
        guard case .failed(let reason) = answer else { return false }
        return reason.contains(words) && !reason.contains("\n")
    }

    @Test(arguments: [nil, "text/plain", "application/octet-stream"] as [String?])
    func aCosignature(contentType: String?) {
        let good = Self.line(1)
        let expected = WitnessAnswer.cosigned(
            NamedCosignature(cosignature: good.cosignature, keyName: "witness.example/1"))
        let other = Self.line(2).text
        let quantum = "\u{2014} witness.example/1 \(String(repeating: "AAAA", count: 810))\n"
        for body in [good.text, other + good.text, good.text + other, quantum + good.text] {
            #expect(Self.answer(200, contentType, body) == expected)
        }
        #expect(
            good.cosignature.isValid(
                for: Self.key(1).publicKey, over: Self.treeHead, of: Self.logKeyHash))
    }

    static let otherTree = TreeHead(
        size: .zero.advanced(by: 8), rootHash: Digest(sha256OfBytes: [1]))

    @Test(
        arguments: [
            ("", "malformed"), ("\n", "malformed"), ("garbage", "malformed"),
            ("<html>\n", "malformed"), (String(line(1).text.dropLast()), "malformed"),
            (line(2).text, "no cosignature"),
            (line(1, over: otherTree).text, "not the witness's over this tree head"),
            (line(1, time: 0).text, "time 0"),
            (line(1, time: 1 << 63).text, "time 9223372036854775808"),
            (line(1, time: .max).text, "time 18446744073709551615"),
        ])
    func noCosignature(body: String, words: String) {
        #expect(Self.isFailure(Self.answer(200, "text/plain", body), words))
    }

    @Test(arguments: [0, 7, 9, 10, UInt64(Int64.max)]) func aSize(size: UInt64) throws {
        let expected = WitnessAnswer.size(try #require(TreeSize(size)))
        #expect(Self.answer(409, "text/x.tlog.size", "\(size)\n") == expected)
    }

    @Test(
        arguments: [
            "", "\n", "7", "7\n\n", "07\n", "-1\n", "+1\n", " 7\n", "7 \n", "7\r\n", "7\n8\n",
            "x\n",
            "9223372036854775808\n", "18446744073709551616\n", "1\u{0}\n",
        ])
    func aMalformedSize(body: String) {
        #expect(Self.isFailure(Self.answer(409, "text/x.tlog.size", body), "answered 409"))
    }

    /// With another content type nothing is known of a size, be the body ever so like one.
    @Test(arguments: [nil, "", "text/plain", "text/x.tlog.size; charset=utf-8"] as [String?])
    func aConflictWithoutSize(contentType: String?) {
        guard case .conflict(let reason) = Self.answer(409, contentType, "7\n") else {
            Issue.record("no conflict")
            return
        }
        #expect(reason.contains("answered 409 \"7\"") && !reason.contains("\n"))
    }

    @Test func inconsistent() {
        #expect(Self.answer(422, nil, "anything") == .inconsistent)
    }

    @Test(
        arguments: [
            0, 100, 199, 201, 202, 204, 301, 302, 304, 400, 403, 404, 405, 408, 410, 423, 429, 500,
            502, 503,
            504, 599, 999, .max, .min,
        ])
    func anythingElse(status: Int) {
        for body in ["", Self.line(1).text, "7\n"] {
            #expect(
                Self.isFailure(Self.answer(status, "text/x.tlog.size", body), "answered \(status)"))
        }
    }

    /// What a person wrote is told, made harmless and short.
    @Test func whatIsTold() {
        let body = "unknown log \u{1b}[31m \"x\"\nsecond line"
        #expect(
            Self.answer(404, nil, body)
                == .failed(reason: #"answered 404 "unknown log \x1b[31m \"x\"""#))
        guard
            case .failed(let reason) = Self.answer(500, nil, String(repeating: "é", count: 40_000))
        else {
            Issue.record("no failure")
            return
        }
        #expect(reason.utf8.count < 400)
    }

    /// Mangled answers: nothing traps, and what counts as a cosignature is valid.
    @Test func mangled() {
        let corpus = [
            Self.line(1).text, Self.line(1).text + Self.line(2).text,
            Self.line(1, over: Self.otherTree).text,
            "7\n", "unknown log\n",
        ].map { Array($0.utf8) }
        let tokens = ["\u{2014} ", "9223372036854775808", "\n", " ", "+"].map { Array($0.utf8) }
        let seed = Fuzzing.seed
        var cosignedCount = 0
        for iteration in 0..<Fuzzing.iterationCount(quick: 3_000) {
            var mangler = Mangler(seed: seed &+ UInt64(iteration), tokens: tokens)
            let body = mangler.mutant(of: corpus)
            let status = [200, 200, 200, 409, 500][iteration % 5]
            let answer = WitnessAnswer(
                status: status, contentType: "text/x.tlog.size", body: body.span,
                from: Self.key(1).publicKey, over: Self.treeHead, of: Self.logKeyHash)
            guard case .cosigned(let named) = answer else { continue }
            cosignedCount += 1
            let isValid = named.cosignature.isValid(
                for: Self.key(1).publicKey, over: Self.treeHead, of: Self.logKeyHash)
            #expect(status == 200 && isValid, "seed \(seed &+ UInt64(iteration))")
        }
        #expect(cosignedCount > 0)
    }
}
