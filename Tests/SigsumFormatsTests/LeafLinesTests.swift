// SPDX-License-Identifier: BSD-2-Clause

// The body of get-leaves: golden lines, and every malformed form.

import LogCrypto
import SigsumFormats
import TestSupport
import Testing

@Suite struct LeafLinesTests {
    /// The lines of the first `count` golden leaves as text, and the leaves.
    static func golden(_ count: Int) throws -> (text: String, leaves: [Leaf]) {
        var text = ""
        var leaves: [Leaf] = []
        for vector in try Vectors.leaves().prefix(count) {
            let leaf = try UnverifiedLeaf(parsing: vector.body.span).verified()
            let message = Hex.decode(text: vector.message) ?? []
            text += "leaf=\(Digest(sha256OfBytes: message)) \(vector.signature) \(leaf.keyHash)\n"
            leaves.append(leaf)
        }
        return (text, leaves)
    }

    static func parse(_ text: String) throws -> [Leaf] {
        try Leaf.parseLines(Array(text.utf8).span)
    }

    @Test(arguments: [1, 2, 3, 50]) func goldenLines(count: Int) throws {
        let golden = try Self.golden(count)
        #expect(try Self.parse(golden.text) == golden.leaves)
        let upper = golden.text.uppercased().split(separator: "\n").map { "leaf" + $0.dropFirst(4) }
        #expect(try Self.parse(upper.joined(separator: "\n") + "\n") == golden.leaves)
    }

    /// What becomes of the third line of a body: its first characters, a text, and the characters
    /// from another place on; and the error's beginning.
    @Test(
        arguments: [
            (0, "\n", 264, "line 3: expected \"leaf=\", found nothing"),
            (4, "", 264, "line 3: expected \"leaf=\", found \"leaf\""),
            (0, "x=1\n", 264, "line 3: expected \"leaf=\", found \"x=1\""),
            (0, "L", 1, "line 3: expected \"leaf=\", found \"Leaf="),
            (0, "\r\n", 0, "line 3: expected \"leaf=\", found \"\\r\""),
            (5, " ", 5, "line 3: expected a hex digit in column 6, found \" "),
            (5, "", 264, "line 3: expected a hex digit in column 6, found the end"),
            (5, "\n", 264, "line 3: expected a hex digit in column 6, found \"\\n\""),
            (68, "", 69, "line 3: expected a hex digit in column 69, found \" "),
            (69, "", 264, "line 3: expected a space in column 70, found the end"),
            (69, "\t", 70, "line 3: expected a space in column 70, found \"\\t"),
            (69, "0", 69, "line 3: expected a space in column 70, found \"0 "),
            (70, " ", 70, "line 3: expected a hex digit in column 71, found \" "),
            (100, "g", 101, "line 3: expected a hex digit in column 101, found \"g"),
            (198, ",", 199, "line 3: expected a space in column 199, found \","),
            (262, "", 263, "line 3: expected a hex digit in column 263, found \"\\n"),
            (263, "", 264, "line 3: expected a line feed in column 264, found the end"),
            (263, "\r\n", 264, "line 3: expected a line feed in column 264, found \"\\r\""),
            (263, "0\n", 264, "line 3: expected a line feed in column 264, found \"0"),
            (263, " ", 263, "line 3: expected a line feed in column 264, found \" "),
            (264, "\n", 264, "line 4: expected \"leaf=\", found nothing"),
            (264, "size=3\n", 264, "line 4: expected \"leaf=\", found \"size=3\""),
        ])
    func malformed(kept: Int, text: String, rest: Int, message: String) throws {
        let lines = try Self.golden(3).text.split(separator: "\n").map { "\($0)\n" }
        let changed = lines[2].prefix(kept) + text + lines[2].dropFirst(rest)
        let error = #expect(throws: FormatError.self) {
            try Self.parse(lines[0] + lines[1] + changed)
        }
        let description = error?.description ?? ""
        #expect(description.hasPrefix(message), "\(description)")
        #expect(!description.contains("\n"))
    }

    @Test func nothing() {
        let error = #expect(throws: FormatError.self) { try Self.parse("") }
        #expect(error?.description == "line 1: expected \"leaf=\", found nothing")
    }
}
