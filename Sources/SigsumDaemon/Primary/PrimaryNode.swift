// SPDX-License-Identifier: BSD-2-Clause
//
// A running primary, put together in the order that keeps a failed start harmless: first what may
// be refused without a trace (key file, ports), then the store, then threads, then READY. It ends
// in the opposite order: no new connections, running requests answered, threads joined.
//
//     main thread      control reactor: signals, publishing, the internal endpoint
//     front-N          one reactor each: public connections
//     verify-N         leaf signatures
//     writer           the store's write transaction
//     signer           reading back, signing, the sth file

import HTTPWire
import LogCrypto
import LogService
import Logging
import MerkleLog
import Reactor
import SigsumFormats
import Synchronization
import SystemPackage
import TileStore
import Transport

/// Runs the primary until it is told to stop.
func runPrimary(_ configuration: PrimaryConfiguration) throws {
    let server = configuration.server
    SignalSource.claimSignals()
    let descriptorCount = DescriptorLimit.raise()
    let key = try LoadedSigner.load(keyFile: server.keyFile, timeout: server.timeout)
    let signer = key.signer
    let policy = try WitnessPolicy(configuration.policyFile)
    let tls = try policy.needsTLS ? TLSClientContext() : nil
    let frontCount = server.threads > 0 ? server.threads : Processors.count
    let external = try Listener.bind(
        host: server.externalEndpoint.host, port: server.externalEndpoint.port, count: frontCount)
    let internals = try Listener.bind(
        host: server.internalEndpoint.host, port: server.internalEndpoint.port, count: 1)
    let logDestination = try startLogging(server)
    let logger = Logger(label: "primary")
    if let warning = key.warning { logger.warning("\(warning)") }
    let start = try PrimaryStart(
        backend: configuration.storeBackend,
        signedTreeHeadPath: configuration.signedTreeHeadFile.string, signer: signer,
        release: Version.line, report: { logger.info("\($0)") })
    logger.info("\(Version.line), log key hash \(signer.publicKey.keyHash)")
    logger.info(
        "store \(start.store.folder), last signed tree of \(start.lastSigned.treeHead.size) leaves")
    logger.info("no secondaries: a leaf counts as logged when it is durable on this machine")
    for listener in external[0] { logger.info("external endpoint \(listener.address)") }
    for listener in internals[0] { logger.info("internal endpoint \(listener.address)") }

    let node = try PrimaryNode(
        configuration, start: start, signer: signer, policy: policy, tls: tls,
        frontCount: frontCount)
    let limits = ConnectionLimits(descriptorCount: descriptorCount, frontCount: frontCount)
    try node.listen(external: external, internal: internals[0], limits: limits)
    try node.run(reopeningLog: logDestination)
    logger.info("stopped")
}

/// The parts of a primary. Made, run and ended on the main thread.
private final class PrimaryNode {
    /// How long running requests may take to end after a signal.
    private static let drainTimeout = Duration.seconds(10)

    private let configuration: PrimaryConfiguration
    private let logger = Logger(label: "primary")
    private let control: Reactor
    private let frontReactors: [Reactor]
    private let fronts: [PrimaryFront]
    private let internalFront: InternalFront
    private let publishing: PrimaryControl
    private let metrics: LogMetrics
    private let counters: [ServerCounters]
    private var servers: [HTTPServer] = []
    private let verifiers: [ThreadExecutor]
    private let writerThread: ThreadExecutor
    private let signerThread: ThreadExecutor
    private var isStopping = false

    init(
        _ configuration: PrimaryConfiguration, start: PrimaryStart, signer: any TreeHeadSigner,
        policy: WitnessPolicy, tls: TLSClientContext?, frontCount: Int
    ) throws {
        self.configuration = configuration
        let control = try Reactor()
        let counters = (0...frontCount).map { _ in ServerCounters() }
        let metrics = LogMetrics(
            requestMetricsCount: frontCount + 1,
            policy: PolicyMetrics(witnessNames: policy.endpoints.map(\.witness.name))
        ) {
            ConnectionCounts(adding: counters)
        }
        let latePublishing = Late<PrimaryControl>()
        let lateInternalFront = Late<InternalFront>()
        writerThread = try ThreadExecutor(name: "writer")
        signerThread = try ThreadExecutor(name: "signer")
        verifiers = try (1...Processors.count).map { try ThreadExecutor(name: "verify-\($0)") }

        let writer = try LeafWriter(start.store, executor: writerThread, metrics: metrics.server) {
            lateInternalFront.value?.committed($0)
            latePublishing.value?.committed($0)
        }
        let signing = try TreeHeadSigning(start, signer: signer, executor: signerThread)
        let intake = LeafIntake(
            verifiers: verifiers, writer: writer, metrics: metrics,
            isPublished: start.isPublished(for: policy))
        let board = PublicationBoard(start.shown(for: policy).map(Publication.init))
        let prefix = configuration.server.urlPrefix.pathPrefix
        let infoPage = InfoPage(
            publicKey: signer.publicKey, prefix: prefix, version: Version.line
        ).render()

        frontReactors = try (0..<frontCount).map { _ in try Reactor() }
        fronts = try frontReactors.enumerated().map { index, reactor in
            let answers = try PrimaryAnswers(
                routes: .external(prefix: prefix), board: board, store: start.store,
                leafCountMax: configuration.maxRange, infoPage: infoPage)
            return PrimaryFront(
                on: reactor, answers: answers, intake: intake,
                requestMetrics: metrics.server.requests[index], metrics: metrics,
                addLeafWait: configuration.addLeafWait)
        }
        let internalAnswers = try InternalAnswers(
            routes: .primaryInternal(prefix: prefix), store: start.store,
            leafCountMax: max(configuration.maxRange, InternalAnswers.usualLeafCountMax),
            metrics: { metrics.render(version: Version.number) })
        internalFront = InternalFront(
            on: control, answers: internalAnswers, signer: nil,
            requestMetrics: metrics.server.requests[frontCount])
        lateInternalFront.set(internalFront)
        let publisher = Publisher(configuration, policy, start)
        policy.describe(
            heartbeatInterval: publisher.heartbeatInterval,
            interval: configuration.server.interval, to: logger)
        publishing = try PrimaryControl(
            on: control,
            PrimaryControl.Parts(
                store: start.store, writer: writer, signing: signing, intake: intake,
                board: board, metrics: metrics, logKey: signer.publicKey, policy: policy,
                tls: tls, timeout: configuration.server.timeout,
                announce: { [fronts] in for front in fronts { front.published() } }),
            publisher: publisher)
        latePublishing.set(publishing)
        self.control = control
        self.metrics = metrics
        self.counters = counters
        // What the start and the writer looked at: a root of each of the newest slabs above all.
        start.store.releasePages()
    }

    /// Gives the sockets to their reactors, which do not run yet.
    func listen(
        external: [[Listener]], internal: [Listener], limits: ConnectionLimits
    ) throws {
        for (index, listeners) in external.enumerated() {
            servers.append(
                try HTTPServer(
                    on: frontReactors[index], listeners: listeners,
                    limits: ServerLimits(connectionsMax: limits.front), counters: counters[index],
                    handler: fronts[index]))
        }
        servers.append(
            try HTTPServer(
                on: control, listeners: `internal`,
                limits: ServerLimits(connectionsMax: limits.internal),
                counters: counters[external.count],
                handler: internalFront))
    }

    /// No new connections; those that are open end when their requests are answered.
    private func stop() {
        guard !isStopping else { return }
        isStopping = true
        logger.info("stopping: running requests are finished")
        ServiceManager.stopping()
        publishing.stop()
        let deadline = MonotonicInstant.now().advanced(by: Self.drainTimeout)
        let open = Mutex(servers.count)
        for server in servers {
            server.drain(until: deadline) { [control] in
                let isLast = open.withLock { count in
                    count -= 1
                    return count == 0
                }
                if isLast { control.stop() }
            }
        }
        // Now that their connections close after the answer, and say so in it.
        for front in fronts { front.releaseAll() }
        internalFront.releaseAll()
    }

    private func reopen(_ logDestination: LogDestination) {
        do throws(Errno) {
            try logDestination.reopen()
            logger.info("log file reopened")
        } catch {
            logger.error("cannot reopen the log file: \(error)")
        }
    }

    /// Serves until a signal says to stop, and returns when everything has ended.
    func run(reopeningLog logDestination: LogDestination) throws {
        try SignalSource(on: control) { [self] signal in
            switch signal {
            case .terminate, .interrupt: stop()
            case .hangUp: reopen(logDestination)
            }
        }
        let threads = try frontReactors.enumerated().map { index, reactor in
            try FrontThread(name: "front-\(index + 1)", running: reactor)
        }
        publishing.start()
        ServiceManager.ready()
        control.run()
        for thread in threads { thread.stopAndJoin() }
        for verifier in verifiers { verifier.stop() }
        writerThread.stop()
        signerThread.stop()
    }
}

/// How many connections there may be. Clients must never get the last descriptor: a tree head is
/// published through a file that has to be opened for it.
private struct ConnectionLimits {
    /// Public ones, on each front.
    let front: Int
    /// Internal ones.
    let `internal`: Int

    /// - Parameter descriptorCount: how many the process may have.
    init(descriptorCount: Int, frontCount: Int) {
        // The store, the state files, standard streams; and each reactor's own with its listeners.
        let ownCount = 64 + 8 * (frontCount + 1)
        let count = max(0, descriptorCount - ownCount)
        `internal` = max(8, min(1024, count / 8))
        front = max(8, min(8192, (count - count / 8) / frontCount))
    }
}

/// A reactor's thread, in a form that arrays can hold.
private final class FrontThread {
    private var thread: ReactorThread?

    init(name: String, running reactor: Reactor) throws(Errno) {
        thread = try ReactorThread(name: name, running: reactor)
    }

    func stopAndJoin() { thread.take()?.stopAndJoin() }
}

extension ConnectionCounts {
    /// The sums of what several servers counted.
    fileprivate init(adding counters: [ServerCounters]) {
        self.init()
        for counter in counters {
            open += UInt64(max(0, counter.open))
            accepted += UInt64(counter.accepted)
            refused += UInt64(counter.refused)
            malformed += UInt64(counter.malformed.values.reduce(0, +))
        }
    }
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
            signed: start.signed, published: start.published, committedSize: start.committedSize,
            now: MonotonicInstant.now(), unixMilliseconds: UnixTime.milliseconds())
    }
}
