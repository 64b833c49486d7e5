// SPDX-License-Identifier: BSD-2-Clause
//
// Takes chunks apart (RFC 9112 section 7.1) as they arrive. Extensions and the trailer section are
// bounded, checked for form and ignored.

/// Decodes one chunked body after the other into one buffer.
///
/// Invariant: `lineStart == bodyStart + content.count + framingByteCount`, where
/// `content.count <= contentBytesMax` and `framingByteCount <= framingBytesMax`.
struct ChunkedDecoder {
    private let contentBytesMax: Int
    private let framingBytesMax: Int
    /// What was decoded of the current body.
    private(set) var content: [UInt8] = []
    private var stage = Stage.size
    private var bodyStart = 0
    private var lines = LineScanner(at: 0)

    private enum Stage {
        case size
        case data(remaining: Int)
        case dataEnd
        case trailerSection
    }

    init(contentBytesMax: Int, framingBytesMax: Int) {
        self.contentBytesMax = contentBytesMax
        self.framingBytesMax = framingBytesMax
    }

    /// Begins with the body that starts at the offset `bodyStart` of the bytes to come.
    mutating func begin(at bodyStart: Int) {
        self.bodyStart = bodyStart
        content.removeAll(keepingCapacity: true)
        stage = .size
        lines = LineScanner(at: bodyStart)
    }

    /// Goes on with `bytes`, which are those of the last call and perhaps more.
    /// - Returns: the offset of the body's end, or nil when there is more to come.
    mutating func decode(_ bytes: Span<UInt8>) throws(MessageError) -> Int? {
        while true {
            assert(lines.lineStart <= framingLimit && content.count <= contentBytesMax)
            switch stage {
            case .size:
                guard let line = try nextLine(in: bytes) else { return nil }
                let size = try Self.size(line, of: bytes)
                guard size <= contentBytesMax - content.count else { throw .bodyTooLarge }
                stage = size == 0 ? .trailerSection : .data(remaining: size)
            case .data(let remaining):
                let start = lines.lineStart
                let arrived = min(remaining, bytes.count - start)
                content.append(copying: bytes.extracting(start..<(start + arrived)))
                lines.skip(to: start + arrived)
                guard arrived == remaining else {
                    stage = .data(remaining: remaining - arrived)
                    return nil
                }
                stage = .dataEnd
            case .dataEnd:
                guard try skipDataEnd(in: bytes) else { return nil }
                stage = .size
            case .trailerSection:
                guard let line = try nextLine(in: bytes) else { return nil }
                guard !line.isEmpty else { return lines.lineStart }
                _ = try FieldLine(parsing: line, of: bytes)
            }
        }
    }

    /// The offset up to which framing may reach, as long as no more content arrives.
    private var framingLimit: Int { bodyStart + content.count + framingBytesMax }

    private mutating func nextLine(in bytes: Span<UInt8>) throws(MessageError) -> Range<Int>? {
        switch try lines.next(in: bytes, limit: framingLimit) {
        case .line(let line): return line
        case .incomplete: return nil
        case .pastLimit: throw .chunkFramingTooLarge
        }
    }

    /// Skips the line end behind a chunk's data. Returns false when it has not arrived.
    private mutating func skipDataEnd(in bytes: Span<UInt8>) throws(MessageError) -> Bool {
        let start = lines.lineStart
        guard start + 2 <= framingLimit else { throw .chunkFramingTooLarge }
        guard start < bytes.count else { return false }
        guard bytes[start] == ASCII.carriageReturn else { throw .chunkEndMissing }
        guard start + 1 < bytes.count else { return false }
        guard bytes[start + 1] == ASCII.lineFeed else { throw .chunkEndMissing }
        lines.skip(to: start + 2)
        return true
    }

    /// `1*HEXDIG`, then nothing or `BWS ";"` and an extension, whose form nobody here cares about.
    private static func size(
        _ line: Range<Int>, of bytes: Span<UInt8>
    ) throws(MessageError) -> Int {
        var size = 0
        var offset = line.lowerBound
        while offset < line.upperBound, let digit = ASCII.hexValue(bytes[offset]) {
            guard size <= Int.max >> 4 else { throw .chunkSizeMalformed }
            size = size << 4 | digit
            offset += 1
        }
        guard offset > line.lowerBound else { throw .chunkSizeMalformed }
        let rest = bytes.trimmingBlanks(offset..<line.upperBound)
        guard
            offset == line.upperBound
                || !rest.isEmpty && bytes[rest.lowerBound] == ASCII.semicolon
        else { throw .chunkSizeMalformed }
        return size
    }
}
