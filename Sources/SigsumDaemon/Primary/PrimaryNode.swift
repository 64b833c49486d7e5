// SPDX-License-Identifier: BSD-2-Clause
//
// A running primary, put together in the order that keeps a failed start harmless: first what may
// be refused without a trace (key files, ports), then the store, then threads, then READY.
//
// Beside the threads of every node (ServerNode) there are
//
//     verify-N         leaf signatures
//     writer           the store's write transaction
//     signer           reading back, signing, the sth file
//     tokens           submit tokens, and reading the rate limits again
//     txt-resolver     TXT records, for as long as any are looked up

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

/// Runs the primary until it is told to stop.
func runPrimary(_ configuration: PrimaryConfiguration) throws {
    let server = configuration.server
    SignalSource.claimSignals()
    let key = try LoadedSigner.load(keyFile: server.keyFile, timeout: server.timeout)
    let policy = try WitnessPolicy(configuration.policyFile)
    let secondaries = try SecondaryEndpoints(configuration, logKey: key.signer.publicKey)
    let tls = try policy.needsTLS || secondaries.needsTLS ? TLSClientContext() : nil
    let sockets = try ServerSockets(
        server, frontCount: server.threads > 0 ? server.threads : Processors.count)
    let logDestination = try startLogging(server)
    let logger = Logger(label: "primary")
    if let warning = key.warning { logger.warning("\(warning)") }
    let source = RateLimitSource(configuration)
    let limits = try source?.load()
    let start = try PrimaryStart(
        backend: server.storeBackend,
        signedTreeHeadPath: configuration.signedTreeHeadFile.string, signer: key.signer,
        release: Version.line, report: { logger.info("\($0)") })
    logger.info("\(Version.line), log key hash \(key.signer.publicKey.keyHash)")
    logger.info(
        "store \(start.store.folder), last signed tree of \(start.lastSigned.treeHead.size) leaves")
    secondaries.describe(to: logger)
    sockets.describe(to: logger)
    let rateLimiting = try RateLimiting(
        source, limits, store: start.store, logKey: key.signer.publicKey, timeout: server.timeout)
    if let source { logger.info("rate limits: \(source.file)") }
    let node = try PrimaryNode(
        configuration, start: start, signer: key.signer,
        peers: Peers(policy: policy, secondaries: secondaries, tls: tls),
        rateLimiting: rateLimiting, on: sockets)
    try node.run(reopeningLog: logDestination)
    logger.info("stopped")
}

/// The other machines that a primary talks to.
private struct Peers {
    let policy: WitnessPolicy
    let secondaries: SecondaryEndpoints
    /// There if any of them has an https URL.
    let tls: TLSClientContext?
}

/// The threads that leaves and tree heads pass through, with what runs on them.
private struct Workers {
    private let verifiers: [ThreadExecutor]
    private let writerThread: ThreadExecutor
    private let signerThread: ThreadExecutor
    let writer: LeafWriter
    let intake: LeafIntake
    let signing: TreeHeadSigning
    let replicated: ReplicatedSize
    /// What a commit leads to, which is made after what commits.
    let onCommit: Late<@Sendable (TreeSize, [CommittedWaiter]) -> Void>

    init(
        _ start: PrimaryStart, signer: any TreeHeadSigner, peers: Peers, gate: LeafGate,
        metrics: LogMetrics
    ) throws {
        writerThread = try ThreadExecutor(name: "writer")
        signerThread = try ThreadExecutor(name: "signer")
        verifiers = try (1...Processors.count).map { try ThreadExecutor(name: "verify-\($0)") }
        let onCommit = Late<@Sendable (TreeSize, [CommittedWaiter]) -> Void>()
        self.onCommit = onCommit
        writer = try LeafWriter(
            start.store, executor: writerThread, gate: gate, metrics: metrics.server
        ) {
            onCommit.value?($0, $1)
        }
        replicated = ReplicatedSize(
            peers.secondaries.all.isEmpty ? nil : start.lastSigned.treeHead.size)
        intake = LeafIntake(
            verifiers: verifiers, writer: writer, replicated: replicated, metrics: metrics,
            isPublished: start.isPublished(for: peers.policy))
        signing = try TreeHeadSigning(start, signer: signer, executor: signerThread)
    }

    /// Finishes what is queued, and ends the threads.
    func stop() {
        for verifier in verifiers { verifier.stop() }
        writerThread.stop()
        signerThread.stop()
    }
}

/// The parts of a primary. Made, run and ended on the main thread.
private final class PrimaryNode: RoleWork {
    private let server: ServerNode
    private let workers: Workers
    private let rateLimiting: RateLimiting
    private let fronts: [PrimaryFront]
    private let internalFront: InternalFront
    private let publishing: PrimaryControl
    private let replication: ReplicationControl

    init(
        _ configuration: PrimaryConfiguration, start: PrimaryStart, signer: any TreeHeadSigner,
        peers: Peers, rateLimiting: RateLimiting, on sockets: ServerSockets
    ) throws {
        let frontCount = sockets.external.count
        let server = try ServerNode(frontCount: frontCount, logger: Logger(label: "primary"))
        let metrics = LogMetrics(
            requestMetricsCount: frontCount + 1,
            secondaryNames: peers.secondaries.all.map { "\($0.url)" },
            policy: PolicyMetrics(witnessNames: peers.policy.endpoints.map(\.witness.name)),
            rateLimits: rateLimiting.metrics, connections: server.connectionCounts)
        let workers = try Workers(
            start, signer: signer, peers: peers, gate: rateLimiting.gate, metrics: metrics)
        let board = PublicationBoard(start.shown(for: peers.policy).map(Publication.init))
        let prefix = configuration.server.urlPrefix.pathPrefix
        let infoPage = InfoPage(of: signer.publicKey, prefix: prefix).render()
        let fronts = try server.fronts.indices.map { index in
            PrimaryFront(
                on: server.fronts[index],
                answers: try PrimaryAnswers(
                    routes: .external(prefix: prefix), board: board, store: start.store,
                    leafCountMax: configuration.maxRange, infoPage: infoPage),
                intake: workers.intake, gate: rateLimiting.gate,
                requestMetrics: metrics.server.requests[index], metrics: metrics,
                addLeafWait: configuration.addLeafWait)
        }
        let internalFront = InternalFront(
            on: server.control,
            answers: try InternalAnswers(
                routes: .primaryInternal(prefix: prefix), store: start.store,
                leafCountMax: max(configuration.maxRange, InternalAnswers.usualLeafCountMax),
                metrics: { metrics.render(version: Version.number) }),
            signer: nil, requestMetrics: metrics.server.requests[frontCount])
        let publisher = Publisher(configuration, peers.policy, start)
        peers.policy.describe(
            heartbeatInterval: publisher.heartbeatInterval,
            interval: configuration.server.interval, to: Logger(label: "primary"))
        let publishing = try PrimaryControl(
            on: server.control,
            PrimaryControl.Parts(
                store: start.store, writer: workers.writer, signing: workers.signing,
                intake: workers.intake, replicated: workers.replicated, board: board,
                metrics: metrics, logKey: signer.publicKey, policy: peers.policy, tls: peers.tls,
                timeout: configuration.server.timeout,
                announce: { for front in fronts { front.published() } }),
            publisher: publisher)
        let replication = try ReplicationControl(
            on: server.control,
            ReplicationControl.Parts(
                store: start.store, intake: workers.intake, replicated: workers.replicated,
                metrics: metrics, secondaries: peers.secondaries, tls: peers.tls,
                timeout: configuration.server.timeout,
                announce: { publishing.replicated($0) }),
            replication: Replication(configuration, peers.secondaries, start))
        workers.onCommit.set { size, waiting in
            // Secondaries first: the sooner they ask, the sooner those who wait are answered.
            internalFront.committed(size)
            replication.committed(size, waiting)
        }
        self.server = server
        self.workers = workers
        self.rateLimiting = rateLimiting
        self.fronts = fronts
        self.internalFront = internalFront
        self.publishing = publishing
        self.replication = replication
        try server.listen(on: sockets, external: fronts, internal: internalFront)
        // What the start and the writer looked at: a root of each of the newest slabs above all.
        start.store.releasePages()
    }

    /// Serves until a signal says to stop, and returns when everything has ended.
    func run(reopeningLog logDestination: LogDestination) throws {
        try server.run(self, reopeningLog: logDestination)
        rateLimiting.stop()
        workers.stop()
    }

    func start() {
        replication.start()
        publishing.start()
    }

    func stop() {
        publishing.stop()
        replication.stop()
        rateLimiting.endLookUps()
    }

    func releaseAll() {
        for front in fronts { front.releaseAll() }
        internalFront.releaseAll()
    }

    func reload() { rateLimiting.reload() }
}

extension PrimaryStart {
    /// What may be shown at once: without a quorum to wait for, what is signed and on disk.
    fileprivate func shown(for policy: WitnessPolicy) -> PublishedTree? {
        policy.quorum.isNone ? signed : published
    }

    /// A tree that nobody has seen yet must meet its quorum before leaves are added to it.
    fileprivate func isPublished(for policy: WitnessPolicy) -> Bool {
        policy.quorum.isNone || published != nil && startup == nil
    }
}

extension InfoPage {
    /// The page of the log with this key.
    fileprivate init(of publicKey: PublicKey, prefix: String) {
        self.init(publicKey: publicKey, prefix: prefix, version: Version.line)
    }
}

extension Publisher<MonotonicInstant> {
    /// A publisher that goes on from `start`.
    fileprivate init(
        _ configuration: PrimaryConfiguration, _ policy: WitnessPolicy, _ start: PrimaryStart
    ) {
        self.init(
            Settings(
                quorum: policy.quorum, interval: configuration.server.interval,
                minInterval: configuration.minInterval,
                requestsPerDay: configuration.witnessRequestsPerDay),
            witnesses: policy.endpoints.map(\.witness), records: start.witnesses,
            signed: start.signed, published: start.published,
            // What secondaries hold beyond that, they have yet to say.
            replicatedSize: configuration.secondaries.isEmpty
                ? start.committedSize : start.lastSigned.treeHead.size,
            now: MonotonicInstant.now(), unixMilliseconds: UnixTime.milliseconds())
    }
}

extension Replication<MonotonicInstant> {
    /// Begins with what was signed when the process before ended.
    fileprivate init(
        _ configuration: PrimaryConfiguration, _ secondaries: SecondaryEndpoints,
        _ start: PrimaryStart
    ) {
        let server = configuration.server
        self.init(
            Settings(
                quorum: secondaries.quorum, interval: server.interval,
                // A secondary that is polled, and polls, may take as long as this.
                patience: server.timeout + server.interval * 2),
            secondaryCount: secondaries.all.count, committedSize: start.committedSize,
            signedSize: start.lastSigned.treeHead.size, now: .now())
    }
}
