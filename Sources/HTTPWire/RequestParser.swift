// SPDX-License-Identifier: BSD-2-Clause
//
// The server's half of HTTP/1.1 as a machine: bytes in, steps out. It reads no socket, knows no
// route and no clock; the connection that owns it moves the bytes and keeps the deadlines.

/// What a parser answers to the bytes received so far.
package enum RequestStep: Sendable, Hashable {
    /// The request is incomplete: call again when there are more bytes.
    case needMore(RequestPhase)
    /// Send `ResponseWriter.continueToBody()` now, then call again, with the same bytes or more. At
    /// most once per request, and only when nothing of its body has arrived.
    case sendContinue
    /// The request is the first `byteCount` bytes. Drop them before parsing the next one.
    case complete(byteCount: Int)
    /// Answer with the error's status and close. The parser gives the same answer from here on.
    case malformed(RequestError)
}

/// What an incomplete request is waiting for; each has its own deadline.
package enum RequestPhase: Sendable, Hashable {
    case head
    case body
}

/// Parses the requests of one connection, one after the other (RFC 9112).
///
/// `parse(_:)` is given all bytes received and not yet dropped, beginning with the current request,
/// as often as more have arrived. It goes on where it stopped, so that a request that comes a byte
/// at a time costs no more, and its answer is the same however the bytes were cut.
///
/// Invariant: `lineStart <= scanned <= bytes.count`, which its scanner asserts; within a request
/// the first two only grow, and all before `lineStart` is in `head` or in the decoder's content.
package struct RequestParser: ~Copyable {
    /// The bounds that requests are held to.
    package let limits: RequestLimits
    /// Valid from `.complete` to the next `parse(_:)`. Its storage is reused for every request.
    package private(set) var head = RequestHead()

    private var stage = Stage.requestLine
    private var lines = LineScanner(at: 0)
    private var emptyLineCount = 0
    private var chunks: ChunkedDecoder

    private enum Stage {
        case requestLine
        case fieldLines
        case fixedBody(end: Int)
        case chunkedBody
        case complete
        case failed(RequestError)
    }

    /// Empty lines skipped before a request line (RFC 9112 section 2.2 asks for one at least).
    static let emptyLineCountMax = 4
    /// Field lines that a head is expected to have; room for more is made when they come.
    private static let fieldCountUsual = 16

    /// A parser for one connection, before its first request.
    package init(limits: RequestLimits) {
        self.limits = limits
        chunks = ChunkedDecoder(limits: limits)
        head.fields.reserveCapacity(min(Self.fieldCountUsual, limits.fieldCountMax))
    }

    /// Goes on with the current request, or after `.complete` begins the next.
    /// - Parameter bytes: everything from the request's first byte on; never less than in the last
    ///   call for the same request.
    package mutating func parse(_ bytes: Span<UInt8>) -> RequestStep {
        do {
            return try advance(bytes)
        } catch {
            stage = .failed(error)
            return .malformed(error)
        }
    }

    /// The whole body of the complete request, decoded.
    /// - Parameter bytes: those given to the `parse(_:)` call that answered `.complete`.
    package func withBody<Result: ~Copyable, Failure: Error>(
        of bytes: Span<UInt8>, _ use: (Span<UInt8>) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        guard case .complete = stage else { preconditionFailure("no complete request") }
        switch head.framing {
        case .none:
            return try use(bytes.extracting(first: 0))
        case .length(let byteCount):
            let start = headByteCount
            return try use(bytes.extracting(start..<(start + byteCount)))
        case .chunked:
            return try use(chunks.content.span)
        }
    }

    /// Bytes of the head, once it is complete: the scanner stands behind it.
    private var headByteCount: Int { lines.lineStart }

    private mutating func advance(_ bytes: Span<UInt8>) throws(RequestError) -> RequestStep {
        while true {
            switch stage {
            case .complete:
                beginRequest()
            case .requestLine:
                guard let line = try nextLine(in: bytes, orPastLimit: .targetTooLong) else {
                    return .needMore(.head)
                }
                try takeRequestLine(line, of: bytes)
            case .fieldLines:
                guard let line = try nextLine(in: bytes, orPastLimit: .headTooLarge) else {
                    return .needMore(.head)
                }
                guard line.isEmpty else {
                    try takeFieldLine(line, of: bytes)
                    continue
                }
                try endHead(of: bytes)
                guard !awaitsContinue(in: bytes) else { return .sendContinue }
            case .fixedBody(let end):
                guard bytes.count >= end else { return .needMore(.body) }
                stage = .complete
                return .complete(byteCount: end)
            case .chunkedBody:
                guard let end = try chunks.decode(bytes) else { return .needMore(.body) }
                stage = .complete
                return .complete(byteCount: end)
            case .failed(let error):
                throw error
            }
        }
    }

    private mutating func beginRequest() {
        head.fields.removeAll(keepingCapacity: true)
        lines = LineScanner(at: 0)
        emptyLineCount = 0
        stage = .requestLine
    }

    private mutating func nextLine(
        in bytes: Span<UInt8>, orPastLimit error: RequestError
    ) throws(RequestError) -> Range<Int>? {
        switch try lines.next(in: bytes, limit: limits.headBytesMax) {
        case .line(let line): return line
        case .incomplete: return nil
        case .pastLimit: throw error
        }
    }

    private mutating func takeRequestLine(
        _ line: Range<Int>, of bytes: Span<UInt8>
    ) throws(RequestError) {
        guard !line.isEmpty else {
            emptyLineCount += 1
            guard emptyLineCount <= Self.emptyLineCountMax else { throw .emptyLinesTooMany }
            return
        }
        let requestLine = try RequestLine(parsing: line, of: bytes)
        head.method = requestLine.method
        head.target = requestLine.target
        head.isHTTP10 = requestLine.isHTTP10
        stage = .fieldLines
    }

    private mutating func takeFieldLine(
        _ line: Range<Int>, of bytes: Span<UInt8>
    ) throws(RequestError) {
        guard head.fields.count < limits.fieldCountMax else { throw .fieldsTooMany }
        head.fields.append(try FieldLine(parsing: line, of: bytes))
    }

    /// The head is complete: decides how its body is framed and how the connection goes on.
    private mutating func endHead(of bytes: Span<UInt8>) throws(RequestError) {
        let fields = FramingFields(gathering: head.fields, in: bytes)
        try fields.checkHost(isHTTP10: head.isHTTP10, in: bytes)
        head.framing = try BodyFraming(fields, isHTTP10: head.isHTTP10, in: bytes)
        head.persistence = fields.persistence(isHTTP10: head.isHTTP10)
        // HTTP/1.0 knows no expectations: RFC 9110 section 10.1.1 has them ignored.
        guard head.isHTTP10 || !fields.expectsOther else { throw .expectationUnknown }
        head.expectsContinue = fields.expectsContinue && !head.isHTTP10

        switch head.framing {
        case .none:
            stage = .fixedBody(end: headByteCount)
        case .length(let byteCount):
            guard byteCount <= limits.bodyBytesMax else { throw .bodyTooLarge }
            stage = .fixedBody(end: headByteCount + byteCount)
        case .chunked:
            chunks.begin(at: headByteCount)
            stage = .chunkedBody
        }
    }

    /// A client that has begun to send its body no longer waits.
    private func awaitsContinue(in bytes: Span<UInt8>) -> Bool {
        head.expectsContinue && bytes.count == headByteCount && head.framing != .none
            && head.framing != .length(0)
    }
}
