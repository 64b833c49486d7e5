// SPDX-License-Identifier: BSD-2-Clause

// The ASCII format of the Sigsum log protocol: lines `key=value\n` in a fixed order. Reading it is
// strict, since every byte that two readers could take differently is one that somebody will.
//
//     size=2
//     root_hash=1f81eb44698a9dfa1b22ca3a6cd5e77d2bf59a0227fab8daef5b8cb014573eb8

package import LogCrypto

/// A position in a body of `key=value` lines. The bytes are handed to each call, since a struct
/// cannot hold a span; it must be the same bytes every time.
package struct ASCIICursor {
    private var position = 0
    private var line = 1

    /// At the first line.
    package init() {}

    /// Whether all of `bytes` was read.
    package func isAtEnd(of bytes: Span<UInt8>) -> Bool { position == bytes.count }

    /// The value of the next line, which must be `key=value` and end in LF. What the value looks
    /// like is for the reader of the range to check.
    package mutating func value(
        of key: StaticString, in bytes: Span<UInt8>
    ) throws(FormatError) -> Range<Int> {
        let start = position
        var end = start
        while end < bytes.count, bytes[end] != 0x0A { end += 1 }
        let keyByteCount = key.utf8CodeUnitCount
        guard end - start > keyByteCount, bytes[start + keyByteCount] == UInt8(ascii: "="),
            bytes.hasBytes(of: key, at: start)
        else {
            throw FormatError(
                line: line, expected: "\"\(key)=\"", found: bytes.extracting(start..<end))
        }
        guard end < bytes.count else {
            throw FormatError(
                line: line, expected: "a line feed after \"\(key)=...\"", found: "the end")
        }
        position = end + 1
        line += 1
        return start + keyByteCount + 1..<end
    }

    /// Refuses anything after the last line.
    package func finish(_ bytes: Span<UInt8>) throws(FormatError) {
        guard isAtEnd(of: bytes) else {
            throw FormatError(
                line: line, expected: "the end", found: bytes.extracting(position..<bytes.count))
        }
    }

    /// The next line's value as a decimal number.
    package mutating func integer(
        _ key: StaticString, in bytes: Span<UInt8>
    ) throws(FormatError) -> UInt64 {
        let range = try value(of: key, in: bytes)
        guard let number = ASCIIDecimal.parse(bytes.extracting(range)) else {
            throw error(
                "\(key)= with a decimal number up to 2^63-1", found: bytes.extracting(range))
        }
        return number
    }

    /// The next line's value in hex.
    package mutating func hex<Value: FixedByteValue>(
        _ key: StaticString, in bytes: Span<UInt8>, as: Value.Type = Value.self
    ) throws(FormatError) -> Value {
        let range = try value(of: key, in: bytes)
        guard let value = Value(hex: bytes.extracting(range)) else {
            throw error(
                "\(key)= with \(2 * Value.byteCount) hex digits", found: bytes.extracting(range))
        }
        return value
    }

    /// An error about the line read last.
    package func error(_ expected: String, found: Span<UInt8>) -> FormatError {
        FormatError(line: line - 1, expected: expected, found: found)
    }
}

/// Decimal numbers in their one canonical form, `0|[1-9][0-9]*`, up to 2^63-1.
package enum ASCIIDecimal {
    /// The number that `digits` say; nil for any other form or size.
    @inlinable
    package static func parse(_ digits: Span<UInt8>) -> UInt64? {
        guard digits.count > 0, digits.count <= 19 else { return nil }
        if digits[0] == 0x30, digits.count > 1 { return nil }
        var number: UInt64 = 0
        for position in digits.indices {
            let digit = digits[position]
            guard digit >= 0x30, digit <= 0x39 else { return nil }
            // Nineteen digits are below 2^64, so this cannot overflow.
            number = number * 10 + UInt64(digit - 0x30)
        }
        return number <= UInt64(Int64.max) ? number : nil
    }
}

extension Span<UInt8> {
    /// Whether the bytes from `offset` on begin with those of `text`.
    package func hasBytes(of text: StaticString, at offset: Int) -> Bool {
        guard count - offset >= text.utf8CodeUnitCount else { return false }
        // A static string's bytes live for ever, and every position read is below its count.
        let bytes = unsafe UnsafeBufferPointer(
            start: text.utf8Start, count: text.utf8CodeUnitCount)
        for position in bytes.indices where unsafe self[offset + position] != bytes[position] {
            return false
        }
        return true
    }

    /// The parts between single spaces; nil unless there are exactly `count`, none empty.
    package func fields(_ count: Int) -> [Range<Int>]? {
        var fields: [Range<Int>] = []
        var start = 0
        for position in 0...self.count
        where position == self.count || self[position] == UInt8(ascii: " ") {
            guard position > start, fields.count < count else { return nil }
            fields.append(start..<position)
            start = position + 1
        }
        return fields.count == count ? fields : nil
    }
}

extension [UInt8] {
    /// Appends the bytes of `text`.
    package mutating func append(_ text: StaticString) {
        // A static string's bytes live for ever.
        unsafe append(
            contentsOf: UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    /// Appends a decimal number.
    package mutating func append(decimal number: UInt64) {
        append(contentsOf: String(number).utf8)
    }

    /// Appends `value` in hex.
    package mutating func append(hex value: some FixedByteValue) {
        value.withSpan { bytes in
            append(addingCapacity: 2 * bytes.count) { Hex.encode(bytes, into: &$0) }
        }
    }
}
