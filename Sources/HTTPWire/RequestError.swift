// SPDX-License-Identifier: BSD-2-Clause
//
// Why a request is refused before any route has seen it. After each of these the two sides may
// disagree about where the next request begins, so the connection is closed after the answer.

/// A request that cannot be understood, or is larger than this server takes.
package enum RequestError: Error, Sendable, Hashable, CaseIterable {
    // How lines are made.
    case controlByte
    case bareCarriageReturn
    case bareLineFeed
    case emptyLinesTooMany

    // The request line.
    case requestLineMalformed
    case targetMalformed
    case targetTooLong
    case versionMalformed
    case versionNotSupported

    // Field lines.
    case fieldNameMalformed
    case lineFolded
    case fieldsTooMany
    case headTooLarge

    // What the fields say.
    case hostMissing
    case hostRepeated
    case hostMalformed
    case lengthMalformed
    case lengthRepeated
    case lengthAndTransferEncoding
    case transferEncodingMalformed
    case transferEncodingRepeated
    case transferEncodingUnknown
    case transferEncodingInHTTP10
    case expectationUnknown

    // The body.
    case bodyTooLarge
    case chunkSizeMalformed
    case chunkEndMissing
    case chunkFramingTooLarge
}

extension RequestError {
    /// The status to answer with.
    package var status: Status {
        switch self {
        case .targetTooLong: .uriTooLong
        case .versionNotSupported: .versionNotSupported
        case .fieldsTooMany, .headTooLarge: .fieldsTooLarge
        case .transferEncodingUnknown: .notImplemented
        case .expectationUnknown: .expectationFailed
        case .bodyTooLarge: .contentTooLarge
        default: .badRequest
        }
    }

    /// What was wrong, on one line, without its line end: the body of the answer.
    package var reason: StaticString {
        switch self {
        case .controlByte: "control byte in the request head or chunk framing"
        case .bareCarriageReturn: "carriage return without line feed"
        case .bareLineFeed: "line feed without carriage return"
        case .emptyLinesTooMany: "too many empty lines before the request line"
        case .requestLineMalformed: "malformed request line"
        case .targetMalformed: "malformed request target"
        case .targetTooLong: "request line too long"
        case .versionMalformed: "malformed HTTP version"
        case .versionNotSupported: "HTTP version not supported, use HTTP/1.1"
        case .fieldNameMalformed: "malformed field name"
        case .lineFolded: "folded field line"
        case .fieldsTooMany: "too many fields"
        case .headTooLarge: "request head too large"
        case .hostMissing: "no Host field"
        case .hostRepeated: "more than one Host field"
        case .hostMalformed: "malformed Host field"
        case .lengthMalformed: "malformed Content-Length"
        case .lengthRepeated: "more than one Content-Length"
        case .lengthAndTransferEncoding: "both Content-Length and Transfer-Encoding"
        case .transferEncodingMalformed: "malformed Transfer-Encoding"
        case .transferEncodingRepeated: "more than one Transfer-Encoding"
        case .transferEncodingUnknown: "transfer coding not implemented, use chunked"
        case .transferEncodingInHTTP10: "Transfer-Encoding in an HTTP/1.0 request"
        case .expectationUnknown: "expectation other than 100-continue"
        case .bodyTooLarge: "request body too large"
        case .chunkSizeMalformed: "malformed chunk size"
        case .chunkEndMissing: "chunk longer than its size"
        case .chunkFramingTooLarge: "too much chunk framing"
        }
    }
}
