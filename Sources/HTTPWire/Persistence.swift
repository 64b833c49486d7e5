// SPDX-License-Identifier: BSD-2-Clause
//
// What becomes of the connection after a response (RFC 9112 section 9.3), and how request and
// response say so.

/// Whether a connection goes on after a response, and which Connection field says it: the one that
/// the server is to send, or that a client has received.
package enum Persistence: Sendable, Hashable {
    /// HTTP/1.1, goes on: nothing needs to be said.
    case implied
    /// HTTP/1.0, goes on because both sides want it: `Connection: keep-alive`.
    case keepAlive
    /// Ends after this response: `Connection: close`, or HTTP/1.0, or a body that ends with it.
    case close
}

/// What a response must know of its request. It is small, and kept where an answer is deferred.
package struct ResponseFraming: Sendable, Hashable {
    /// The request was HEAD: the fields are those of GET, the body is not sent.
    package var omitsBody: Bool
    /// What the Connection field of the response says.
    package var persistence: Persistence
    /// The seconds that the request may be held for, of those that it asked to; the response says
    /// so: `Preference-Applied: wait=<seconds>` (RFC 7240 section 3). nil: nothing is said.
    package var grantedWait: UInt32?

    /// A framing of these two; no wait is granted.
    package init(omitsBody: Bool, persistence: Persistence) {
        self.omitsBody = omitsBody
        self.persistence = persistence
    }

    /// For the response to a complete request.
    package init(answering head: RequestHead) {
        self.init(omitsBody: head.method == .head, persistence: head.persistence)
    }

    /// For a response after which the connection is closed: to a malformed request, or to none.
    package static let closing = ResponseFraming(omitsBody: false, persistence: .close)
}
