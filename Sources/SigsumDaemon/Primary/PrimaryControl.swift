// SPDX-License-Identifier: BSD-2-Clause
//
// Publishing: when PublicationSchedule says so, in this order, each step done before the next
// begins:
//
//     1. the committed tree, from the writer
//     2. read back, sign, sth file       (a crash before: nothing happened; after: start-up goes
//                                        on from the new head)
//     3. record it in the store          (a crash before: start-up repairs the record)
//     4. show it to everybody
//     5. answer the requests that were held for it

import LogService
import Logging
import MerkleLog
import Reactor
import SigsumFormats
import SystemPackage
import TileStore

/// Decides when to publish, and does it; an actor on the control reactor.
actor PrimaryControl {
    nonisolated let reactor: Reactor
    nonisolated var unownedExecutor: UnownedSerialExecutor {
        // The actor keeps its reactor alive.
        unsafe reactor.asUnownedSerialExecutor()
    }

    /// What publishing works with.
    struct Parts: Sendable {
        let writer: LeafWriter
        let signing: TreeHeadSigning
        let intake: LeafIntake
        let board: PublicationBoard
        let metrics: LogMetrics
        /// Tells every reactor that there is a new publication.
        let announce: @Sendable () -> Void
    }

    private let parts: Parts
    private let logger = Logger(label: "publish")
    private var schedule: PublicationSchedule<MonotonicInstant>
    private var committedSize: TreeSize
    private var publishedSize: TreeSize
    /// The published tree head that the store knows of.
    private var recorded: TreeHead?
    private var isPublishing = false
    /// Nothing is signed any more: the stored leaves contradict what was signed, or the process is
    /// about to end.
    private var isHalted = false
    private var timer: Timer?

    /// - Parameter recorded: the published tree head that the store knows of.
    init(
        on reactor: Reactor, _ parts: Parts, schedule: PublicationSchedule<MonotonicInstant>,
        recorded: TreeHead?
    ) {
        self.reactor = reactor
        self.parts = parts
        self.schedule = schedule
        self.recorded = recorded
        publishedSize = parts.board.publication?.tree.treeHead.size ?? .zero
        committedSize = publishedSize
        parts.metrics.publishedSize.set(publishedSize.value)
    }

    /// Begins: the first publication is due at once. From any thread, as the next two.
    nonisolated func start() {
        perform { $0.arrange() }
    }

    /// The committed tree has grown.
    nonisolated func committed(_ size: TreeSize) {
        perform { control in
            control.committedSize = max(control.committedSize, size)
            control.arrange()
        }
    }

    /// No more publications after the one that is being made.
    nonisolated func stop() {
        perform { control in
            control.isHalted = true
            if let timer = control.timer { control.reactor.cancel(timer) }
            control.timer = nil
        }
    }

    private nonisolated func perform(
        _ action: @escaping @Sendable (isolated PrimaryControl) -> Void
    ) {
        reactor.post { self.assumeIsolated(action) }
    }

    /// Publishes if it is time, or sets the timer for when it is.
    private func arrange() {
        guard !isPublishing, !isHalted else { return }
        if let timer { reactor.cancel(timer) }
        timer = nil
        let now = MonotonicInstant.now()
        let due = schedule.due(hasNewLeaves: committedSize > publishedSize, now: now)
        guard due > now else {
            isPublishing = true
            Task { await self.publish() }
            return
        }
        timer = reactor.schedule(at: due) { [self] in
            assumeIsolated { control in
                control.timer = nil
                control.arrange()
            }
        }
    }

    private func publish() async {
        let begun = MonotonicInstant.now()
        do throws(TreeHeadError) {
            try await signAndShow()
            let now = MonotonicInstant.now()
            parts.metrics.publishedTime.set(UnixTime.now())
            parts.metrics.publications.record(begun.duration(to: now))
            schedule.published(at: now)
        } catch {
            schedule.failed(at: MonotonicInstant.now())
            parts.metrics.publicationFailures.add()
            fail(error)
        }
        await parts.writer.checkSpace(for: parts.intake)
        isPublishing = false
        arrange()
    }

    private func signAndShow() async throws(TreeHeadError) {
        let tree = await parts.writer.snapshot()
        let signed = try await parts.signing.sign(tree.treeHead)
        let size = tree.treeHead.size
        parts.metrics.signedSize.set(size.value)
        guard recorded != tree.treeHead else { return }
        let head = CosignedTreeHead(signed)
        await parts.writer.record(signed: signed, published: head)
        recorded = tree.treeHead
        parts.board.publish(Publication(PublishedTree(head: head, tree: tree)))
        parts.announce()
        publishedSize = size
        committedSize = max(committedSize, size)
        parts.metrics.publishedSize.set(size.value)
        logger.debug("published the tree of \(size) leaves")
    }

    private func fail(_ error: TreeHeadError) {
        switch error {
        case .signer:
            logger.error("\(error); the published tree head stays")
        case .store(.corrupt), .store(.refused):
            // Reads go on; whatever is signed now might be a fork.
            isHalted = true
            parts.intake.halt()
            logger.critical("\(error); nothing more is signed and no leaf is taken")
        case .store(.system(.noSpace, _)), .store(.system(.tooManyOpenFiles, _)),
            .store(.system(.tooManyOpenFilesInSystem, _)), .store(.system(.noMemory, _)):
            // Want of something that may come back. The next try writes the file anew, from its
            // first byte, so nothing rests on what this one left.
            logger.error("\(error); the published tree head stays")
        case .store(.system), .store(.database):
            Fatal.end("\(error)")
        }
    }
}
