// SPDX-License-Identifier: BSD-2-Clause
//
// One field line, of a head or of a trailer section. What the fields mean is told elsewhere: those
// that decide how the connection goes on in FramingFields, the others by whoever asks for them.

/// A field line, `name ":" OWS value OWS` (RFC 9112 section 5), as offsets into the bytes it was
/// parsed from. The white space is in neither range.
package struct FieldLine: Sendable, Hashable {
    /// The name, as it was sent.
    package let name: Range<Int>
    /// The value, without the white space around it.
    package let value: Range<Int>

    /// - Parameter line: a line that `LineScanner` gave out, so that it holds no control byte but
    ///   tab: any such value is well-formed.
    init(parsing line: Range<Int>, of bytes: Span<UInt8>) throws(MessageError) {
        precondition(!line.isEmpty, "an empty line ends the section")
        // Obsolete line folding, or white space before the first field: RFC 9112 sections 5.2 and
        // 2.2.
        guard !ASCII.isBlank(bytes[line.lowerBound]) else { throw .lineFolded }
        let colon = bytes.endOfRun(of: .token, in: line)
        // White space before the colon stops the scan too, and is an error: section 5.1.
        guard colon > line.lowerBound, colon < line.upperBound, bytes[colon] == ASCII.colon else {
            throw .fieldNameMalformed
        }
        name = line.lowerBound..<colon
        value = bytes.trimmingBlanks((colon + 1)..<line.upperBound)
    }
}

extension [FieldLine] {
    /// The value of the first field called `name`, which is written in lower case.
    func value(of name: StaticString, in bytes: Span<UInt8>) -> Range<Int>? {
        for field in self where bytes.matches(name, in: field.name) {
            return field.value
        }
        return nil
    }

    /// How often there is a field called `name`, which is written in lower case.
    func occurrence(of name: StaticString, in bytes: Span<UInt8>) -> FieldOccurrence {
        var occurrence = FieldOccurrence.absent
        for field in self where bytes.matches(name, in: field.name) {
            occurrence.add(field.value)
        }
        return occurrence
    }
}

/// How often a field occurs, for fields of which there may be only one.
package enum FieldOccurrence: Sendable, Hashable {
    case absent
    /// With its value.
    case once(Range<Int>)
    case repeated

    mutating func add(_ value: Range<Int>) {
        self = self == .absent ? .once(value) : .repeated
    }
}
