// SPDX-License-Identifier: BSD-2-Clause
//
// Appending to an output buffer: each of these copies bytes, and makes room for them if it must.

extension [UInt8] {
    mutating func append(copying bytes: Span<UInt8>) {
        // The buffer is read only within the closure, while `bytes` is borrowed.
        unsafe bytes.withUnsafeBufferPointer { unsafe append(contentsOf: $0) }
    }

    mutating func append(_ text: StaticString) {
        // A literal's bytes live as long as the program.
        let bytes = unsafe UnsafeBufferPointer(
            start: text.utf8Start, count: text.utf8CodeUnitCount)
        unsafe append(contentsOf: bytes)
    }

    mutating func append(decimal value: UInt64) {
        // 2^64 - 1 has 20 digits.
        var digits = InlineArray<20, UInt8>(repeating: ASCII.zero)
        var start = digits.count
        var rest = value
        repeat {
            start -= 1
            digits[start] = ASCII.zero + UInt8(rest % 10)
            rest /= 10
        } while rest > 0
        append(copying: digits.span.extracting(start..<digits.count))
    }
}
