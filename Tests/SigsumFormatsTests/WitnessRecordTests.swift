// SPDX-License-Identifier: BSD-2-Clause

// What a log remembers of its witnesses: written and read back, and every malformed form.

import LogCrypto
import MerkleLog
import SigsumFormats
import TestSupport
import Testing

@Suite struct WitnessRecordTests {
    private static func record(
        _ number: UInt8, size: UInt64 = 7, saved: UInt64 = 86_400_000,
        seen: UInt64 = 1_795_000_000_000, keyName: String? = "witness.example/1"
    ) throws -> WitnessRecord {
        WitnessRecord(
            keyHash: KeyHash(bytes: Digest(sha256OfBytes: [number]).bytes),
            size: try #require(TreeSize(size)), savedMilliseconds: saved, seenMilliseconds: seen,
            keyName: keyName)
    }

    private static func parse(_ text: String) throws -> [WitnessRecord] {
        try WitnessRecord.parse(Array(text.utf8).span)
    }

    private static let hash = String(repeating: "0a", count: 32)

    @Test func theLines() throws {
        let records = [try Self.record(1), try Self.record(2, size: 0, keyName: nil)]
        let expected =
            "witness=\(records[0].keyHash) 7 86400000 1795000000000 witness.example/1\n"
            + "witness=\(records[1].keyHash) 0 86400000 1795000000000\n"
        #expect(String(decoding: WitnessRecord.encode(records), as: UTF8.self) == expected)
        #expect(try Self.parse(expected) == records)
    }

    @Test func none() throws {
        #expect(WitnessRecord.encode([]) == [])
        #expect(try Self.parse("") == [])
    }

    /// Whatever a witness may call its key comes back.
    @Test(arguments: [
        nil, "w", "=", "näme", "\u{7f}", "名前/1", "\u{FEFF}x", "\u{E9}", "e\u{301}", "witness=1",
        String(repeating: "x", count: 255),
    ])
    func keyNames(name: String?) throws {
        let record = try Self.record(3, keyName: name)
        let read = try Self.parse(
            String(decoding: WitnessRecord.encode([record, record]), as: UTF8.self))
        #expect(read == [record, record])
        #expect(read.first?.keyName.map { Array($0.utf8) } == name.map { Array($0.utf8) })
    }

    @Test func largestNumbers() throws {
        let largest = UInt64(Int64.max)
        let record = try Self.record(4, size: largest, saved: largest, seen: largest)
        #expect(try WitnessRecord.parse(WitnessRecord.encode([record]).span) == [record])
    }

    @Test(arguments: [
        "\n", "witness=\n", "witness=\(hash)\n", "witness=\(hash) 1 2\n", "witness=\(hash) 1 2 3",
        "witness=\(hash) 1 2 3 \n", "witness=\(hash)  1 2 3\n", "witness=\(hash) 1 2 3 a b\n",
        "witness=\(hash) 01 2 3\n", "witness=\(hash) 1 -2 3\n", "witness=\(hash) 1 2 x\n",
        "witness=\(hash) 9223372036854775808 2 3\n", "witness=\(hash) 1 9223372036854775808 3\n",
        "witness=\(hash)0 1 2 3\n", "witness=0a 1 2 3\n", "Witness=\(hash) 1 2 3\n",
        "witness=\(hash) 1 2 3\n\n", "witness=\(hash) 1 2 3 a+b\n", "witness=\(hash) 1 2 3 a\tb\n",
        "witness=\(hash) 1 2 3 a\u{A0}b\n", "witness=\(hash) 1 2 3 a\r\n",
        " witness=\(hash) 1 2 3\n",
    ])
    func malformed(text: String) {
        #expect(throws: FormatError.self) { try Self.parse(text) }
    }

    @Test func keyNamesAreUTF8() {
        let text = Array("witness=\(Self.hash) 1 2 3 a".utf8) + [0xE9, 0x0A]
        #expect(throws: FormatError.self) { try WitnessRecord.parse(text.span) }
    }

    /// Mangled lines: nothing traps, and what is accepted is written out as the same bytes.
    @Test func mangled() throws {
        let records = [
            try Self.record(1), try Self.record(2, size: 0, keyName: nil),
            try Self.record(3, keyName: "näme"),
        ]
        let corpus = [
            WitnessRecord.encode(records), WitnessRecord.encode([records[1]]),
            WitnessRecord.encode([records[2]]),
        ]
        let tokens = ["witness=", " ", "\n", "0", "9223372036854775808", "+", "é"]
            .map { Array($0.utf8) }
        var acceptedCount = 0
        for (seed, bytes) in Fuzzing.mutants(of: corpus, tokens: tokens, quick: 20_000) {
            guard let read = try? WitnessRecord.parse(bytes.span) else { continue }
            acceptedCount += 1
            // Hexadecimal is read in either case, key names keep theirs.
            let again = try WitnessRecord.parse(WitnessRecord.encode(read).span)
            let isSame = again == read && WitnessRecord.encode(read).count == bytes.count
            guard isSame else {
                Issue.record("seed \(seed)")
                return
            }
        }
        #expect(acceptedCount > 0)
    }
}
