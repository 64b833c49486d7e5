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
    /// The answer is in the body (section 15.3.1).
    package static let ok = Status(200, "HTTP/1.1 200 OK\r\n")
    /// Not done yet; ask again later (15.3.3).
    package static let accepted = Status(202, "HTTP/1.1 202 Accepted\r\n")

    /// Location has the new place, for ever (15.4.2).
    package static let movedPermanently = Status(301, "HTTP/1.1 301 Moved Permanently\r\n")

    /// The request makes no sense (15.5.1).
    package static let badRequest = Status(400, "HTTP/1.1 400 Bad Request\r\n")
    /// Understood, and refused (15.5.4).
    package static let forbidden = Status(403, "HTTP/1.1 403 Forbidden\r\n")
    /// There is nothing of that name (15.5.5).
    package static let notFound = Status(404, "HTTP/1.1 404 Not Found\r\n")
    /// Allow has the methods that there are (15.5.6).
    package static let methodNotAllowed = Status(405, "HTTP/1.1 405 Method Not Allowed\r\n")
    /// The request did not come to its end in time (15.5.9).
    package static let requestTimeout = Status(408, "HTTP/1.1 408 Request Timeout\r\n")
    /// The body is larger than anything asked here (15.5.14).
    package static let contentTooLarge = Status(413, "HTTP/1.1 413 Content Too Large\r\n")
    /// The target is longer than any that there is (15.5.15).
    package static let uriTooLong = Status(414, "HTTP/1.1 414 URI Too Long\r\n")
    /// An Expect that is not 100-continue (15.5.18).
    package static let expectationFailed = Status(417, "HTTP/1.1 417 Expectation Failed\r\n")
    /// Over a rate limit (RFC 6585 section 4).
    package static let tooManyRequests = Status(429, "HTTP/1.1 429 Too Many Requests\r\n")
    /// The head is too large, or has too many fields (RFC 6585 section 5).
    package static let fieldsTooLarge = Status(
        431, "HTTP/1.1 431 Request Header Fields Too Large\r\n")

    /// The fault is here (15.6.1).
    package static let internalServerError = Status(500, "HTTP/1.1 500 Internal Server Error\r\n")
    /// A transfer coding that is not known here (15.6.2).
    package static let notImplemented = Status(501, "HTTP/1.1 501 Not Implemented\r\n")
    /// Later it may work; Retry-After says when (15.6.4).
    package static let serviceUnavailable = Status(503, "HTTP/1.1 503 Service Unavailable\r\n")
    /// Not HTTP/1 (15.6.6).
    package static let versionNotSupported = Status(
        505, "HTTP/1.1 505 HTTP Version Not Supported\r\n")
}
