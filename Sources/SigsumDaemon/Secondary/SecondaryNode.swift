// SPDX-License-Identifier: BSD-2-Clause
//
// A running secondary, put together as a primary is: what may be refused without a trace first, then
// the store, then threads, then READY, which does not mean that it has caught up.
//
// Beside the threads of every node (ServerNode) there are
//
//     writer           the store's write transaction
//     signer           its own tree heads

import HTTPWire
import LogCrypto
import LogService
import Logging
import MerkleLog
import Reactor
import SigsumFormats
import SystemPackage
import TileStore
import Transport

/// Runs the secondary until it is told to stop.
func runSecondary(_ configuration: SecondaryConfiguration) throws {
    let server = configuration.server
    SignalSource.claimSignals()
    let key = try LoadedSigner.load(keyFile: server.keyFile, timeout: server.timeout)
    let tls = try configuration.primaryURL.origin.isSecure ? TLSClientContext() : nil
    // Nobody is answered anything but 404 there, so one thread is enough.
    let sockets = try ServerSockets(server, frontCount: 1)
    let logDestination = try startLogging(server)
    let logger = Logger(label: "secondary")
    if let warning = key.warning { logger.warning("\(warning)") }
    let start = try SecondaryStart(
        backend: server.storeBackend, release: Version.line, report: { logger.info("\($0)") })
    logger.info("\(Version.line), key hash \(key.signer.publicKey.keyHash)")
    logger.info("store \(start.store.folder), \(start.treeHead.size) leaves")
    logger.info("primary \(configuration.primaryURL)")
    sockets.describe(to: logger)
    let node = try SecondaryNode(
        configuration, start: start, signer: key.signer, tls: tls, on: sockets)
    try node.run(reopeningLog: logDestination)
    logger.info("stopped")
}

/// The parts of a secondary. Made, run and ended on the main thread.
private final class SecondaryNode: RoleWork {
    private let server: ServerNode
    private let internalFront: InternalFront
    private let replication: SecondaryControl
    private let writerThread: ThreadExecutor
    private let signerThread: ThreadExecutor

    init(
        _ configuration: SecondaryConfiguration, start: SecondaryStart,
        signer: any TreeHeadSigner, tls: TLSClientContext?, on sockets: ServerSockets
    ) throws {
        let server = try ServerNode(frontCount: 1, logger: Logger(label: "secondary"))
        let metrics = ReplicaMetrics(
            requestMetricsCount: 2, connections: server.connectionCounts)
        writerThread = try ThreadExecutor(name: "writer")
        signerThread = try ThreadExecutor(name: "signer")

        let prefix = configuration.server.urlPrefix.pathPrefix
        let internalFront = InternalFront(
            on: server.control,
            answers: try InternalAnswers(
                routes: .secondaryInternal(prefix: prefix), store: start.store,
                leafCountMax: InternalAnswers.usualLeafCountMax,
                metrics: { metrics.render(version: Version.number) }),
            signer: try SecondaryHeadSigner(
                start.store, signer: signer, executor: signerThread),
            requestMetrics: metrics.server.requests[0])
        let externalFront = InternalFront(
            on: server.fronts[0],
            answers: try InternalAnswers(
                routes: .nothing, store: start.store, leafCountMax: 1, metrics: { [] }),
            signer: nil, requestMetrics: metrics.server.requests[1])
        replication = SecondaryControl(
            on: server.control,
            Replicator(
                Replicator.Settings(
                    interval: configuration.server.interval,
                    timeout: configuration.server.timeout, laneCount: PrimaryClient.laneCount),
                size: start.treeHead.size, lastLeaf: start.lastLeaf, now: MonotonicInstant.now()),
            writer: try ReplicaWriter(
                start.store, executor: writerThread, metrics: metrics.server),
            client: PrimaryClient(
                on: server.control, configuration.primaryURL, tls: tls,
                timeout: configuration.server.timeout, metrics: metrics),
            primaryURL: configuration.primaryURL, metrics: metrics,
            announce: { internalFront.committed($0) })

        self.server = server
        self.internalFront = internalFront
        try server.listen(on: sockets, external: [externalFront], internal: internalFront)
        start.store.releasePages()
    }

    /// Serves until a signal says to stop, and returns when everything has ended.
    func run(reopeningLog logDestination: LogDestination) throws {
        try server.run(self, reopeningLog: logDestination)
        writerThread.stop()
        signerThread.stop()
    }

    func start() { replication.start() }

    func stop() { replication.stop() }

    func releaseAll() { internalFront.releaseAll() }

    func reload() {}
}
