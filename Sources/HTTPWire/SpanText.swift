// SPDX-License-Identifier: BSD-2-Clause
//
// What the parsers ask of the bytes in a range: whether they are a given text, where the elements
// of a list are. Nothing here makes a String.

extension Span<UInt8> {
    /// Whether the bytes in `range` are `text`, in any case. `text` is in lower case.
    func matches(_ text: StaticString, in range: Range<Int>) -> Bool {
        guard range.count == text.utf8CodeUnitCount else { return false }
        let candidate = extracting(range)
        for offset in candidate.indices
        where ASCII.lowercased(candidate[offset]) != text.utf8Byte(at: offset) {
            return false
        }
        return true
    }

    /// Whether the bytes in `range` are exactly `text`.
    func equals(_ text: StaticString, in range: Range<Int>) -> Bool {
        guard range.count == text.utf8CodeUnitCount else { return false }
        let candidate = extracting(range)
        for offset in candidate.indices where candidate[offset] != text.utf8Byte(at: offset) {
            return false
        }
        return true
    }

    /// Calls `use` with each element of a comma-separated list (RFC 9110 section 5.6.1), blanks
    /// around it trimmed; empty elements included.
    func forEachElement(ofList list: Range<Int>, _ use: (Range<Int>) -> Void) {
        var start = list.lowerBound
        for offset in list where self[offset] == ASCII.comma {
            use(trimmingBlanks(start..<offset))
            start = offset + 1
        }
        use(trimmingBlanks(start..<list.upperBound))
    }

    /// `range` without the blanks at its two ends.
    func trimmingBlanks(_ range: Range<Int>) -> Range<Int> {
        var lower = range.lowerBound
        var upper = range.upperBound
        while lower < upper, ASCII.isBlank(self[lower]) { lower += 1 }
        while lower < upper, ASCII.isBlank(self[upper - 1]) { upper -= 1 }
        return lower..<upper
    }
}

extension StaticString {
    func utf8Byte(at offset: Int) -> UInt8 {
        precondition(offset >= 0 && offset < utf8CodeUnitCount)
        // A literal's bytes live as long as the program, and the offset is within them. Only a
        // literal of a single scalar passed as such has no pointer, and then utf8Start traps.
        return unsafe utf8Start[offset]
    }
}
