// SPDX-License-Identifier: BSD-2-Clause
//
// Plays the connection: gives a parser bytes in pieces, drops what is complete, and writes down
// what came out as values that can be compared.

import HTTPWire

/// A complete request, copied out of the bytes.
struct ParsedRequest: Equatable {
    var method: Method
    var target: String
    var fields: [String]
    var isHTTP10: Bool
    var persistence: Persistence
    var framing: BodyFraming
    var body: [UInt8]
    var byteCount: Int
}

/// What a connection's bytes came to.
struct Transcript: Equatable {
    var requests: [ParsedRequest] = []
    var end = End.awaiting(.head)

    enum End: Equatable {
        case awaiting(RequestPhase)
        case refused(RequestError)

        static func refused(_ error: MessageError) -> End { .refused(.message(error)) }
    }
}

/// How a connection's bytes are cut into pieces.
enum Cutting {
    case whole
    case everyByte
    case at([Int])

    func pieceEnds(byteCount: Int) -> [Int] {
        switch self {
        case .whole: [byteCount]
        case .everyByte: Array(1...max(1, byteCount))
        case .at(let cuts): cuts + [byteCount]
        }
    }
}

/// Feeds `bytes` to a new parser, piece by piece, until they end or are refused.
func transcript(
    of bytes: [UInt8], cut cutting: Cutting = .whole, limits: RequestLimits = RequestLimits()
) -> Transcript {
    var parser = RequestParser(limits: limits)
    var transcript = Transcript()
    var start = 0
    for end in cutting.pieceEnds(byteCount: bytes.count) where end <= bytes.count {
        var isMoving = true
        while isMoving {
            let received = bytes.span.extracting(start..<end)
            switch parser.parse(received) {
            case .needMore(let phase):
                precondition(received.count < limits.requestBytesMax, "a full buffer asks for more")
                transcript.end = .awaiting(phase)
                isMoving = false
            case .sendContinue:
                precondition(received.count < limits.requestBytesMax, "a full buffer asks for more")
            case .complete(let byteCount):
                let request = ParsedRequest(parser: parser, bytes: received, byteCount: byteCount)
                transcript.requests.append(request)
                start += byteCount
                transcript.end = .awaiting(.head)
                isMoving = start < end
            case .malformed(let error):
                transcript.end = .refused(error)
                precondition(parser.parse(received) == .malformed(error), "an error is not kept")
                return transcript
            }
        }
    }
    return transcript
}

extension ParsedRequest {
    init(parser: borrowing RequestParser, bytes: Span<UInt8>, byteCount: Int) {
        let head = parser.head
        self.init(
            method: head.method,
            target: bytes.text(head.target),
            fields: head.fields.map { "\(bytes.text($0.name)): \(bytes.text($0.value))" },
            isHTTP10: head.isHTTP10,
            persistence: head.persistence,
            framing: head.framing,
            body: parser.withBody(of: bytes) { $0.copied },
            byteCount: byteCount)
    }
}

extension Span<UInt8> {
    var copied: [UInt8] {
        var copy: [UInt8] = []
        for index in indices { copy.append(self[index]) }
        return copy
    }

    func text(_ range: Range<Int>) -> String {
        String(decoding: extracting(range).copied, as: UTF8.self)
    }
}
