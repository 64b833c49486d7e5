// SPDX-License-Identifier: BSD-2-Clause
//
// The one preference that is honored here, from Prefer fields (RFC 7240):
//
//     Prefer: wait=10
//     Prefer: respond-async, foo="a, b"; some-parameter; wait=10 ; x=y
//
// How long an answer may take is the client's wish; what comes of it, and that it is said in
// Preference-Applied, is for whoever answers.

extension RequestHead {
    /// How many seconds the client is willing to wait for its answer (RFC 7240 section 4.3); nil if
    /// it does not say. A number past 64 bits is the largest.
    ///
    /// A preference that is malformed is as if it were not there. Of several the first one counts
    /// (section 2), whether in one field or in more.
    package func preferredWait(in bytes: Span<UInt8>) -> UInt64? {
        for field in fields where bytes.matches("prefer", in: field.name) {
            var list = PreferenceList(field.value)
            while let preference = list.next(in: bytes) {
                if let seconds = preference.wait(in: bytes) { return seconds }
            }
        }
        return nil
    }
}

/// A preference with its value (RFC 7240 section 2):
///
///     preference = token [ BWS "=" BWS word ] *( OWS ";" [ OWS parameter ] )
///     parameter  = token [ BWS "=" BWS word ]
///     word       = token / quoted-string
///
/// Its parameters are read over: `wait` has none that are defined.
private struct Preference {
    private let name: Range<Int>
    /// What stands between the quotation marks, if there are any. Empty is the same as absent.
    private let value: Range<Int>

    /// nil unless all of `element` is a preference.
    init?(parsing element: Range<Int>, of bytes: Span<UInt8>) {
        var position = element.lowerBound
        guard let (name, value) = Self.pair(at: &position, to: element.upperBound, in: bytes)
        else { return nil }
        while position < element.upperBound {
            guard bytes[position] == ASCII.semicolon else { return nil }
            position = bytes.endOfBlanks(in: (position + 1)..<element.upperBound)
            guard position < element.upperBound, bytes[position] != ASCII.semicolon else {
                continue
            }
            guard Self.pair(at: &position, to: element.upperBound, in: bytes) != nil else {
                return nil
            }
        }
        (self.name, self.value) = (name, value)
    }

    /// The number of seconds, if this is a `wait` with one.
    func wait(in bytes: Span<UInt8>) -> UInt64? {
        guard bytes.matches("wait", in: name), !value.isEmpty else { return nil }
        var seconds: UInt64 = 0
        var position = value.lowerBound
        while position < value.upperBound {
            // A pair in a quoted string stands for its second byte (RFC 9110 section 5.6.4).
            if bytes[position] == ASCII.backslash { position += 1 }
            guard ASCII.isDigit(bytes[position]) else { return nil }
            let digit = UInt64(bytes[position] - ASCII.zero)
            let (product, overflow) = seconds.multipliedReportingOverflow(by: 10)
            let (sum, overflowing) = product.addingReportingOverflow(digit)
            seconds = overflow || overflowing ? .max : sum
            position += 1
        }
        return seconds
    }

    /// `token [ BWS "=" BWS word ]` at `position`, which is moved behind it and the blanks after.
    private static func pair(
        at position: inout Int, to end: Int, in bytes: Span<UInt8>
    ) -> (name: Range<Int>, value: Range<Int>)? {
        let nameEnd = bytes.endOfRun(of: .token, in: position..<end)
        guard nameEnd > position else { return nil }
        let name = position..<nameEnd
        position = bytes.endOfBlanks(in: nameEnd..<end)
        guard position < end, bytes[position] == ASCII.equalsSign else {
            return (name, nameEnd..<nameEnd)
        }
        position = bytes.endOfBlanks(in: (position + 1)..<end)
        let value: Range<Int>
        if position < end, bytes[position] == ASCII.quotationMark {
            guard let closing = bytes.closingQuotationMark(in: position..<end) else { return nil }
            value = (position + 1)..<closing
            position = closing + 1
        } else {
            value = position..<bytes.endOfRun(of: .token, in: position..<end)
            position = value.upperBound
        }
        position = bytes.endOfBlanks(in: position..<end)
        return (name, value)
    }
}

/// Walks over the preferences in one field's value.
private struct PreferenceList {
    private var position: Int
    private let end: Int

    init(_ value: Range<Int>) {
        (position, end) = (value.lowerBound, value.upperBound)
    }

    /// The next one that is well-formed.
    mutating func next(in bytes: Span<UInt8>) -> Preference? {
        while position < end {
            let element = nextElement(in: bytes)
            if let preference = Preference(parsing: element, of: bytes) { return preference }
        }
        return nil
    }

    /// What stands before the next comma that is not quoted, without the blanks around it.
    private mutating func nextElement(in bytes: Span<UInt8>) -> Range<Int> {
        let start = position
        while position < end, bytes[position] != ASCII.comma {
            if bytes[position] == ASCII.quotationMark {
                // Without a closing one, all that follows is quoted.
                position = bytes.closingQuotationMark(in: position..<end) ?? end - 1
            }
            position += 1
        }
        let element = bytes.trimmingBlanks(start..<position)
        position = min(position + 1, end)
        return element
    }
}

extension Span<UInt8> {
    /// Where the quoted string that `range` begins with ends (RFC 9110 section 5.6.4): the offset
    /// of its second quotation mark; nil if there is none.
    fileprivate func closingQuotationMark(in range: Range<Int>) -> Int? {
        var position = range.lowerBound + 1
        while position < range.upperBound {
            switch self[position] {
            case ASCII.quotationMark: return position
            case ASCII.backslash: position += 2
            default: position += 1
            }
        }
        return nil
    }

    /// Where the blanks that `range` begins with end.
    fileprivate func endOfBlanks(in range: Range<Int>) -> Int {
        var position = range.lowerBound
        while position < range.upperBound, ASCII.isBlank(self[position]) { position += 1 }
        return position
    }
}
