// SPDX-License-Identifier: BSD-2-Clause
//
// Finds the lines of a message in bytes that arrive in pieces. This is the only part of the parsers
// that can stop in the middle: what lies above it sees whole lines, so the pieces that a peer's
// writes or the network make cannot change what a message means.

/// A cursor over CR LF lines that never starts a search over: only a CR whose LF is awaited is
/// looked at again. Lines hold no control byte but tab: NUL, a bare CR and a bare LF are refused
/// where they stand (RFC 9112 section 2.2, RFC 9110 section 5.5).
///
/// Invariant: `lineStart <= scanned <= bytes.count`, with no line end between the first two.
struct LineScanner {
    /// Where the line that is looked for begins; all before it is consumed.
    private(set) var lineStart: Int
    /// Where the search for its end goes on.
    private(set) var scanned: Int

    init(at start: Int) {
        lineStart = start
        scanned = start
    }

    enum Outcome {
        /// A line without its line end; the cursor is behind it.
        case line(Range<Int>)
        /// No line end yet: call again with more bytes.
        case incomplete
        /// There is no line that ends at or before the limit.
        case pastLimit
    }

    /// The next line of `bytes`, which are those of the last call and perhaps more.
    /// - Parameter limit: the offset past which no line, its line end included, may reach.
    mutating func next(in bytes: Span<UInt8>, limit: Int) throws(MessageError) -> Outcome {
        let end = min(bytes.count, limit)
        precondition(scanned <= bytes.count, "bytes of an unfinished message were taken away")
        while true {
            assert(lineStart <= scanned && scanned <= bytes.count)
            scanned = max(scanned, bytes.firstControl(from: scanned, to: end))
            guard scanned < end else { break }
            switch bytes[scanned] {
            case ASCII.tab:
                scanned += 1
                continue
            case ASCII.carriageReturn:
                break
            case ASCII.lineFeed:
                throw .bareLineFeed
            default:
                throw .controlByte
            }
            guard scanned + 1 < end else { break }
            guard bytes[scanned + 1] == ASCII.lineFeed else { throw .bareCarriageReturn }
            defer { skip(to: scanned + 2) }
            return .line(lineStart..<scanned)
        }
        return bytes.count < limit ? .incomplete : .pastLimit
    }

    /// Goes on behind bytes that are not lines, such as a chunk's data.
    mutating func skip(to offset: Int) {
        assert(offset >= scanned)
        lineStart = offset
        scanned = offset
    }
}

extension Span<UInt8> {
    /// The offset of the first control byte (0x00-0x1f, 0x7f) in `start..<end`, or `end`.
    ///
    /// Eight bytes at a time: subtracting sets a byte's top bit where the byte was too small, and a
    /// borrow disturbs only bytes above the first such, which is the one looked for.
    fileprivate func firstControl(from start: Int, to end: Int) -> Int {
        precondition(end <= count)
        let ones: UInt64 = 0x0101_0101_0101_0101
        var offset = start
        while end - offset >= 8 {
            // offset + 8 <= end <= count, and every bit pattern is a UInt64.
            let loaded = unsafe bytes.unsafeLoadUnaligned(fromByteOffset: offset, as: UInt64.self)
            let word = UInt64(littleEndian: loaded)
            let belowSpace = (word &- ones &* 0x20) & ~word
            let delete = word ^ (ones &* 0x7f)
            let isDelete = (delete &- ones) & ~delete
            let found = (belowSpace | isDelete) & (ones &* 0x80)
            guard found == 0 else { return offset + found.trailingZeroBitCount / 8 }
            offset += 8
        }
        while offset < end, self[offset] >= 0x20, self[offset] != 0x7f { offset += 1 }
        return offset
    }
}
