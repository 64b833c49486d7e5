// SPDX-License-Identifier: BSD-2-Clause
//
// The status codes that this server answers with, each with its reason phrase. All of them may carry
// a body: 1xx, 204 and 304, which may not, are left out on purpose, so that every response has a
// Content-Length.

/// A response status (RFC 9110 section 15).
package struct Status: Sendable, Hashable {
    /// The three-digit code.
    package let code: UInt16
    /// The reason phrase of the status line (RFC 9112 section 4).
    package let phrase: StaticString

    private init(_ code: UInt16, _ phrase: StaticString) {
        self.code = code
        self.phrase = phrase
    }

    package static func == (left: Status, right: Status) -> Bool {
        left.code == right.code
    }

    package func hash(into hasher: inout Hasher) {
        hasher.combine(code)
    }
}

extension Status {
    package static let ok = Status(200, "OK")
    package static let accepted = Status(202, "Accepted")

    package static let movedPermanently = Status(301, "Moved Permanently")
    package static let found = Status(302, "Found")
    package static let temporaryRedirect = Status(307, "Temporary Redirect")
    package static let permanentRedirect = Status(308, "Permanent Redirect")

    package static let badRequest = Status(400, "Bad Request")
    package static let forbidden = Status(403, "Forbidden")
    package static let notFound = Status(404, "Not Found")
    package static let methodNotAllowed = Status(405, "Method Not Allowed")
    package static let requestTimeout = Status(408, "Request Timeout")
    package static let contentTooLarge = Status(413, "Content Too Large")
    package static let uriTooLong = Status(414, "URI Too Long")
    package static let expectationFailed = Status(417, "Expectation Failed")
    package static let tooManyRequests = Status(429, "Too Many Requests")
    package static let fieldsTooLarge = Status(431, "Request Header Fields Too Large")

    package static let internalServerError = Status(500, "Internal Server Error")
    package static let notImplemented = Status(501, "Not Implemented")
    package static let serviceUnavailable = Status(503, "Service Unavailable")
    package static let versionNotSupported = Status(505, "HTTP Version Not Supported")
}
