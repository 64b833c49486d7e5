// SPDX-License-Identifier: BSD-2-Clause
//
// The sockets of a server's two endpoints, bound before anything else is touched: that another
// process has the port is the commonest reason for a start to fail.

import Logging
import Reactor
import Transport

/// The listeners of both endpoints.
struct ServerSockets {
    /// One list for each front, of all addresses of the endpoint.
    let external: [[Listener]]
    /// Those of the control reactor.
    let `internal`: [Listener]
    /// Descriptors that the process may have.
    let descriptorCount: Int

    /// Binds both endpoints, and raises the limit on descriptors as far as is allowed.
    init(_ server: ServerConfiguration, frontCount: Int) throws(ListenError) {
        descriptorCount = DescriptorLimit.raise()
        external = try Listener.bind(
            host: server.externalEndpoint.host, port: server.externalEndpoint.port,
            count: frontCount)
        `internal` = try Listener.bind(
            host: server.internalEndpoint.host, port: server.internalEndpoint.port, count: 1)[0]
    }

    /// Says in the log where the server listens.
    func describe(to logger: Logger) {
        for listener in external[0] { logger.info("external endpoint \(listener.address)") }
        for listener in `internal` { logger.info("internal endpoint \(listener.address)") }
    }

    /// How many connections there may be on each front, and internal ones. Clients must never get
    /// the last descriptor: a tree head is published through a file that has to be opened for it.
    var connectionLimits: (front: Int, internal: Int) {
        // The store, the state files, standard streams; and each reactor's own with its listeners.
        let ownCount = 64 + 8 * (external.count + 1)
        let count = max(0, descriptorCount - ownCount)
        return (
            front: max(8, min(8192, (count - count / 8) / external.count)),
            internal: max(8, min(1024, count / 8))
        )
    }
}
