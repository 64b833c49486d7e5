// SPDX-License-Identifier: BSD-2-Clause

// The body of a get-leaves answer (Sigsum log protocol, 3.4), which is one line a leaf:
//
//     leaf=<64 hex digits> <128 hex digits> <64 hex digits>
//
// checksum, signature and key hash. A secondary that catches up reads tens of thousands a second, so
// each line is checked at fixed columns and decoded to where it stays.

internal import LogCrypto

extension Leaf {
    /// The leaves of a get-leaves body, one or more. Their signatures were found valid by the log
    /// that answers, and are not looked at.
    ///
    /// - Throws: which line does not have the form, the column, and what is there.
    package static func parseLines(_ body: Span<UInt8>) throws(FormatError) -> [Leaf] {
        guard !body.isEmpty else {
            throw FormatError(line: 1, expected: "\"leaf=\"", found: body)
        }
        var leaves: [Leaf] = []
        leaves.reserveCapacity(body.count / lineByteCount)
        var start = 0
        while start < body.count {
            let line = body.extracting(start..<min(start + lineByteCount, body.count))
            guard let leaf = Leaf(line: line) else {
                throw error(in: line, number: leaves.count + 1)
            }
            leaves.append(leaf)
            start += lineByteCount
        }
        return leaves
    }

    /// nil unless `line` has the form, the line feed included.
    private init?(line: Span<UInt8>) {
        guard line.count == Self.lineByteCount, line.hasBytes(of: "leaf=", at: 0),
            line[69] == UInt8(ascii: " "), line[198] == UInt8(ascii: " "), line[263] == 0x0A
        else { return nil }
        var bytes = FixedBytes<128>()
        var target = bytes.storage.mutableSpan
        guard Hex.decode(line.extracting(5..<69), into: &target, at: 0),
            Hex.decode(line.extracting(70..<198), into: &target, at: 32),
            Hex.decode(line.extracting(199..<263), into: &target, at: 96)
        else { return nil }
        self.init(stored: bytes)
    }

    /// What is wrong with a line: the first column that does not fit, counted from 1.
    private static func error(in line: Span<UInt8>, number: Int) -> FormatError {
        guard line.hasBytes(of: "leaf=", at: 0) else {
            return FormatError(
                line: number, expected: "\"leaf=\"", found: FormatError.quotedLine(of: line))
        }
        var column = 5
        while column < line.count, isFitting(line[column], at: column) { column += 1 }
        let expected =
            switch column {
            case 69, 198: "a space"
            case 263: "a line feed"
            default: "a hex digit"
            }
        let rest = line.extracting(column..<line.count)
        return FormatError(
            line: number, expected: "\(expected) in column \(column + 1)",
            found: rest.isEmpty ? "the end" : FormatError.quoted(rest))
    }

    private static func isFitting(_ byte: UInt8, at column: Int) -> Bool {
        switch column {
        case 69, 198: byte == UInt8(ascii: " ")
        case 263: byte == 0x0A
        default: Hex.value(of: byte) != nil
        }
    }
}
