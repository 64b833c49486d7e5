// SPDX-License-Identifier: BSD-2-Clause
//
// A primary's public face on one reactor: PrimaryAnswers decides, and here its answers are sent
// now, when the leaf is committed, or when it is published.

import HTTPWire
import LogCrypto
import LogService
import Logging
import MerkleLog
import Reactor
import SigsumFormats
import TileStore
import Transport

/// Handles the public requests of one reactor.
///
/// `@unchecked Sendable`: `reactor` is Sendable; everything else is touched on its thread alone,
/// since requests come there and other threads only post to it.
final class PrimaryFront: RequestHandler, @unchecked Sendable {
    /// The most requests held for a publication on one reactor; one more is answered at once.
    private static let heldCountMax = 4096

    private let reactor: Reactor
    private let answers: PrimaryAnswers
    private let intake: LeafIntake
    private let gate: LeafGate
    private let requestMetrics: RequestMetrics
    private let metrics: LogMetrics
    private let addLeafWait: Duration
    private let logger = Logger(label: "http")
    private var held = HeldSubmissions<MonotonicInstant, SubmissionWaiter>(
        countMax: heldCountMax)
    private var timer: Timer?

    /// - Parameters:
    ///   - gate: what new leaves have to pass.
    ///   - addLeafWait: how long a repeated add-leaf is held for its publication.
    init(
        on reactor: Reactor, answers: PrimaryAnswers, intake: LeafIntake, gate: LeafGate,
        requestMetrics: RequestMetrics, metrics: LogMetrics, addLeafWait: Duration
    ) {
        self.reactor = reactor
        self.answers = answers
        self.intake = intake
        self.gate = gate
        self.requestMetrics = requestMetrics
        self.metrics = metrics
        self.addLeafWait = addLeafWait
    }

    func handle(
        _ head: RequestHead, bytes: Span<UInt8>, body: Span<UInt8>,
        response: inout ResponseWriter, ticket: () -> ResponseTicket
    ) -> Handling {
        let begun = MonotonicInstant.now()
        do throws(StoreError) {
            while true {
                // From before the look into the tree: what is committed after that look counts.
                let finishedCount = intake.finishedCount
                let answer = try answers.answer(
                    head, bytes: bytes, body: body, response: &response)
                switch answer {
                case .written(let endpoint, let status):
                    requestMetrics.record(endpoint, status, from: begun)
                    return .answered
                case .hold(let index):
                    hold(waiter(for: ticket, begun), for: index)
                    return .deferred
                case .submit(let leaf, let leafHash, let token):
                    let submission = Submission(
                        leaf: leaf, leafHash: leafHash, waiter: waiter(for: ticket, begun))
                    if submit(submission, token, finishedCount: finishedCount) { return .deferred }
                }
            }
        } catch {
            logger.error("\(error)")
            response.text(.internalServerError, "the log's store failed")
            requestMetrics.record(.other, .internalServerError, from: begun)
            return .answered
        }
    }

    /// There is a new publication; from any thread.
    func published() {
        reactor.post { self.releasePublished() }
    }

    /// Answers everything that is held, as the process is about to end; from any thread.
    func releaseAll() {
        reactor.post { self.release(self.held.takeAll()) }
    }

    private func waiter(
        for ticket: () -> ResponseTicket, _ begun: MonotonicInstant
    ) -> SubmissionWaiter {
        SubmissionWaiter(ticket: ticket(), metrics: requestMetrics, begun: begun)
    }

    /// A new leaf, and the request that brought it.
    private struct Submission: Sendable {
        let leaf: UnverifiedLeaf
        let leafHash: Digest
        let waiter: SubmissionWaiter
    }

    /// Submits a leaf that was not in the tree; false when the tree must be looked at again.
    private func submit(
        _ submission: Submission, _ token: SubmitToken?, finishedCount: Int
    ) -> Bool {
        guard token != nil || !gate.isOpen else {
            let outcome = submit(submission, account: nil, finishedCount: finishedCount)
            return settle(submission, outcome)
        }
        // What is on its way already has passed the gate, and costs nobody anything any more.
        if let outcome = join(submission, finishedCount: finishedCount) {
            return settle(submission, outcome)
        }
        gate.decide(submission.leaf.keyHash, token) { [self] decision in
            if token == nil {
                // Within this call, on the reactor.
                carryOut(decision, on: submission)
            } else {
                reactor.post { self.carryOut(decision, on: submission) }
            }
        }
        return true
    }

    /// Does with a leaf what the gate has decided, unless another request has meanwhile brought it:
    /// then it may be the very one that used up the limit, and is refused to nobody.
    private func carryOut(_ decision: LeafGate.Decision, on submission: Submission) {
        do throws(StoreError) {
            while true {
                let finishedCount = intake.finishedCount
                if let index = try answers.leafIndex(of: submission.leafHash) {
                    return hold(submission.waiter, for: index)
                }
                let outcome =
                    switch decision {
                    case .charge(let account):
                        submit(submission, account: account, finishedCount: finishedCount)
                    case .refuse(let answer):
                        join(submission, finishedCount: finishedCount) ?? .refused(answer)
                    }
                if settle(submission, outcome) { return }
            }
        } catch {
            logger.error("\(error)")
            submission.waiter.answer(.storeFailed)
        }
    }

    private func submit(
        _ submission: Submission, account: Account?, finishedCount: Int
    ) -> LeafIntake.Outcome {
        intake.submit(
            submission.leaf, leafHash: submission.leafHash, account: account,
            waiter: submission.waiter, finishedCount: finishedCount)
    }

    private func join(_ submission: Submission, finishedCount: Int) -> LeafIntake.Outcome? {
        intake.join(
            submission.leafHash, waiter: submission.waiter, finishedCount: finishedCount)
    }

    /// False when the tree must be looked at again.
    private func settle(_ submission: Submission, _ outcome: LeafIntake.Outcome) -> Bool {
        switch outcome {
        case .kept: return true
        case .outdated: return false
        case .refused(let refusal):
            submission.waiter.answer(refusal)
            return true
        }
    }

    private func hold(_ waiter: SubmissionWaiter, for index: LeafIndex) {
        let answer = intake.answer(toCommitted: index)
        let deadline = reactor.now.advanced(by: addLeafWait)
        guard answer.isWorthWaiting, held.hold(waiter, for: index, until: deadline) else {
            return waiter.answer(answer)
        }
        metrics.heldRequests.add()
        arrangeTimer()
        // It may have been published since the answer was decided.
        if answers.isPublished(index) { releasePublished() }
    }

    private func releasePublished() {
        guard held.count > 0, let size = answers.publishedSize else { return }
        let published = held.take(within: size)
        metrics.heldRequests.subtract(UInt64(published.count))
        SubmissionWaiter.answer(published.map(\.waiter), .logged)
    }

    /// Answers those who are not held any longer, whether published or not.
    private func release(_ waiting: [CommittedWaiter]) {
        metrics.heldRequests.subtract(UInt64(waiting.count))
        intake.answer(waiting)
    }

    /// One timer, for the first deadline; those after it are not earlier.
    private func arrangeTimer() {
        guard timer == nil, let deadline = held.nextDeadline else { return }
        timer = reactor.schedule(at: deadline) { [self] in
            timer = nil
            release(held.takeExpired(at: reactor.now))
            arrangeTimer()
        }
    }
}
