// SPDX-License-Identifier: BSD-2-Clause
//
// The primary's side of replication: asks the secondaries what they hold, as Replication decides,
// lets publishing go as far as that, and answers the add-leaf requests that wait for it:
//
//     committed -> (the secondaries fetch it, commit it) -> their tree heads say so -> replicated
//
// A leaf's first request waits for this, but not for long: a secondary that is away must not hold
// up whoever submits.

import HTTPWire
import LogCrypto
import LogService
import Logging
import MerkleLog
import Reactor
import SigsumFormats
import TileStore
import Transport

/// Follows what the secondaries hold; an actor on the control reactor.
actor ReplicationControl: ControlActor {
    /// How long a leaf's first request waits for the secondaries after its commit.
    private static let replicationWait = Duration.milliseconds(100)
    /// The most requests that wait so; one more is answered at once.
    private static let waitersMax = 8192

    nonisolated let reactor: Reactor
    nonisolated var unownedExecutor: UnownedSerialExecutor {
        // The actor keeps its reactor alive.
        unsafe reactor.asUnownedSerialExecutor()
    }

    /// What replication works with.
    struct Parts: Sendable {
        let store: TileStore
        let intake: LeafIntake
        let replicated: ReplicatedSize
        let metrics: LogMetrics
        let secondaries: SecondaryEndpoints
        /// Needed for secondaries with an https URL.
        let tls: TLSClientContext?
        /// How long a request to a secondary may take.
        let timeout: Duration
        /// Tells publishing that so many leaves may be signed.
        let announce: @Sendable (TreeSize) -> Void
    }

    private let parts: Parts
    private let logger: Logger
    private var replication: Replication<MonotonicInstant>
    private let clients: [SecondaryClient]
    private var waiters = HeldSubmissions<MonotonicInstant, SubmissionWaiter>(
        countMax: waitersMax)
    private var announcedSize: TreeSize
    private let alarm: Alarm

    init(
        on reactor: Reactor, _ parts: Parts, replication: Replication<MonotonicInstant>
    ) throws(StoreError) {
        self.reactor = reactor
        alarm = Alarm(on: reactor)
        self.parts = parts
        self.replication = replication
        logger = Logger(label: "replication")
        announcedSize = replication.size
        let reader = try StoreReader(parts.store)
        clients = zip(parts.secondaries.all, parts.metrics.secondaries).map {
            SecondaryClient(
                on: reactor, $0, tls: parts.tls, timeout: parts.timeout, reader: reader,
                metrics: $1)
        }
        parts.metrics.replicatedSize.set(replication.size.value)
    }

    // MARK: From any thread

    /// Begins to ask.
    nonisolated func start() {
        perform { $0.advance() }
    }

    /// The committed tree has `size` leaves; `waiting` are the requests that brought leaves which the
    /// secondaries do not have yet.
    nonisolated func committed(_ size: TreeSize, _ waiting: [CommittedWaiter]) {
        perform { control in
            let now = MonotonicInstant.now()
            control.replication.committed(size, now: now)
            control.hold(waiting, now: now)
            control.advance()
        }
    }

    /// Nobody is asked and nobody waits any more.
    nonisolated func stop() {
        perform { control in
            control.replication.halt()
            for client in control.clients { client.close() }
            control.parts.intake.answer(control.waiters.takeAll())
            control.advance()
        }
    }

    // MARK: Steps

    private func hold(_ waiting: [CommittedWaiter], now: MonotonicInstant) {
        let deadline = now.advanced(by: Self.replicationWait)
        // What is past the bound, or was replicated on its way here, is answered.
        parts.intake.answer(
            waiting.filter {
                parts.replicated.covers($0.index)
                    || !waiters.hold($0.waiter, for: $0.index, until: deadline)
            })
    }

    /// Asks who is to be asked, tells what has changed, and sets the timer for what is later.
    private func advance() {
        let now = MonotonicInstant.now()
        var deadline: MonotonicInstant?
        asking: while true {
            switch replication.next(now: now) {
            case .ask(let request): ask(request)
            case .wait(let until):
                deadline = until
                break asking
            }
        }
        tellNotices()
        announce()
        parts.intake.answer(waiters.takeExpired(at: now))
        if let next = waiters.nextDeadline { deadline = min(deadline ?? next, next) }
        arrange(deadline)
    }

    private func arrange(_ deadline: MonotonicInstant?) {
        alarm.set(deadline) { [self] in assumeIsolated { $0.advance() } }
    }

    private func announce() {
        let size = replication.size
        guard size > announcedSize else { return }
        announcedSize = size
        // From here on a leaf may be said to be logged; a signing that begins later looks here.
        parts.replicated.advance(to: size)
        parts.metrics.replicatedSize.set(size.value)
        parts.intake.answer(waiters.take(within: size))
        parts.announce(size)
    }

    private func ask(_ request: SecondaryRequest) {
        clients[request.secondary].treeHead(knownSize: request.knownSize) { [self] answer in
            assumeIsolated { control in
                control.replication.answered(request, answer, now: .now())
                let metrics = control.parts.metrics.secondaries[request.secondary]
                metrics.treeSize.set(control.replication.heldSize(request.secondary).value)
                control.advance()
            }
        }
    }

    // MARK: What the operator hears

    private func tellNotices() {
        let notices = replication.notices
        replication.notices = []
        for notice in notices { tell(notice) }
    }

    private func tell(_ notice: ReplicationNotice) {
        switch notice {
        case .failed(let number, let reason, let isFirst):
            say(isFirst ? .info : .debug, "\(name(number)): no tree head: \(reason)")
        case .rejected(let number, let rejection, let isFirst):
            parts.metrics.secondaries[number].rejections.add()
            say(isFirst ? .error : .debug, "\(name(number)): tree head rejected: \(rejection)")
        case .recovered(let number, let failureCount):
            say(.info, "\(name(number)): answers again, failures before: \(failureCount)")
        case .shrank(let number, let from, let to):
            say(.warning, "\(name(number)): its tree shrank from \(from) to \(to) leaves")
        case .replicated(let duration):
            parts.metrics.replications.record(duration)
        case .stalled(let size, let committedSize):
            say(
                .warning,
                "publishing waits: the required secondaries hold \(size) of \(committedSize) leaves"
            )
        case .resumed(let size):
            say(.info, "publishing goes on: the required secondaries hold \(size) leaves")
        }
    }

    private func name(_ number: Int) -> String { "secondary \(parts.secondaries.all[number].url)" }

    private func say(_ level: Logger.Level, _ text: String) {
        logger.log(level: level, "\(text)")
    }
}
