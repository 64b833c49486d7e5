// SPDX-License-Identifier: BSD-2-Clause

// The answers that sigsum-witness gave, and all that could be wrong with an answer.

import LogCrypto
import MerkleLog
import SigsumFormats
import TestSupport
import Testing

@Suite struct NamedCosignatureTests {
    let witness: ScriptedWitness
    let exchanges: [Exchange]
    let treeHead: TreeHead

    init() throws {
        witness = try ScriptedWitness()
        exchanges = try Exchange.all()
        treeHead = try #require(exchanges.last).treeHead
    }

    func parse(_ body: String) throws(CosignatureError) -> NamedCosignature {
        try witness.parse(Array(body.utf8), over: treeHead)
    }

    @Test func goldenAnswers() throws {
        for exchange in exchanges {
            let parsed = try witness.parse(exchange.response, over: exchange.treeHead)
            #expect(parsed.keyName == "sigsum.org/v1/witness/\(witness.publicKey.keyHash)")
            #expect(parsed.cosignature.keyHash == witness.publicKey.keyHash)
            #expect(parsed.cosignature.time > 1_790_000_000)
            #expect(
                parsed.cosignature.isValid(
                    for: witness.publicKey, over: exchange.treeHead, of: witness.logKeyHash))
        }
    }

    /// What litewitness (torchwood 0.9.0) answered to the third of the golden requests.
    @Test func litewitness() throws {
        let key = try #require(
            PublicKey(hex: "af018c60b17b11147ba149965eb4f033eb527448898864ce43e1f6a06e6ef967"))
        let answer =
            "\u{2014} example.com/w +zUdowAAAABrBzM6Z4+gCHQEJ6h5IQai56Kr1D0Y976E84m8mRqYbttl9haVJeT3"
            + "TfZZV9MPvrkhX52VoyBY8N5upXxnnSXJbrmLAw==\n"
        let parsed = try NamedCosignature(
            answering: Array(answer.utf8).span, from: key, over: exchanges[2].treeHead,
            of: witness.logKeyHash)
        #expect(parsed.keyName == "example.com/w")
        #expect(parsed.cosignature.time == 1_795_633_978)
    }

    @Test func ofAnotherTreeHeadLogOrWitness() throws {
        let response = exchanges[4].response
        #expect(throws: CosignatureError.invalid) {
            try witness.parse(response, over: exchanges[5].treeHead)
        }
        #expect(throws: CosignatureError.invalid) {
            try NamedCosignature(
                answering: response.span, from: witness.publicKey, over: exchanges[4].treeHead,
                of: witness.publicKey.keyHash)
        }
        let other = try #require(PublicKey(hex: try Vectors.keys().log.public_key))
        #expect(throws: CosignatureError.absent) {
            try NamedCosignature(
                answering: response.span, from: other, over: exchanges[4].treeHead,
                of: witness.logKeyHash)
        }
    }

    /// No part of an answer is one.
    @Test func everySubstringIsRefused() throws {
        let exchange = exchanges[6]
        for start in exchange.response.indices {
            for end in start...exchange.response.count
            where (start, end) != (0, exchange.response.count) {
                let part = Array(exchange.response[start..<end])
                #expect(throws: CosignatureError.self) {
                    try witness.parse(part, over: exchange.treeHead)
                }
            }
        }
    }

    /// An answer with one byte changed, dropped or doubled is none.
    @Test func everyChangedByteIsRefused() throws {
        for exchange in exchanges {
            for position in exchange.response.indices {
                for change in 0..<4 {
                    var mangled = exchange.response
                    switch change {
                    case 0: mangled[position] ^= 0x01
                    case 1: mangled[position] ^= 0x20
                    case 2: mangled.remove(at: position)
                    default: mangled.insert(mangled[position], at: position)
                    }
                    #expect(throws: CosignatureError.self, "byte \(position), change \(change)") {
                        try witness.parse(mangled, over: exchange.treeHead)
                    }
                }
            }
        }
    }

    /// Other lines before, between and after; the witness's name is whatever the line says.
    @Test func otherLinesAreIgnored() throws {
        let name = "witness.example/w\u{f6}"
        let good = witness.line(name, over: treeHead)
        let cosignature = witness.cosignature(treeHead)
        let others = [
            // Another name, but not another key id; another id; and one of another algorithm.
            ScriptedWitness.line("else.example", witness.keyID(name) + cosignature),
            ScriptedWitness.line(name, [0, 0, 0, 0] + cosignature),
            ScriptedWitness.line(name, witness.keyID(name, algorithm: 1) + cosignature),
            // ML-DSA-44, with an id of its own and with ours.
            ScriptedWitness.line(
                name, [1, 2, 3, 4] + [UInt8](repeating: 7, count: 8 + 2420)),
            ScriptedWitness.line(
                name, witness.keyID(name) + [UInt8](repeating: 7, count: 8 + 2420)),
            // Lengths beside ours, and none at all.
            ScriptedWitness.line(name, witness.keyID(name) + cosignature + [0]),
            ScriptedWitness.line(name, witness.keyID(name) + cosignature.dropLast()),
            ScriptedWitness.line(name, witness.keyID(name)),
            // A log's signature.
            ScriptedWitness.line(
                name, witness.keyID(name, algorithm: 1) + cosignature.dropFirst(8)),
            // A name that is too long to be one.
            witness.line(String(repeating: "n", count: 256), over: treeHead),
        ]
        #expect(throws: CosignatureError.absent) { try parse(others.joined()) }
        for index in 0...others.count {
            var lines = others
            lines.insert(good, at: index)
            let parsed = try parse(lines.joined())
            #expect(parsed.keyName == name)
            #expect(parsed.cosignature.time == 1_700_000_000)
        }
        let many = String(repeating: others[1], count: 500)
        #expect(try parse(many + good + many).keyName == name)
    }

    /// The longest name is 255 bytes.
    @Test func names() throws {
        for name in ["w", "+", "a+b", String(repeating: "n", count: 255), "\u{7f}", "\u{2014}"] {
            let parsed = try? parse(witness.line(name, over: treeHead))
            #expect((parsed?.keyName == name) == !name.contains("+"), "\(name)")
        }
    }

    /// A line that has the key id and does not verify hides none that does, up to a bound.
    @Test func badLinesHideNoGoodOne() throws {
        let name = "w.example"
        let good = witness.line(name, over: treeHead)
        let invalid = ScriptedWitness.line(
            name, witness.keyID(name) + [UInt8](repeating: 1, count: 72))
        let otherTree = witness.line(name, over: exchanges[0].treeHead)
        let timeless = witness.line(name, over: treeHead, time: 0)
        for bad in [invalid, otherTree, timeless, invalid + otherTree + timeless] {
            #expect(try parse(bad + good) == parse(good))
            #expect(try parse(good + bad) == parse(good))
        }
        let bound = NamedCosignature.triesMax
        #expect(
            try parse(String(repeating: invalid, count: bound - 1) + good) == parse(good))
        #expect(throws: CosignatureError.invalid) {
            try parse(String(repeating: invalid, count: bound) + good)
        }
    }

    /// Of two good lines the first, also under two names.
    @Test func theFirstGoodLine() throws {
        let first = witness.line("a.example", over: treeHead, time: 5)
        let second = witness.line("b.example", over: treeHead, time: 6)
        #expect(try parse(first + second).keyName == "a.example")
        #expect(try parse(second + first).cosignature.time == 6)
    }

    @Test(arguments: [
        (1, true), (UInt64(Int64.max), true), (0, false), (1 << 63, false), (UInt64.max, false),
    ])
    func times(time: UInt64, isGood: Bool) throws {
        let body = witness.line("w.example", over: treeHead, time: time)
        if isGood {
            #expect(try parse(body).cosignature.time == time)
        } else {
            #expect(throws: CosignatureError.time(time)) { try parse(body) }
        }
    }

    /// Bodies that are not lines of a note, alone and after a good one.
    @Test func malformedBodies() throws {
        let good = witness.line("w.example", over: treeHead)
        let blob = String(good.dropLast().split(separator: " ")[2])
        let malformed = [
            "", "\n", "hello\n", String(good.dropLast()), good.replacing("\n", with: "\r\n"),
            good + "\n", "\n" + good, " " + good, good.replacing("\n", with: " \n"),
            good.replacing("\u{2014}", with: "-"), good.replacing("\u{2014} ", with: "\u{2014}"),
            good.replacing(" ", with: "  "), good.replacing(" ", with: "\t"),
            good.replacing("\u{2014}", with: "\u{2013}"), "\u{2014} w.example\n", "\u{2014}\n",
            "\u{2014} \(blob)\n", "\u{2014}  \(blob)\n", "\u{2014} w.example \(blob) more\n",
            "\u{2014} w.example \(blob.dropLast())\n", "\u{2014} w.example \(blob)=\n",
            "\u{2014} w.example AAA=\n", "\u{2014} w.example AA\n", "\u{2014} w.example AAAB_-==\n",
            "\u{2014} w\u{a0}example \(blob)\n", "\u{2014} w\u{2028}example \(blob)\n",
            "\u{2014} w\0example \(blob)\n", "\u{2014} w+example \(blob)\n",
        ]
        for body in malformed {
            for body in [body, body.isEmpty || body.hasPrefix("\n") ? body : good + body] {
                let error = #expect(throws: CosignatureError.self) { try parse(body) }
                guard case .malformed(let reason) = error else {
                    Issue.record("\(body.debugDescription): \(String(describing: error))")
                    continue
                }
                #expect(reason.line != nil)
            }
        }
        // A name that is not UTF-8.
        let bytes = Array("\u{2014} w".utf8) + [0xFF] + Array(" \(blob)\n".utf8)
        #expect(throws: CosignatureError.self) { try witness.parse(bytes, over: treeHead) }
    }

    @Test func errorsAreOneLine() {
        let messages = [
            #expect(throws: CosignatureError.self) { try parse("hello\nyou\n") },
            #expect(throws: CosignatureError.self) { try parse("\u{2014} w.example AAAAAAA=\n") },
            .invalid, .time(0),
        ].map { $0?.description ?? "none" }
        #expect(
            messages == [
                "malformed cosignatures: line 1: expected "
                    + "\"\\xe2\\x80\\x94 <key name> <base64>\", found \"hello\"",
                "no cosignature with the key id of the witness's key",
                "a cosignature that is not the witness's over this tree head",
                "a cosignature with the time 0, not from 1 to 2^63-1",
            ])
    }
}
