// SPDX-License-Identifier: BSD-2-Clause
//
// Why a request is refused before any route has seen it. After each of these the two sides may
// disagree about where the next request begins, so the connection is closed after the answer.

/// A request that cannot be understood, or is larger than this server takes.
package enum RequestError: Error, Sendable, Hashable {
    /// What a response could get wrong as well.
    case message(MessageError)

    // The request line.
    case emptyLinesTooMany
    case requestLineMalformed
    case targetMalformed
    case targetTooLong

    // What the fields say.
    case hostMissing
    case hostRepeated
    case hostMalformed
    case expectationUnknown
}

extension RequestError {
    /// The status to answer with.
    package var status: Status {
        switch self {
        case .targetTooLong: .uriTooLong
        case .expectationUnknown: .expectationFailed
        case .message(.versionNotSupported): .versionNotSupported
        case .message(.fieldsTooMany), .message(.headTooLarge): .fieldsTooLarge
        case .message(.transferEncodingUnknown): .notImplemented
        case .message(.bodyTooLarge): .contentTooLarge
        default: .badRequest
        }
    }

    /// What was wrong, on one line, without its line end: the body of the answer.
    package var reason: StaticString {
        switch self {
        case .message(let error): error.reason
        case .emptyLinesTooMany: "too many empty lines before the request line"
        case .requestLineMalformed: "malformed request line"
        case .targetMalformed: "malformed request target"
        case .targetTooLong: "request line too long"
        case .hostMissing: "no Host field"
        case .hostRepeated: "more than one Host field"
        case .hostMalformed: "malformed Host field"
        case .expectationUnknown: "expectation other than 100-continue"
        }
    }
}
