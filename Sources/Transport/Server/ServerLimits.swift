// SPDX-License-Identifier: BSD-2-Clause
//
// What a server spends on its peers at most.

package import HTTPWire

/// Bounds of one server, that is of one reactor's share of an endpoint.
package struct ServerLimits: Sendable {
    /// Open connections. Past it a new connection gets 503 and is closed.
    package var connectionsMax: Int
    /// From the acceptance of a connection, or a later request's first byte, to the end of the
    /// request's head.
    package var headTimeout: Duration
    /// From the end of the head to the end of the body.
    package var bodyTimeout: Duration
    /// From a response to the next request's first byte.
    package var idleTimeout: Duration
    /// How long the peer may take no byte of a response that waits for it.
    package var writeTimeout: Duration
    /// How long, and for how many bytes, a peer that was refused may go on sending before the
    /// connection is cut off. Cut off at once it could lose the response.
    package var lingerTimeout: Duration
    /// See `lingerTimeout`.
    package var lingerBytesMax: Int
    /// Size of requests.
    package var request: RequestLimits
    /// Bytes of output at which a connection sends before it handles further pipelined requests. It
    /// holds at most this and one response.
    package var outputBytesMax: Int

    /// The defaults are those of a public log.
    package init(
        connectionsMax: Int = 8_192, headTimeout: Duration = .seconds(10),
        bodyTimeout: Duration = .seconds(10), idleTimeout: Duration = .seconds(75),
        writeTimeout: Duration = .seconds(30), lingerTimeout: Duration = .seconds(2),
        lingerBytesMax: Int = 1 << 18, request: RequestLimits = RequestLimits(),
        outputBytesMax: Int = 1 << 16
    ) {
        self.connectionsMax = connectionsMax
        self.headTimeout = headTimeout
        self.bodyTimeout = bodyTimeout
        self.idleTimeout = idleTimeout
        self.writeTimeout = writeTimeout
        self.lingerTimeout = lingerTimeout
        self.lingerBytesMax = lingerBytesMax
        self.request = request
        self.outputBytesMax = outputBytesMax
    }
}
