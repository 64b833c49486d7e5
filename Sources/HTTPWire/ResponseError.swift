// SPDX-License-Identifier: BSD-2-Clause
//
// Why a response is not believed. After each of these nobody can tell where the next response would
// begin, so the connection is closed.

/// A response that cannot be understood, is larger than its reader takes, or did not come whole.
package enum ResponseError: Error, Sendable, Hashable {
    /// What a request could get wrong as well.
    case message(MessageError)

    case statusLineMalformed
    /// More interim responses (1xx) than anybody needs.
    case interimTooMany
    /// 101 (Switching Protocols), which no request here asks for.
    case protocolSwitched
    /// The peer ended the connection before the response was complete.
    case truncated
}

extension ResponseError {
    /// What was wrong, on one line, without its line end.
    package var reason: StaticString {
        switch self {
        case .message(let error): error.reason
        case .statusLineMalformed: "malformed status line"
        case .interimTooMany: "too many interim responses"
        case .protocolSwitched: "switch of protocols that nobody asked for"
        case .truncated: "connection closed before the end of the response"
        }
    }
}
