// SPDX-License-Identifier: BSD-2-Clause
//
// A body as its framing delimits it, within its bounds: what the two parsers do alike behind the
// head. How the body is framed BodyFraming has decided.

/// Reads one body after the other, as its bytes arrive. Only a chunked one is copied.
struct BodyReader {
    private let contentBytesMax: Int
    private var stage = Stage.within(0..<0)
    private var chunks: ChunkedDecoder

    private enum Stage {
        /// The content is these bytes, as soon as they are there.
        case within(Range<Int>)
        case chunked
        case untilClose(start: Int)
    }

    init(contentBytesMax: Int, chunkFramingBytesMax: Int) {
        self.contentBytesMax = contentBytesMax
        chunks = ChunkedDecoder(
            contentBytesMax: contentBytesMax, framingBytesMax: chunkFramingBytesMax)
    }

    /// Begins with the body that starts at the offset `start` of the bytes to come.
    mutating func begin(_ framing: BodyFraming, at start: Int) throws(MessageError) {
        switch framing {
        case .none:
            stage = .within(start..<start)
        case .length(let byteCount):
            guard byteCount <= contentBytesMax else { throw .bodyTooLarge }
            stage = .within(start..<(start + byteCount))
        case .chunked:
            chunks.begin(at: start)
            stage = .chunked
        case .untilClose:
            stage = .untilClose(start: start)
        }
    }

    /// Goes on with `bytes`, which are those of the last call and perhaps more.
    /// - Returns: the offset of the body's end, or nil when there is more to come.
    mutating func read(_ bytes: Span<UInt8>) throws(MessageError) -> Int? {
        switch stage {
        case .within(let content):
            return bytes.count >= content.upperBound ? content.upperBound : nil
        case .chunked:
            return try chunks.decode(bytes)
        case .untilClose(let start):
            guard bytes.count - start <= contentBytesMax else { throw .bodyTooLarge }
            return nil
        }
    }

    /// There is nothing behind `bytes`, which have been read.
    /// - Returns: the offset of the body's end if that is what ends it.
    mutating func end(_ bytes: Span<UInt8>) -> Int? {
        guard case .untilClose(let start) = stage else { return nil }
        stage = .within(start..<bytes.count)
        return bytes.count
    }

    /// The content of the body that has come to its end.
    /// - Parameter bytes: those that its end was found in.
    func withContent<Result: ~Copyable, Failure: Error>(
        of bytes: Span<UInt8>, _ use: (Span<UInt8>) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        switch stage {
        case .within(let content): return try use(bytes.extracting(content))
        case .chunked: return try use(chunks.content.span)
        case .untilClose: preconditionFailure("the body has not ended")
        }
    }
}
