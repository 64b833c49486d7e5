// SPDX-License-Identifier: BSD-2-Clause
//
// What a client hands back: an answer that came whole. What a status means is its caller's to know.

import HTTPWire

/// A complete answer, whatever its status.
package struct ClientResponse: Sendable {
    private let head: ResponseHead
    /// As received, for `head` to point into.
    private let bytes: [UInt8]
    /// The content; chunks are put together.
    package let body: [UInt8]
    /// Whether it is the first on its connection. The client opens a new one without a word when the
    /// one from the request before was closed, so another server may have answered then.
    package let isFirstOnConnection: Bool

    init(_ head: ResponseHead, bytes: [UInt8], body: [UInt8], isFirstOnConnection: Bool) {
        self.head = head
        self.bytes = bytes
        self.body = body
        self.isFirstOnConnection = isFirstOnConnection
    }

    /// Three digits, 200 or more.
    package var statusCode: Int { head.statusCode }

    /// The Content-Type field, as it was written.
    package var contentType: String? { value(of: "content-type") }

    /// The value of the first field called `name`, which is given in lower case. Bytes that are not
    /// UTF-8 are replaced.
    package func value(of name: StaticString) -> String? {
        head.value(of: name, in: bytes.span).map { String(decoding: bytes[$0], as: UTF8.self) }
    }
}
