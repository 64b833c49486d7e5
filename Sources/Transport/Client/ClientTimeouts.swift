// SPDX-License-Identifier: BSD-2-Clause
//
// How long a client waits for whom.

/// Bounds of one client's waiting.
package struct ClientTimeouts: Hashable, Sendable {
    /// From the attempt to connect to one address until the connection is there. After it the next
    /// address is tried.
    package var connect: Duration
    /// From sending a request's first byte to the end of its answer.
    package var request: Duration
    /// From `send` to the end of the answer: the name's resolution, all addresses, TLS, request.
    package var overall: Duration
    /// How long a connection is kept that no request uses.
    package var idle: Duration

    /// Timeouts of their parts.
    package init(
        connect: Duration = .seconds(5), request: Duration = .seconds(10),
        overall: Duration = .seconds(10), idle: Duration = .seconds(60)
    ) {
        self.connect = connect
        self.request = request
        self.overall = overall
        self.idle = idle
    }
}
