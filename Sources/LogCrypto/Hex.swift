// SPDX-License-Identifier: BSD-2-Clause

// Hexadecimal: written in lower case, read in either. get-leaves renders hundreds of kilobytes a
// request with it, so encoding works on sixteen bytes at a time.

/// Hexadecimal digits to bytes and back.
package enum Hex {
    /// Appends two lower-case digits for each of `bytes`; `output` must have room for them.
    @inlinable
    package static func encode(_ bytes: Span<UInt8>, into output: inout OutputSpan<UInt8>) {
        precondition(output.freeCapacity >= 2 * bytes.count)
        // The buffer's uninitialised part holds 2 * bytes.count by the precondition; each step of
        // the loops below reads inside `bytes` and writes inside that part, and the count
        // initialised is what was written.
        unsafe output.withUnsafeMutableBufferPointer { buffer, initializedCount in
            guard bytes.count > 0, let base = buffer.baseAddress else { return }
            let target = unsafe UnsafeMutableRawPointer(base + initializedCount)
            unsafe bytes.withUnsafeBufferPointer { source in
                guard let first = source.baseAddress else { return }
                let source = unsafe UnsafeRawPointer(first)
                var position = 0
                while position + 16 <= bytes.count {
                    let block = unsafe source.loadUnaligned(
                        fromByteOffset: position, as: SIMD16<UInt8>.self)
                    var digits = SIMD32<UInt8>()
                    digits.evenHalf = Self.digits(of: block &>> 4)
                    digits.oddHalf = Self.digits(of: block & 15)
                    unsafe target.storeBytes(
                        of: digits, toByteOffset: 2 * position, as: SIMD32<UInt8>.self)
                    position += 16
                }
                while position < bytes.count {
                    let byte = unsafe source.load(fromByteOffset: position, as: UInt8.self)
                    unsafe target.storeBytes(
                        of: digit(of: byte >> 4), toByteOffset: 2 * position, as: UInt8.self)
                    unsafe target.storeBytes(
                        of: digit(of: byte & 15), toByteOffset: 2 * position + 1, as: UInt8.self)
                    position += 1
                }
            }
            initializedCount += 2 * bytes.count
        }
    }

    @inlinable
    static func digits(of nibbles: SIMD16<UInt8>) -> SIMD16<UInt8> {
        // 39 more from ten on, where the sum with 6 carries into bit 4. Arithmetic, since
        // `replacing(with:where:)` goes lane by lane.
        let carries = (nibbles &+ 6) &>> 4
        return nibbles &+ 48 &+ ((SIMD16() &- carries) & 39)
    }

    @inlinable
    static func digit(of nibble: UInt8) -> UInt8 {
        nibble < 10 ? 48 + nibble : 87 + nibble
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

    /// The `count` bytes that the digits of `digits` from `offset` on stand for, without the heap;
    /// nil when one of them is no hex digit. The range must lie in `digits`.
    @inlinable
    package static func decode<let count: Int>(
        _ digits: Span<UInt8>, at offset: Int, as: FixedBytes<count>.Type = FixedBytes<count>.self
    ) -> FixedBytes<count>? {
        precondition(offset >= 0 && digits.count - offset >= 2 * count)
        var bytes = FixedBytes<count>()
        for position in 0..<count {
            guard let high = value(of: digits[offset + 2 * position]),
                let low = value(of: digits[offset + 2 * position + 1])
            else { return nil }
            bytes.storage[position] = high << 4 | low
        }
        return bytes
    }
}
