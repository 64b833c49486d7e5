// SPDX-License-Identifier: BSD-2-Clause

// The one error of this target: input that is not what its format says.

/// Input that does not follow its format, in one line: where, what was expected, what came.
package struct FormatError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The line of the input, from 1; nil where the input has no lines.
    package let line: Int?
    /// What the format demands at that place.
    package let expected: String
    /// What was there instead, made printable and cut to a reasonable length.
    package let found: String

    /// An error from finished texts.
    package init(line: Int? = nil, expected: String, found: String) {
        self.line = line
        self.expected = expected
        self.found = found
    }

    /// An error that quotes the bytes it found.
    package init(line: Int? = nil, expected: String, found: Span<UInt8>) {
        self.init(line: line, expected: expected, found: Self.quoted(found))
    }

    /// `line 2: expected "signature=...", found "sig=00"`.
    package var description: String {
        let place = line.map { "line \($0): " } ?? ""
        return "\(place)expected \(expected), found \(found)"
    }

    /// Bytes as a message shows them: escaped, in quotes, cut to at most `shownMax` characters.
    package static func quoted(_ bytes: Span<UInt8>, shownMax: Int = 80) -> String {
        guard !bytes.isEmpty else { return "nothing" }
        var text = ""
        for position in bytes.indices {
            let shown = escaped(bytes[position])
            guard text.utf8.count + shown.utf8.count <= shownMax else { return "\"\(text)\"..." }
            text += shown
        }
        return "\"\(text)\""
    }

    /// The first line of `bytes` in the same way, at most 240 characters: what a peer wrote for a
    /// person to read, often from within outwards, with the cause at the end.
    package static func quotedLine(of bytes: Span<UInt8>) -> String {
        var end = 0
        while end < bytes.count, bytes[end] != 0x0A { end += 1 }
        return quoted(bytes.extracting(..<end), shownMax: 240)
    }

    /// Bytes as printable ASCII, everything else escaped, and so that different bytes make
    /// different texts.
    package static func escaped(_ bytes: Span<UInt8>) -> String {
        bytes.indices.map { escaped(bytes[$0]) }.joined()
    }

    private static func escaped(_ byte: UInt8) -> String {
        switch byte {
        case 0x0A: return "\\n"
        case 0x0D: return "\\r"
        case 0x09: return "\\t"
        case UInt8(ascii: "\""): return "\\\""
        case UInt8(ascii: "\\"): return "\\\\"
        case 0x20..<0x7F: return String(UnicodeScalar(byte))
        default:
            let digits = String(byte, radix: 16)
            return digits.utf8.count == 1 ? "\\x0\(digits)" : "\\x\(digits)"
        }
    }
}
