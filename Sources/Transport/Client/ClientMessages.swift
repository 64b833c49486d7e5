// SPDX-License-Identifier: BSD-2-Clause
//
// What a client is asked to send, and what it hands back.

package import HTTPWire

/// A request to the client's origin.
package struct ClientRequest: Sendable {
    /// GET, HEAD or POST.
    package var method: Method
    /// Path and perhaps query, from the first `/` on.
    package var target: String
    /// What is to be said beside Host, User-Agent and what describes the body.
    package var fields: [RequestField]
    /// The media type of the body.
    package var contentType: StaticString?
    /// For POST.
    package var body: [UInt8]
    /// Instead of the client's own, for this request; `idle` is not looked at.
    package var timeouts: ClientTimeouts?

    /// A request of its parts.
    package init(
        _ method: Method, _ target: String, fields: [RequestField] = [],
        contentType: StaticString? = nil, body: [UInt8] = [], timeouts: ClientTimeouts? = nil
    ) {
        self.method = method
        self.target = target
        self.fields = fields
        self.contentType = contentType
        self.body = body
        self.timeouts = timeouts
    }
}

/// A complete answer, whatever its status.
package struct ClientResponse: Sendable {
    private let head: ResponseHead
    /// As received, for `head` to point into.
    private let bytes: [UInt8]
    /// The content; chunks are put together.
    package let body: [UInt8]

    init(_ head: ResponseHead, bytes: [UInt8], body: [UInt8]) {
        self.head = head
        self.bytes = bytes
        self.body = body
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
