// SPDX-License-Identifier: BSD-2-Clause
//
// What can be wrong with a message of either direction: how its lines are made, what its fields say
// of the framing, and how its body keeps to that. What only a request or only a response can get
// wrong is in RequestError and ResponseError, each of which has these as one case.

/// A message that cannot be understood, or is larger than its reader takes.
package enum MessageError: Error, Sendable, Hashable, CaseIterable {
    // How lines are made.
    case controlByte
    case bareCarriageReturn
    case bareLineFeed

    // The version, on either first line.
    case versionMalformed
    case versionNotSupported

    // Field lines.
    case fieldNameMalformed
    case lineFolded
    case fieldsTooMany
    case headTooLarge

    // What the fields say.
    case lengthMalformed
    case lengthRepeated
    case lengthAndTransferEncoding
    case transferEncodingMalformed
    case transferEncodingRepeated
    case transferEncodingUnknown
    case transferEncodingInHTTP10

    // The body.
    case bodyTooLarge
    case chunkSizeMalformed
    case chunkEndMissing
    case chunkFramingTooLarge
}

extension MessageError {
    /// What was wrong, on one line, without its line end.
    package var reason: StaticString {
        switch self {
        case .controlByte: "control byte in the head or chunk framing"
        case .bareCarriageReturn: "carriage return without line feed"
        case .bareLineFeed: "line feed without carriage return"
        case .versionMalformed: "malformed HTTP version"
        case .versionNotSupported: "HTTP version not supported, use HTTP/1.1"
        case .fieldNameMalformed: "malformed field name"
        case .lineFolded: "folded field line"
        case .fieldsTooMany: "too many fields"
        case .headTooLarge: "head too large"
        case .lengthMalformed: "malformed Content-Length"
        case .lengthRepeated: "more than one Content-Length"
        case .lengthAndTransferEncoding: "both Content-Length and Transfer-Encoding"
        case .transferEncodingMalformed: "malformed Transfer-Encoding"
        case .transferEncodingRepeated: "more than one Transfer-Encoding"
        case .transferEncodingUnknown: "transfer coding other than chunked"
        case .transferEncodingInHTTP10: "Transfer-Encoding in HTTP/1.0"
        case .bodyTooLarge: "body too large"
        case .chunkSizeMalformed: "malformed chunk size"
        case .chunkEndMissing: "chunk longer than its size"
        case .chunkFramingTooLarge: "too much chunk framing"
        }
    }
}
