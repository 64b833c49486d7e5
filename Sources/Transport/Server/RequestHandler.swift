// SPDX-License-Identifier: BSD-2-Clause
//
// The contract between the server and whoever knows what requests mean.

package import HTTPWire

/// How a request was dealt with.
package enum Handling: Sendable {
    /// A whole response was written.
    case answered
    /// Nothing was written; the ticket that was drawn will bring the response.
    case deferred
}

/// Answers requests, on the thread of the server's reactor.
///
/// The requests of a connection come one at a time, in order: the next one when the response to the
/// one before was written. The server keeps its handler alive. One handler may serve the servers of
/// several reactors if it is safe to be called from their threads.
package protocol RequestHandler: AnyObject {
    /// Answers one request, or draws a ticket to answer it with later.
    ///
    /// - Parameters:
    ///   - head: ranges into `bytes`.
    ///   - bytes: the request as received.
    ///   - body: its content; chunked bodies are decoded.
    ///   - response: where the response goes, begun and ended within this call. Setting its
    ///     framing's persistence to `.close` before ends the connection after it.
    ///   - ticket: draws the ticket of this request, the same at each call. The handler must return
    ///     `.deferred` if it will use the ticket, and `.answered` if not.
    func handle(
        _ head: RequestHead, bytes: Span<UInt8>, body: Span<UInt8>,
        response: inout ResponseWriter, ticket: () -> ResponseTicket
    ) -> Handling
}
