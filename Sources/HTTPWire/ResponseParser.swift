// SPDX-License-Identifier: BSD-2-Clause
//
// The client's half of HTTP/1.1 as a machine: bytes in, steps out. It reads no socket and knows no
// clock and no request but its method; the connection that owns it moves the bytes and keeps the
// deadlines.

/// What a parser answers to the bytes received so far.
package enum ResponseStep: Sendable, Hashable {
    /// The response is incomplete: call again when there are more bytes.
    case needMore
    /// The response is the first `byteCount` bytes, with the interim ones before it. Any more bytes
    /// nobody has asked for.
    case complete(byteCount: Int)
    /// Close. The parser gives the same answer until it begins anew.
    case malformed(ResponseError)
}

/// Parses the responses to requests that are sent one at a time (RFC 9112).
///
/// `begin(answering:)` goes before each response. `parse(_:)` is then given all bytes received since,
/// as often as more have arrived, and `end(_:)` when it is known that no more will. It goes on
/// where it stopped, so that a response that comes a byte at a time costs no more, and its answer
/// is the same however the bytes were cut.
///
/// Interim responses (1xx) are skipped: no request here waits for one.
package struct ResponseParser: ~Copyable {
    /// The bounds that responses are held to.
    package let limits: ResponseLimits
    /// Valid from `.complete` to the next `begin(answering:)`. Its storage is reused.
    package private(set) var head = ResponseHead()

    private var stage = Stage.idle
    private var method = Method.other
    private var interimCount = 0
    private var lines: HeadReader
    private var body: BodyReader

    private enum Stage {
        case idle
        case statusLine
        case fieldLines
        case body
        case complete
        case failed(ResponseError)
    }

    /// Interim responses skipped before a final one; one of each kind there is would be three.
    static let interimCountMax = 8

    /// A parser for one client, before its first request.
    package init(limits: ResponseLimits) {
        self.limits = limits
        lines = HeadReader(bytesMax: limits.headBytesMax, fieldCountMax: limits.fieldCountMax)
        body = BodyReader(
            contentBytesMax: limits.bodyBytesMax, chunkFramingBytesMax: limits.chunkFramingBytesMax)
        head.fields = lines.emptyFields
    }

    /// Begins with the response to a request of `method`, whatever became of the one before. On a
    /// connection that goes on, that one is complete and its bytes are dropped.
    package mutating func begin(answering method: Method) {
        self.method = method
        interimCount = 0
        head.fields.removeAll(keepingCapacity: true)
        lines.begin()
        stage = .statusLine
    }

    /// Goes on with the current response.
    /// - Parameter bytes: everything from the response's first byte on, interim ones included;
    ///   never less than in the last call for the same response.
    package mutating func parse(_ bytes: Span<UInt8>) -> ResponseStep {
        do {
            return try advance(bytes)
        } catch {
            return fail(error)
        }
    }

    /// The peer has ended the connection in good order, and `bytes` are all there will be: completes
    /// a body that goes on until then, and finds any other incomplete response truncated.
    /// - Parameter bytes: as for `parse(_:)`.
    package mutating func end(_ bytes: Span<UInt8>) -> ResponseStep {
        let step = parse(bytes)
        guard step == .needMore else { return step }
        guard case .body = stage, let end = body.end(bytes) else { return fail(.truncated) }
        stage = .complete
        return .complete(byteCount: end)
    }

    /// The whole body of the complete response, decoded.
    /// - Parameter bytes: those given to the call that answered `.complete`.
    package func withBody<Result: ~Copyable, Failure: Error>(
        of bytes: Span<UInt8>, _ use: (Span<UInt8>) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        guard case .complete = stage else { preconditionFailure("no complete response") }
        return try body.withContent(of: bytes, use)
    }

    private mutating func fail(_ error: ResponseError) -> ResponseStep {
        stage = .failed(error)
        return .malformed(error)
    }

    private mutating func advance(_ bytes: Span<UInt8>) throws(ResponseError) -> ResponseStep {
        while true {
            switch stage {
            case .statusLine:
                guard try readStatusLine(from: bytes) else { return .needMore }
                stage = .fieldLines
            case .fieldLines:
                guard try readFields(from: bytes) else { return .needMore }
                if head.statusCode < 200 {
                    try skipInterim()
                } else {
                    try endHead(of: bytes)
                }
            case .body:
                guard let end = try readBody(from: bytes) else { return .needMore }
                stage = .complete
                return .complete(byteCount: end)
            case .failed(let error):
                throw error
            case .idle, .complete:
                preconditionFailure("begin(answering:) goes before each response")
            }
        }
    }

    /// No empty line may come first: RFC 9112 section 2.2 has only a server skip one.
    private mutating func readStatusLine(from bytes: Span<UInt8>) throws(ResponseError) -> Bool {
        let line: Range<Int>?
        do {
            line = try lines.nextLine(in: bytes)
        } catch {
            throw .message(error)
        }
        guard let line else { return false }
        let statusLine = try StatusLine(parsing: line, of: bytes)
        head.statusCode = statusLine.code
        head.isHTTP10 = statusLine.isHTTP10
        return true
    }

    private mutating func readFields(from bytes: Span<UInt8>) throws(ResponseError) -> Bool {
        do {
            return try lines.readFields(into: &head.fields, from: bytes)
        } catch {
            throw .message(error)
        }
    }

    /// An interim response ends with its head (RFC 9110 section 15.2).
    private mutating func skipInterim() throws(ResponseError) {
        guard head.statusCode != 101 else { throw .protocolSwitched }
        interimCount += 1
        guard interimCount <= Self.interimCountMax else { throw .interimTooMany }
        head.fields.removeAll(keepingCapacity: true)
        stage = .statusLine
    }

    /// The head is complete: decides how its body is framed and how the connection goes on.
    private mutating func endHead(of bytes: Span<UInt8>) throws(ResponseError) {
        let fields = FramingFields(gathering: head.fields, in: bytes)
        do {
            let framing = try BodyFraming(
                fields, unsaid: .untilClose, isHTTP10: head.isHTTP10, in: bytes)
            head.framing = hasBody ? framing : .none
            try body.begin(head.framing, at: lines.byteCount)
        } catch {
            throw .message(error)
        }
        head.persistence = fields.persistence(isHTTP10: head.isHTTP10)
        if head.framing == .untilClose { head.persistence = .close }
        stage = .body
    }

    /// These have no body whatever their fields say, though what they say must be well-formed: RFC
    /// 9112 section 6.3, item 1.
    private var hasBody: Bool {
        method != .head && head.statusCode != 204 && head.statusCode != 304
    }

    private mutating func readBody(from bytes: Span<UInt8>) throws(ResponseError) -> Int? {
        do {
            return try body.read(bytes)
        } catch {
            throw .message(error)
        }
    }
}
