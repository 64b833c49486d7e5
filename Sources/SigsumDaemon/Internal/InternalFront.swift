// SPDX-License-Identifier: BSD-2-Clause
//
// A node's internal endpoint, in either role, and a secondary's public one, where there is nothing:
// InternalAnswers decides, and here its answers are sent now, when the tree has grown, when it was
// waited for long enough, or when a tree head is signed.

import HTTPWire
import LogService
import Logging
import MerkleLog
import Reactor
import SigsumFormats
import TileStore
import Transport

/// Handles the requests of the log's other nodes and of whoever collects metrics.
///
/// `@unchecked Sendable`: `reactor` is Sendable; everything else is touched on its thread alone,
/// since requests come there and other threads only post to it.
final class InternalFront: RequestHandler, @unchecked Sendable {
    /// The most requests held; one more is answered at once.
    private static let heldCountMax = 1024

    struct Waiter: Sendable {
        let ticket: ResponseTicket
        let read: HeldRead
        /// When the request was complete.
        let begun: MonotonicInstant
    }

    private let reactor: Reactor
    private let answers: InternalAnswers
    private let signer: SecondaryHeadSigner?
    private let requestMetrics: RequestMetrics
    private let logger = Logger(label: "http")
    private(set) var held = HeldReads<MonotonicInstant, Waiter>(countMax: heldCountMax)
    /// Rings at `timerDeadline`, that of the first one held.
    private var timer: Timer?
    private var timerDeadline: MonotonicInstant?
    /// The process is about to end: nothing is held any more.
    private var isReleased = false
    /// Those whose tree head is to be signed next.
    private(set) var unsigned: [Waiter] = []
    private var isSigning = false
    /// Signatures that could not be made, in a row.
    private var signingFailureCount = 0

    /// - Parameter signer: signs a secondary's tree head; nil where no route leads to one.
    init(
        on reactor: Reactor, answers: InternalAnswers, signer: SecondaryHeadSigner?,
        requestMetrics: RequestMetrics
    ) {
        self.reactor = reactor
        self.answers = answers
        self.signer = signer
        self.requestMetrics = requestMetrics
    }

    func handle(
        _ head: RequestHead, bytes: Span<UInt8>, body: Span<UInt8>,
        response: inout ResponseWriter, ticket: () -> ResponseTicket
    ) -> Handling {
        let begun = MonotonicInstant.now()
        do throws(StoreError) {
            switch try answers.answer(head, bytes: bytes, response: &response) {
            case .written(let endpoint, let status):
                requestMetrics.record(endpoint, status, from: begun)
                return .answered
            case .hold(let read, let size):
                let seconds = Int64(response.framing.grantedWait ?? 0)
                hold(
                    Waiter(ticket: ticket(), read: read, begun: begun), beyond: size,
                    for: .seconds(seconds))
                return .deferred
            case .signTreeHead:
                release([Waiter(ticket: ticket(), read: .treeHead, begun: begun)])
                return .deferred
            }
        } catch {
            let status = writeFailure(error, to: &response)
            requestMetrics.record(.other, status, from: begun)
            return .answered
        }
    }

    // MARK: From any thread

    /// The committed tree has grown to `size`.
    func committed(_ size: TreeSize) {
        reactor.post { self.release(self.held.grown(to: size)) }
    }

    /// Answers everything that is held with what is true now, and holds nothing from now on, as the
    /// process is about to end.
    func releaseAll() {
        reactor.post {
            self.isReleased = true
            self.release(self.held.removeAll())
        }
    }

    // MARK: Holding

    private func hold(_ waiter: Waiter, beyond size: TreeSize, for wait: Duration) {
        let deadline = reactor.now.advanced(by: wait)
        guard !isReleased, held.hold(waiter, beyond: size, until: deadline) else {
            return release([waiter])
        }
        // If the tree has grown since the answer was decided, ``committed(_:)`` is still to come.
        arrangeTimer()
    }

    /// One timer, for the first deadline, which may come to be another one.
    private func arrangeTimer() {
        guard timerDeadline != held.nextDeadline else { return }
        if let timer { reactor.cancel(timer) }
        timerDeadline = held.nextDeadline
        timer = timerDeadline.map { deadline in
            reactor.schedule(at: deadline) { [self] in
                (timer, timerDeadline) = (nil, nil)
                release(held.expired(at: reactor.now))
            }
        }
    }

    private func release(_ waiters: [Waiter]) {
        for waiter in waiters {
            switch waiter.read {
            case .leaves(let start, let end):
                waiter.ticket.complete {
                    self.writeLeaves(from: start, to: end, since: waiter.begun, to: &$0)
                }
            case .treeHead: unsigned.append(waiter)
            }
        }
        arrangeTimer()
        signNext()
    }

    /// On the reactor, as all tickets here are its own.
    private func writeLeaves(
        from start: UInt64, to end: UInt64, since begun: MonotonicInstant,
        to response: inout ResponseWriter
    ) {
        let status: Status
        do throws(StoreError) {
            status = try answers.leaves(from: start, to: end, response: &response)
        } catch {
            status = writeFailure(error, to: &response)
        }
        requestMetrics.record(.getLeaves, status, from: begun)
    }

    private func writeFailure(_ error: StoreError, to response: inout ResponseWriter) -> Status {
        logger.error("\(error)")
        response.text(.internalServerError, "the log's store failed")
        return .internalServerError
    }

    // MARK: Tree heads

    /// Has one signature made for all who wait for one. Who comes meanwhile waits for the next, so
    /// that nobody is given a tree head from before its request.
    private func signNext() {
        guard !isSigning, !unsigned.isEmpty else { return }
        guard let signer else { preconditionFailure("a route to a tree head without a signer") }
        let waiters = unsigned
        unsigned = []
        isSigning = true
        signer.sign { [self] result in
            reactor.post {
                self.isSigning = false
                self.answer(waiters, result)
                self.signNext()
            }
        }
    }

    private func answer(_ waiters: [Waiter], _ result: Result<SignedTreeHead, TreeHeadError>) {
        tell(result)
        let tickets = waiters.map(\.ticket)
        let status: Status
        switch result {
        case .success(let signed):
            status = .ok
            let body = signed.encode()
            ResponseTicket.complete(tickets) { response in
                response.begin(.ok, contentType: "text/plain; charset=utf-8")
                response.append(body.span)
                response.end()
            }
        case .failure:
            status = .internalServerError
            ResponseTicket.complete(tickets) { response in
                response.text(.internalServerError, "no signature could be made; see the log file")
            }
        }
        let now = MonotonicInstant.now()
        for waiter in waiters {
            requestMetrics.record(.getSecondaryTreeHead, status, from: waiter.begun, to: now)
        }
    }

    /// The first failure of a row is an error; an agent that is away would fill the log file.
    private func tell(_ result: Result<SignedTreeHead, TreeHeadError>) {
        switch result {
        case .success:
            if signingFailureCount > 0 {
                logger.info("tree heads are signed again, failures before: \(signingFailureCount)")
            }
            signingFailureCount = 0
        case .failure(let error):
            signingFailureCount += 1
            logger.log(level: signingFailureCount == 1 ? .error : .debug, "\(error)")
        }
    }
}
