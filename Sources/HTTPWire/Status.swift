// SPDX-License-Identifier: BSD-2-Clause
//
// The status codes that this server answers with, each with its status line ready to be copied. All
// of them may carry a body: 1xx, 204 and 304, which may not, are left out on purpose, so that every
// response has a Content-Length.

/// A response status (RFC 9110 section 15).
package struct Status: Sendable, Hashable {
    /// The three-digit code.
    package let code: UInt16
    /// The whole status line, CR LF included (RFC 9112 section 4). The version is the server's own,
    /// also towards HTTP/1.0 (RFC 9110 section 6.2).
    let line: StaticString

    private init(_ code: UInt16, _ line: StaticString) {
        self.code = code
        self.line = line
    }

    package static func == (left: Status, right: Status) -> Bool {
        left.code == right.code
    }

    package func hash(into hasher: inout Hasher) {
        hasher.combine(code)
    }
}

extension Status {
    package static let ok = Status(200, "HTTP/1.1 200 OK\r\n")
    package static let accepted = Status(202, "HTTP/1.1 202 Accepted\r\n")

    package static let movedPermanently = Status(301, "HTTP/1.1 301 Moved Permanently\r\n")
    package static let found = Status(302, "HTTP/1.1 302 Found\r\n")
    package static let temporaryRedirect = Status(307, "HTTP/1.1 307 Temporary Redirect\r\n")
    package static let permanentRedirect = Status(308, "HTTP/1.1 308 Permanent Redirect\r\n")

    package static let badRequest = Status(400, "HTTP/1.1 400 Bad Request\r\n")
    package static let forbidden = Status(403, "HTTP/1.1 403 Forbidden\r\n")
    package static let notFound = Status(404, "HTTP/1.1 404 Not Found\r\n")
    package static let methodNotAllowed = Status(405, "HTTP/1.1 405 Method Not Allowed\r\n")
    package static let requestTimeout = Status(408, "HTTP/1.1 408 Request Timeout\r\n")
    package static let contentTooLarge = Status(413, "HTTP/1.1 413 Content Too Large\r\n")
    package static let uriTooLong = Status(414, "HTTP/1.1 414 URI Too Long\r\n")
    package static let expectationFailed = Status(417, "HTTP/1.1 417 Expectation Failed\r\n")
    package static let tooManyRequests = Status(429, "HTTP/1.1 429 Too Many Requests\r\n")
    package static let fieldsTooLarge = Status(
        431, "HTTP/1.1 431 Request Header Fields Too Large\r\n")

    package static let internalServerError = Status(500, "HTTP/1.1 500 Internal Server Error\r\n")
    package static let notImplemented = Status(501, "HTTP/1.1 501 Not Implemented\r\n")
    package static let serviceUnavailable = Status(503, "HTTP/1.1 503 Service Unavailable\r\n")
    package static let versionNotSupported = Status(
        505, "HTTP/1.1 505 HTTP Version Not Supported\r\n")
}
