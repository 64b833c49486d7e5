// SPDX-License-Identifier: BSD-2-Clause
//
// Plays the client's connection: gives a parser bytes in pieces, asks for the next response when one
// is complete, ends the connection or not, and writes down what came out.

import HTTPWire

/// A complete response, copied out of the bytes.
struct ParsedResponse: Equatable {
    var method: Method
    var statusCode: Int
    var fields: [String]
    var isHTTP10: Bool
    var persistence: Persistence
    var framing: BodyFraming
    var body: [UInt8]
    var byteCount: Int
}

/// What a connection's bytes came to.
struct ResponseTranscript: Equatable {
    var responses: [ParsedResponse] = []
    var end = End.awaiting

    enum End: Equatable {
        case awaiting
        case refused(ResponseError)

        static func refused(_ error: MessageError) -> End { .refused(.message(error)) }
    }
}

/// A connection's bytes, what they answer, and whether the peer ends the connection behind them.
struct ResponseBytes: Sendable {
    var bytes: [UInt8]
    /// Of each request in turn; of any more, GET.
    var methods: [Method] = []
    var isEnded = false
}

/// Feeds a connection to a new parser, piece by piece, until it ends or is refused.
func transcript(
    of connection: ResponseBytes, cut cutting: Cutting = .whole,
    limits: ResponseLimits = ResponseLimits()
) -> ResponseTranscript {
    let bytes = connection.bytes
    var parser = ResponseParser(limits: limits)
    var transcript = ResponseTranscript()
    var start = 0
    var methods = connection.methods.makeIterator()
    var method = methods.next() ?? .get
    parser.begin(answering: method)

    /// Returns whether there is more to do with the bytes up to `end`.
    func take(_ step: ResponseStep, upTo end: Int) -> Bool {
        let received = bytes.span.extracting(start..<end)
        switch step {
        case .needMore:
            precondition(received.count < limits.responseBytesMax, "a full buffer asks for more")
            return false
        case .complete(let byteCount):
            transcript.responses.append(
                ParsedResponse(
                    method: method, parser: parser, bytes: received, byteCount: byteCount))
            start += byteCount
            method = methods.next() ?? .get
            parser.begin(answering: method)
            return start < end
        case .malformed(let error):
            transcript.end = .refused(error)
            precondition(parser.parse(received) == .malformed(error), "an error is not kept")
            precondition(parser.end(received) == .malformed(error), "an error is not kept")
            return false
        }
    }

    for end in cutting.pieceEnds(byteCount: bytes.count) where end <= bytes.count {
        var isMoving = true
        while isMoving {
            isMoving = take(parser.parse(bytes.span.extracting(start..<end)), upTo: end)
        }
        guard transcript.end == .awaiting else { return transcript }
    }
    // Between two responses the connection may end.
    if connection.isEnded, start < bytes.count || transcript.responses.isEmpty {
        _ = take(parser.end(bytes.span.extracting(start..<bytes.count)), upTo: bytes.count)
    }
    return transcript
}

extension ParsedResponse {
    init(
        method: Method, parser: borrowing ResponseParser, bytes: Span<UInt8>, byteCount: Int
    ) {
        let head = parser.head
        self.init(
            method: method,
            statusCode: head.statusCode,
            fields: head.fields.map { "\(bytes.text($0.name)): \(bytes.text($0.value))" },
            isHTTP10: head.isHTTP10,
            persistence: head.persistence,
            framing: head.framing,
            body: parser.withBody(of: bytes) { $0.copied },
            byteCount: byteCount)
    }
}
