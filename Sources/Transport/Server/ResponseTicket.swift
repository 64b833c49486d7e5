// SPDX-License-Identifier: BSD-2-Clause
//
// The right to answer one request later, from anywhere.

package import HTTPWire
import Reactor

/// Stands for a request whose response was deferred. It keeps neither the connection nor the
/// request alive.
package struct ResponseTicket: Sendable, Hashable {
    private let reactor: Reactor
    private let registration: Registration
    /// Which of the connection's requests is meant.
    private let sequence: UInt64

    init(reactor: Reactor, registration: Registration, sequence: UInt64) {
        self.reactor = reactor
        self.registration = registration
        self.sequence = sequence
    }

    /// Has the response written by `render` on the connection's reactor, and sent. From any thread.
    ///
    /// Only the first completion of a ticket counts. If the connection is gone, or its server has
    /// stopped, nothing happens and `render` is not called.
    package func complete(_ render: @escaping @Sendable (inout ResponseWriter) -> Void) {
        reactor.post { completeNow(render) }
    }

    /// Completes several tickets with the same response, as `complete(_:)` would each: with one job
    /// for each reactor, which is woken once.
    package static func complete(
        _ tickets: [ResponseTicket], _ render: @escaping @Sendable (inout ResponseWriter) -> Void
    ) {
        let groups = Dictionary(grouping: tickets) { ObjectIdentifier($0.reactor) }
        for group in groups.values {
            guard let reactor = group.first?.reactor else { continue }
            reactor.post {
                for ticket in group { ticket.completeNow(render) }
            }
        }
    }

    /// On the reactor's thread.
    private func completeNow(_ render: (inout ResponseWriter) -> Void) {
        let connection = reactor.handler(of: registration) as? HTTPConnection
        connection?.complete(sequence, render)
    }

    /// Answers with a plain text line.
    package func complete(_ status: Status, _ reason: String) {
        complete { $0.text(status, reason) }
    }

    package static func == (left: ResponseTicket, right: ResponseTicket) -> Bool {
        left.reactor === right.reactor && left.registration == right.registration
            && left.sequence == right.sequence
    }

    package func hash(into hasher: inout Hasher) {
        hasher.combine(registration)
        hasher.combine(sequence)
    }
}
