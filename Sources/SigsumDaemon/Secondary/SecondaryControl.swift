// SPDX-License-Identifier: BSD-2-Clause
//
// A secondary's own work: fetches leaves from the primary and has them committed, as Replicator
// decides, and tells whoever waits here for a larger tree.

import LogService
import Logging
import MerkleLog
import Reactor
import SigsumFormats
import TileStore

/// Copies the primary's tree; an actor on the control reactor.
actor SecondaryControl: ControlActor {
    /// How often an operator hears how far a long copy is, and is shown how much space is left.
    private static let reportInterval = Duration.seconds(5)

    nonisolated let reactor: Reactor
    nonisolated var unownedExecutor: UnownedSerialExecutor {
        // The actor keeps its reactor alive.
        unsafe reactor.asUnownedSerialExecutor()
    }

    private let writer: ReplicaWriter
    private let client: PrimaryClient
    private let primaryURL: HTTPURL
    private let metrics: ReplicaMetrics
    private let announce: @Sendable (TreeSize) -> Void
    private let logger = Logger(label: "replication")
    private var replicator: Replicator<MonotonicInstant>
    private let alarm: Alarm
    private let reportAlarm: Alarm

    /// - Parameter announce: tells whoever waits for it that the tree has so many leaves.
    init(
        on reactor: Reactor, _ replicator: Replicator<MonotonicInstant>, writer: ReplicaWriter,
        client: sending PrimaryClient, primaryURL: HTTPURL, metrics: ReplicaMetrics,
        announce: @escaping @Sendable (TreeSize) -> Void
    ) {
        self.reactor = reactor
        alarm = Alarm(on: reactor)
        reportAlarm = Alarm(on: reactor)
        self.replicator = replicator
        self.writer = writer
        self.client = client
        self.primaryURL = primaryURL
        self.metrics = metrics
        self.announce = announce
    }

    // MARK: From any thread

    /// Begins to copy.
    nonisolated func start() {
        perform { control in
            control.scheduleReport()
            control.advance()
        }
    }

    /// Nothing is fetched any more; what is being committed is finished.
    nonisolated func stop() {
        perform { control in
            control.replicator.halt()
            control.arrange(nil)
            control.reportAlarm.set(nil) {}
            control.client.close()
        }
    }

    // MARK: Steps

    private func advance() {
        while true {
            let step = replicator.next(now: .now())
            tellNotices()
            switch step {
            case .fetch(let request): fetch(request)
            case .append(let leaves, let size): Task { await append(leaves, at: size) }
            case .wait(let deadline): return arrange(deadline)
            }
        }
    }

    private func arrange(_ deadline: MonotonicInstant?) {
        alarm.set(deadline) { [self] in assumeIsolated { $0.advance() } }
    }

    private func fetch(_ request: LeafRequest) {
        client.fetch(request) { [self] answer, isNewConnection in
            assumeIsolated { control in
                control.replicator.answered(
                    request, answer, isNewConnection: isNewConnection, now: .now())
                control.noteCaughtUp()
                control.advance()
            }
        }
    }

    private func append(_ leaves: [Leaf], at size: TreeSize) async {
        switch await writer.append(leaves, at: size) {
        case .appended(let newSize):
            replicator.appended(now: .now())
            announce(newSize)
        case .repeated(let index, let known):
            replicator.appendRepeated(at: index, knownAt: known)
        case .noSpace(let freeBytes):
            replicator.appendPostponed(
                reason: "the store's disk is nearly full, \(freeBytes) bytes are free",
                now: .now())
        }
        noteCaughtUp()
        advance()
    }

    /// After each answer and append. It says nothing of now that a request is being made.
    private func noteCaughtUp() {
        if replicator.isAtEnd { metrics.caughtUpTime.set(UnixTime.now()) }
    }

    // MARK: What the operator hears

    private func scheduleReport() {
        let deadline = MonotonicInstant.now().advanced(by: Self.reportInterval)
        reportAlarm.set(deadline) { [self] in
            assumeIsolated { control in
                control.tellProgress()
                Task { await control.writer.checkSpace() }
                control.scheduleReport()
            }
        }
    }

    private func tellProgress() {
        guard let progress = replicator.progress(now: .now()) else { return }
        logger.info("copying: \(progress)")
    }

    private func tellNotices() {
        let notices = replicator.notices
        replicator.notices = []
        for notice in notices { tell(notice) }
    }

    private func tell(_ notice: ReplicatorNotice) {
        switch notice {
        case .caughtUp(let size):
            logger.info("caught up with the primary: \(size) leaves")
        case .failed(let reason, let count):
            logger.log(level: count == 1 ? .warning : .debug, "primary \(primaryURL): \(reason)")
        case .recovered(let failureCount):
            logger.info("primary \(primaryURL): answers again, failures before: \(failureCount)")
        case .postponed(let reason, let count):
            logger.log(level: count == 1 ? .warning : .debug, "leaves are not copied: \(reason)")
        case .resumed:
            logger.info("leaves are copied again")
        case .halted(let reason):
            metrics.isHalted.set(1)
            logger.critical("replication stopped: \(reason)")
        }
    }
}
