// SPDX-License-Identifier: BSD-2-Clause
//
// What a client is asked to send. What every request of it has, Host and User-Agent, it adds itself.

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
