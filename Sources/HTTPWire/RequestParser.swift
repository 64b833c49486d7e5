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
    private var emptyLineCount = 0
    private var lines: HeadReader
    private var body: BodyReader

    private enum Stage {
        case requestLine
        case fieldLines
        case body
        case complete
        case failed(RequestError)
    }

    /// Empty lines skipped before a request line (RFC 9112 section 2.2 asks for one at least).
    static let emptyLineCountMax = 4

    /// A parser for one connection, before its first request.
    package init(limits: RequestLimits) {
        self.limits = limits
        lines = HeadReader(bytesMax: limits.headBytesMax, fieldCountMax: limits.fieldCountMax)
        body = BodyReader(
            contentBytesMax: limits.bodyBytesMax, chunkFramingBytesMax: limits.chunkFramingBytesMax)
        head.fields = lines.emptyFields
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
        return try body.withContent(of: bytes, use)
    }

    private mutating func advance(_ bytes: Span<UInt8>) throws(RequestError) -> RequestStep {
        while true {
            switch stage {
            case .complete:
                beginRequest()
            case .requestLine:
                guard let line = try nextRequestLine(in: bytes) else { return .needMore(.head) }
                try takeRequestLine(line, of: bytes)
            case .fieldLines:
                guard try readFields(from: bytes) else { return .needMore(.head) }
                try endHead(of: bytes)
                guard !awaitsContinue(in: bytes) else { return .sendContinue }
            case .body:
                guard let end = try readBody(from: bytes) else { return .needMore(.body) }
                stage = .complete
                return .complete(byteCount: end)
            case .failed(let error):
                throw error
            }
        }
    }

    private mutating func beginRequest() {
        head.fields.removeAll(keepingCapacity: true)
        lines.begin()
        emptyLineCount = 0
        stage = .requestLine
    }

    private mutating func nextRequestLine(
        in bytes: Span<UInt8>
    ) throws(RequestError) -> Range<Int>? {
        do {
            return try lines.nextLine(in: bytes)
        } catch {
            throw error == .headTooLarge ? .targetTooLong : .message(error)
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

    private mutating func readFields(from bytes: Span<UInt8>) throws(RequestError) -> Bool {
        do {
            return try lines.readFields(into: &head.fields, from: bytes)
        } catch {
            throw .message(error)
        }
    }

    /// The head is complete: decides how its body is framed and how the connection goes on.
    private mutating func endHead(of bytes: Span<UInt8>) throws(RequestError) {
        let fields = FramingFields(gathering: head.fields, in: bytes)
        try fields.checkHost(isHTTP10: head.isHTTP10, in: bytes)
        do {
            head.framing = try BodyFraming(
                fields, unsaid: .none, isHTTP10: head.isHTTP10, in: bytes)
            try body.begin(head.framing, at: lines.byteCount)
        } catch {
            throw .message(error)
        }
        head.persistence = fields.persistence(isHTTP10: head.isHTTP10)
        // HTTP/1.0 knows no expectations: RFC 9110 section 10.1.1 has them ignored.
        guard head.isHTTP10 || !fields.expectsOther else { throw .expectationUnknown }
        head.expectsContinue = fields.expectsContinue && !head.isHTTP10
        stage = .body
    }

    private mutating func readBody(from bytes: Span<UInt8>) throws(RequestError) -> Int? {
        do {
            return try body.read(bytes)
        } catch {
            throw .message(error)
        }
    }

    /// A client that has begun to send its body no longer waits.
    private func awaitsContinue(in bytes: Span<UInt8>) -> Bool {
        head.expectsContinue && bytes.count == lines.byteCount && head.framing != .none
            && head.framing != .length(0)
    }
}
