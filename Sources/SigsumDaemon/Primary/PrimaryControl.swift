// SPDX-License-Identifier: BSD-2-Clause
//
// Publishing: does what the publisher decides, step by step, each step done before the next begins:
//
//     1. the committed tree, from the writer; of it, what the required secondaries hold
//     2. read back, sign, sth file       (a crash before: nothing happened; after: start-up goes
//                                        on from the new head)
//     3. ask the witnesses               (until their quorum nobody else sees the head)
//     4. record it in the store, with its cosignatures and what the witnesses are remembered by
//                                        (a crash before: the head published before is shown, and
//                                        the new one is cosigned again)
//     5. show it to everybody
//     6. answer the requests that were held for it
//
// 4 to 6 are done again for cosignatures that come later.

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

/// Has tree heads signed, cosigned and published; an actor on the control reactor.
actor PrimaryControl: ControlActor {
    nonisolated let reactor: Reactor
    nonisolated var unownedExecutor: UnownedSerialExecutor {
        // The actor keeps its reactor alive.
        unsafe reactor.asUnownedSerialExecutor()
    }

    /// What publishing works with.
    struct Parts: Sendable {
        let store: TileStore
        let writer: LeafWriter
        let signing: TreeHeadSigning
        let intake: LeafIntake
        let replicated: ReplicatedSize
        let board: PublicationBoard
        let metrics: LogMetrics
        let logKey: PublicKey
        let policy: WitnessPolicy
        /// Needed for witnesses with an https URL.
        let tls: TLSClientContext?
        /// How long a request to a witness may take.
        let timeout: Duration
        /// Tells every reactor that there is a new publication.
        let announce: @Sendable () -> Void
    }

    private let parts: Parts
    private let logger: Logger
    private let report: PublishingReport
    private var publisher: Publisher<MonotonicInstant>
    private let clients: [WitnessClient]
    private let reader: StoreReader
    private var hasher = TreeHasher()
    private let alarm: Alarm

    init(
        on reactor: Reactor, _ parts: Parts, publisher: Publisher<MonotonicInstant>
    ) throws(StoreError) {
        self.reactor = reactor
        alarm = Alarm(on: reactor)
        self.parts = parts
        self.publisher = publisher
        logger = Logger(label: "publish")
        report = PublishingReport(logger: logger, metrics: parts.metrics)
        clients = zip(parts.policy.endpoints, parts.metrics.policy.witnesses).map {
            WitnessClient(
                on: reactor, $0, tls: parts.tls, timeout: parts.timeout, metrics: $1)
        }
        reader = try StoreReader(parts.store)
        parts.metrics.signedSize.set(publisher.signed.treeHead.size.value)
        for (number, metrics) in parts.metrics.policy.witnesses.enumerated() {
            metrics.requestsLeft.set(UInt64(publisher.requestsLeft(number, now: .now())))
            metrics.cosignatureTime.set(publisher.lastCosignatureTime(number) ?? 0)
        }
        parts.metrics.publishedSize.set(
            parts.board.publication?.tree.treeHead.size.value ?? 0)
    }

    // MARK: From any thread

    /// Begins with the first round.
    nonisolated func start() {
        perform { $0.advance() }
    }

    /// More leaves may be signed.
    nonisolated func replicated(_ size: TreeSize) {
        perform { control in
            control.publisher.replicated(size)
            control.advance()
        }
    }

    /// Nothing is signed or published any more after what is being recorded.
    nonisolated func stop() {
        perform { control in
            control.publisher.halt()
            control.arrange(nil)
            for client in control.clients { client.close() }
        }
    }

    // MARK: Steps

    /// Does what is to be done now, and sets the timer for what is to be done later.
    private func advance() {
        while true {
            let step = publisher.next(now: .now())
            tellNotices()
            switch step {
            case .sign: Task { await sign() }
            case .ask(let request): ask(request)
            case .record(let published): Task { await record(published) }
            case .wait(let deadline): return arrange(deadline)
            }
        }
    }

    private func arrange(_ deadline: MonotonicInstant?) {
        alarm.set(deadline) { [self] in assumeIsolated { $0.advance() } }
    }

    private func sign() async {
        let begun = MonotonicInstant.now()
        // From before the tree: whoever was told till now that a leaf is logged finds it below.
        let limit = parts.replicated.current
        do throws(TreeHeadError) {
            let committed = await parts.writer.snapshot()
            let tree = try await parts.signing.beginning(of: committed, atMost: limit)
            let signed = try await parts.signing.sign(tree.treeHead)
            let now = MonotonicInstant.now()
            parts.metrics.signings.record(begun.duration(to: now))
            parts.metrics.signedSize.set(tree.treeHead.size.value)
            publisher.signed(signed, tree: tree, now: now)
        } catch {
            parts.metrics.signingFailures.add()
            publisher.signingFailed(now: .now())
            fail(error)
        }
        advance()
    }

    private func ask(_ request: WitnessRequest<MonotonicInstant>) {
        let body: [UInt8]
        do throws(StoreError) {
            body = try addCheckpoint(request)
        } catch {
            publisher.answered(
                request, .unsent(reason: "no consistency proof"), now: .now(),
                unixSeconds: UnixTime.now())
            return fail(.store(error))
        }
        clients[request.witness].addCheckpoint(
            body, over: request.signed.treeHead, of: parts.logKey.keyHash
        ) { [self] answer in
            assumeIsolated { $0.answered(request, answer) }
        }
    }

    private func addCheckpoint(
        _ request: WitnessRequest<MonotonicInstant>
    ) throws(StoreError) -> [UInt8] {
        var proof: [Digest] = []
        if request.oldSize > .zero {
            try reader.read(tree: request.tree) { view throws(StoreError) in
                try Proof.proveConsistency(
                    from: request.oldSize, to: request.signed.treeHead.size, from: view,
                    hasher: &hasher
                ) { proof.append($0) }
            }
        }
        return AddCheckpointRequest(
            oldSize: request.oldSize, proof: proof, signedTreeHead: request.signed,
            logKey: parts.logKey
        ).encode()
    }

    private func answered(
        _ request: WitnessRequest<MonotonicInstant>, _ answer: WitnessAnswer
    ) {
        let now = MonotonicInstant.now()
        publisher.answered(request, answer, now: now, unixSeconds: UnixTime.now())
        let metrics = parts.metrics.policy.witnesses[request.witness]
        metrics.requestsLeft.set(UInt64(publisher.requestsLeft(request.witness, now: now)))
        if case .cosigned(let named) = answer {
            metrics.cosignatureTime.set(named.cosignature.time)
        }
        advance()
    }

    private func record(_ published: PublishedTree?) async {
        let witnesses = publisher.witnessRecords(
            now: .now(), unixMilliseconds: UnixTime.milliseconds())
        await parts.writer.record(
            StoreRecord(
                signed: publisher.signed, published: published?.head, witnesses: witnesses))
        publisher.recorded()
        if let published { show(published) }
        advance()
    }

    private func show(_ published: PublishedTree) {
        let size = published.tree.treeHead.size
        // First: whoever sees the tree head finds that leaves are taken.
        parts.intake.setPublished()
        parts.board.publish(Publication(published))
        parts.announce()
        parts.metrics.publishedSize.set(size.value)
        logger.debug(
            "published the tree of \(size) leaves, \(published.head.cosignatures.count) cosignatures"
        )
    }

    private func fail(_ error: TreeHeadError) {
        switch error {
        case .signer:
            logger.error("\(error); the published tree head stays")
        case .store(.corrupt), .store(.refused):
            // Reads go on; whatever is signed now might be a fork.
            publisher.halt()
            halt("\(error)")
        case .store(.system(.noSpace, _)), .store(.system(.tooManyOpenFiles, _)),
            .store(.system(.tooManyOpenFilesInSystem, _)), .store(.system(.noMemory, _)):
            // Want of something that may come back. The next try writes the file anew, from its
            // first byte, so nothing rests on what this one left.
            logger.error("\(error); the published tree head stays")
        case .store(.system), .store(.database):
            Fatal.end("\(error)")
        }
    }

    private func halt(_ reason: String) {
        parts.intake.halt()
        logger.critical("\(reason); nothing more is signed and no leaf is taken")
        parts.metrics.signingHalted.set(1)
    }

    // MARK: What the operator hears

    private func tellNotices() {
        guard !publisher.notices.isEmpty else { return }
        let notices = publisher.notices
        publisher.notices = []
        for notice in notices {
            report.tell(notice, size: publisher.signed.treeHead.size)
            switch notice {
            case .halted(let witness, let reason):
                halt(
                    "witness \(report.name(witness)): \(reason). This store, or its sth file, is an "
                        + "older copy of the log, or another primary has its key")
            case .quorumReached, .quorumLost:
                // Leaves may be refused for want of space, and then nobody else looks whether there
                // is some again.
                Task { [parts] in await parts.writer.checkSpace(for: parts.intake) }
            default:
                break
            }
        }
    }
}
