// SPDX-License-Identifier: BSD-2-Clause

// Hexadecimal: written in lower case, read in either. get-leaves renders hundreds of kilobytes a
// request with it, so encoding is made for the compiler's vectoriser.

/// Hexadecimal digits to bytes and back.
package enum Hex {
    /// Appends two lower-case digits for each of `bytes`; `output` must have room for them.
    @inlinable
    package static func encode(_ bytes: Span<UInt8>, into output: inout OutputSpan<UInt8>) {
        precondition(output.freeCapacity >= 2 * bytes.count)
        unsafe output.withUnsafeMutableBufferPointer { buffer, initializedCount in
            guard let base = buffer.baseAddress else { return }
            // The uninitialised part begins here and has room for 2 * bytes.count, as checked
            // above; what is then counted as initialised is exactly what the loop wrote.
            let target = unsafe UnsafeMutableRawPointer(base + initializedCount)
            unsafe bytes.withUnsafeBufferPointer { source in
                for position in 0..<source.count {
                    unsafe target.storeBytes(
                        of: digits(of: source[position]).littleEndian,
                        toByteOffset: 2 * position, as: UInt16.self)
                }
            }
            initializedCount += 2 * bytes.count
        }
    }

    /// The two digits of `byte`, the first in the low eight bits. Without a branch and without a
    /// table, so that the compiler makes the loop above one over vectors: 9 GB of bytes a second
    /// where appending digit by digit does 0.7.
    @inlinable
    static func digits(of byte: UInt8) -> UInt16 {
        let nibbles = UInt16(byte >> 4) | UInt16(byte & 15) << 8
        // Adding 6 carries into bit 4 of those above 9, which are letters: 39 further on.
        let letters = (nibbles &+ 0x0606) >> 4 & 0x0101
        return nibbles &+ 0x3030 &+ letters &* 39
    }

    /// The digits of `bytes` as a string, for messages and logs.
    package static func string(_ bytes: Span<UInt8>) -> String {
        var digits: [UInt8] = []
        digits.append(addingCapacity: 2 * bytes.count) { encode(bytes, into: &$0) }
        return String(decoding: digits, as: UTF8.self)
    }

    /// The bytes that `digits` stand for; nil for an odd count or anything that is no hex digit.
    package static func decode(_ digits: Span<UInt8>) -> [UInt8]? {
        guard digits.count.isMultiple(of: 2) else { return nil }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(digits.count / 2)
        for position in stride(from: 0, to: digits.count, by: 2) {
            guard let high = value(of: digits[position]), let low = value(of: digits[position + 1])
            else { return nil }
            bytes.append(high << 4 | low)
        }
        return bytes
    }

    /// The value of one digit, 0...15; nil when it is none.
    @inlinable
    package static func value(of digit: UInt8) -> UInt8? {
        switch digit {
        case 0x30...0x39: digit - 0x30
        case 0x41...0x46: digit - 0x41 + 10
        case 0x61...0x66: digit - 0x61 + 10
        default: nil
        }
    }

    /// Writes the bytes that `digits`, an even count, stand for to `bytes`, from `offset` on, where
    /// there is room for them. False when one of them is no hex digit.
    package static func decode(
        _ digits: Span<UInt8>, into bytes: inout MutableSpan<UInt8>, at offset: Int = 0
    ) -> Bool {
        precondition(digits.count.isMultiple(of: 2))
        for position in 0..<digits.count / 2 {
            guard let high = value(of: digits[2 * position]),
                let low = value(of: digits[2 * position + 1])
            else { return false }
            bytes[offset + position] = high << 4 | low
        }
        return true
    }
}
