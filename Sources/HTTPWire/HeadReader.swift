// SPDX-License-Identifier: BSD-2-Clause
//
// The lines of a head within their bounds: what the two parsers do alike up to the empty line. What
// the first line says and what the fields mean is for them to find.

/// Reads one head after the other, line by line, as its bytes arrive.
struct HeadReader {
    private let bytesMax: Int
    private let fieldCountMax: Int
    private var lines = LineScanner(at: 0)

    /// Field lines that a head is expected to have; room for more is made when they come.
    private static let fieldCountUsual = 16

    init(bytesMax: Int, fieldCountMax: Int) {
        self.bytesMax = bytesMax
        self.fieldCountMax = fieldCountMax
    }

    /// Room for the field lines of a usual head.
    var emptyFields: [FieldLine] {
        var fields: [FieldLine] = []
        fields.reserveCapacity(min(Self.fieldCountUsual, fieldCountMax))
        return fields
    }

    /// Bytes of the lines that were given out, line ends included: the whole head's, once the empty
    /// line was.
    var byteCount: Int { lines.lineStart }

    /// Begins with the head that starts with the bytes to come.
    mutating func begin() {
        lines = LineScanner(at: 0)
    }

    /// The next line of `bytes`, which are those of the last call and perhaps more, or nil when it
    /// has not arrived.
    mutating func nextLine(in bytes: Span<UInt8>) throws(MessageError) -> Range<Int>? {
        switch try lines.next(in: bytes, limit: bytesMax) {
        case .line(let line): return line
        case .incomplete: return nil
        case .pastLimit: throw .headTooLarge
        }
    }

    /// Adds the field lines that have arrived to `fields`.
    /// - Returns: whether the empty line that ends them has arrived too.
    mutating func readFields(
        into fields: inout [FieldLine], from bytes: Span<UInt8>
    ) throws(MessageError) -> Bool {
        while let line = try nextLine(in: bytes) {
            guard !line.isEmpty else { return true }
            guard fields.count < fieldCountMax else { throw .fieldsTooMany }
            fields.append(try FieldLine(parsing: line, of: bytes))
        }
        return false
    }
}
