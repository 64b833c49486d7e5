// SPDX-License-Identifier: BSD-2-Clause
//
// The way of new leaves from the reactors to the store's writer: the submission table behind a
// lock, and the threads that verify signatures. A reactor hands a leaf over and goes on; whoever
// has the outcome answers through the request's ticket.

import HTTPWire
import LogCrypto
import LogService
import MerkleLog
import Reactor
import SigsumFormats
import Synchronization
import TileStore
import Transport

/// An add-leaf request that waits for its answer.
struct SubmissionWaiter: Sendable {
    let ticket: ResponseTicket
    let metrics: RequestMetrics
    /// When the request was complete.
    let begun: MonotonicInstant

    /// Answers the request, from any thread.
    func answer(_ answer: AddLeafAnswer) {
        record(answer, at: MonotonicInstant.now())
        ticket.complete { answer.write(to: &$0) }
    }

    /// Answers several requests alike, from any thread.
    static func answer(_ waiters: [SubmissionWaiter], _ answer: AddLeafAnswer) {
        let now = MonotonicInstant.now()
        for waiter in waiters { waiter.record(answer, at: now) }
        ResponseTicket.complete(waiters.map(\.ticket)) { answer.write(to: &$0) }
    }

    private func record(_ answer: AddLeafAnswer, at now: MonotonicInstant) {
        metrics.record(.addLeaf, answer.status, from: begun, to: now)
    }
}

/// An add-leaf request, and where the leaf that it brought is.
typealias CommittedWaiter = HeldSubmissions<MonotonicInstant, SubmissionWaiter>.Entry

extension RequestMetrics {
    /// Records a request that was answered at `end`.
    func record(
        _ endpoint: LogService.Endpoint, _ status: Status, from begun: MonotonicInstant,
        to end: MonotonicInstant = .now()
    ) {
        let nanoseconds = max(0, end.nanoseconds - begun.nanoseconds)
        record(endpoint, status, nanoseconds: UInt64(nanoseconds))
    }
}

/// Takes new leaves from all reactors, has their signatures verified and hands them to the writer.
final class LeafIntake: Sendable {
    /// The most leaves from submission to commit: half a second's work for one core.
    private static let countMax = 4096
    /// The most leaves in one commit: 128 KiB of leaves, a few milliseconds.
    private static let batchCountMax = 1024

    private struct Obstacles {
        var isDiskNearlyFull = false
        var isSigningHalted = false
        var isUnpublished: Bool

        /// The answer to a new leaf, if it is not taken.
        var refusal: AddLeafAnswer? {
            if let standstill { return standstill }
            return isDiskNearlyFull ? .unavailable(.diskNearlyFull) : nil
        }

        /// The answer to any leaf that is not published, if nothing is being published.
        var standstill: AddLeafAnswer? {
            if isSigningHalted { return .unavailable(.signingHalted) }
            return isUnpublished ? .unavailable(.nothingPublished) : nil
        }
    }

    private struct State {
        var table = SubmissionTable<SubmissionWaiter>(countMax: countMax)
        /// Those who found no leaf to verify, and are not called yet.
        var idleVerifiers: [ThreadExecutor]
        let verifierCount: Int

        /// The verifier to call after a leaf came: one if none is awake, another only when more
        /// leaves wait than are awake. Waking a thread for a single leaf costs a tenth of what
        /// verifying it does, and those awake go on until none is left.
        mutating func takeVerifierToCall() -> ThreadExecutor? {
            let awakeCount = verifierCount - idleVerifiers.count
            return table.waitingCount > awakeCount ? idleVerifiers.popLast() : nil
        }
    }

    private let state: Mutex<State>
    /// The table's count of finished batches, set with the lock held. Read without it: it is asked for
    /// before every request is looked at, and reads must not wait for the writer.
    private let finished = Atomic<Int>(0)
    /// Why new leaves are refused at the moment; they are taken when it is empty.
    private let obstacles: Mutex<Obstacles>
    private let replicated: ReplicatedSize
    private let writer: LeafWriter
    private let metrics: LogMetrics

    /// An intake that verifies on `verifiers`, at least one, and commits through `writer`.
    ///
    /// - Parameters:
    ///   - replicated: which committed leaves count as logged.
    ///   - isPublished: false: leaves are refused until ``setPublished()``.
    init(
        verifiers: [ThreadExecutor], writer: LeafWriter, replicated: ReplicatedSize,
        metrics: LogMetrics, isPublished: Bool
    ) {
        self.replicated = replicated
        obstacles = Mutex(Obstacles(isUnpublished: !isPublished))
        precondition(!verifiers.isEmpty)
        state = Mutex(State(idleVerifiers: verifiers, verifierCount: verifiers.count))
        self.writer = writer
        self.metrics = metrics
    }

    /// What became of a leaf that was submitted.
    enum Outcome {
        /// The waiter will be answered.
        case kept
        /// The waiter is to be answered with this, now.
        case refused(AddLeafAnswer)
        /// Leaves were committed since the caller looked for this one: it has to look again.
        case outdated

        fileprivate init(_ admission: SubmissionTable<SubmissionWaiter>.Admission) {
            switch admission {
            case .queued, .joined: self = .kept
            case .overloaded: self = .refused(.unavailable(.overloaded))
            case .outdated: self = .outdated
            }
        }
    }

    /// The number of batches that have left the table, all that were committed being in the tree.
    /// From any thread, without a lock.
    var finishedCount: Int { finished.load(ordering: .acquiring) }

    private var refusal: AddLeafAnswer? { obstacles.withLock { $0.refusal } }

    /// Has `waiter` wait for a leaf that is being verified or committed already. nil: it is not, nor
    /// is it in the tree, as the caller found after it had read `finishedCount`. From any thread.
    func join(_ leafHash: Digest, waiter: SubmissionWaiter, finishedCount: Int) -> Outcome? {
        if let refusal { return .refused(refusal) }
        let admission = state.withLock {
            $0.table.join(leafHash, waiter: waiter, finishedCount: finishedCount)
        }
        return admission.map(Outcome.init)
    }

    /// Takes a leaf that the tree does not have, as the caller found after it had read
    /// `finishedCount`. If that has changed, the leaf may have passed through the table in between,
    /// and would be verified a second time. From any thread.
    ///
    /// - Parameter account: what it is charged to when it is added; nil: nothing is counted.
    func submit(
        _ leaf: UnverifiedLeaf, leafHash: Digest, account: Account?, waiter: SubmissionWaiter,
        finishedCount: Int
    ) -> Outcome {
        if let refusal { return .refused(refusal) }
        let (admission, verifier) = state.withLock { state in
            let admission = state.table.submit(
                leaf, leafHash: leafHash, account: account, waiter: waiter,
                finishedCount: finishedCount)
            return (admission, admission == .queued ? state.takeVerifierToCall() : nil)
        }
        if let verifier { verifier.post { self.verifyAll(on: verifier) } }
        return Outcome(admission)
    }

    /// The answer to a leaf that is committed and not published: that it is logged, if the
    /// secondaries have it, unless it is unknown whether its tree will ever be published. From any
    /// thread.
    func answer(toCommitted index: LeafIndex) -> AddLeafAnswer {
        if let standstill = obstacles.withLock({ $0.standstill }) { return standstill }
        return replicated.covers(index) ? .logged : .accepted
    }

    /// Answers requests for committed leaves as things stand now.
    func answer(_ waiting: [CommittedWaiter]) {
        let groups = Dictionary(grouping: waiting) { answer(toCommitted: $0.index) }
        for (answer, group) in groups { SubmissionWaiter.answer(group.map(\.waiter), answer) }
    }

    /// Refuses new leaves for as long as the disk is nearly full.
    func setDiskNearlyFull(_ isNearlyFull: Bool) {
        obstacles.withLock { $0.isDiskNearlyFull = isNearlyFull }
    }

    /// The tree that this process began with is published.
    func setPublished() {
        obstacles.withLock { $0.isUnpublished = false }
    }

    /// Refuses new leaves for the rest of the process's life.
    func halt() {
        obstacles.withLock { $0.isSigningHalted = true }
    }

    /// The leaves that the writer is to commit next, and what each is charged to; empty when none
    /// wait.
    func takeBatch() -> (leaves: [HashedLeaf], accounts: [Account?]) {
        state.withLock { state in
            let leaves = state.table.takeBatch(countMax: Self.batchCountMax)
            return (leaves, state.table.accounts(of: leaves))
        }
    }

    /// Answers all who wait for the leaves of `batch`, which is not to be committed.
    func refuse(_ batch: [HashedLeaf], _ answer: AddLeafAnswer) {
        SubmissionWaiter.answer(Array(finish(batch).joined()), answer)
    }

    /// Answers those who wait for the leaves of `batch`, which is committed, one leaf at each of
    /// `places`; returns those who are to wait for the secondaries.
    ///
    /// - Parameter refusal: the answer to a leaf that was refused, by its position.
    func finish(
        _ batch: [HashedLeaf], at places: [AppendedLeaf], refusal: (Int) -> AddLeafAnswer
    ) -> [CommittedWaiter] {
        var settled: [AddLeafAnswer: [SubmissionWaiter]] = [:]
        var waiting: [CommittedWaiter] = []
        for (number, (place, waiters)) in zip(places, finish(batch)).enumerated() {
            guard let index = place.index else {
                settled[refusal(number), default: []] += waiters
                continue
            }
            switch answer(toCommitted: index) {
            case .accepted: waiting += waiters.map { (index: index, waiter: $0) }
            case let answer: settled[answer, default: []] += waiters
            }
        }
        for (answer, waiters) in settled { SubmissionWaiter.answer(waiters, answer) }
        return waiting
    }

    private func finish(_ batch: [HashedLeaf]) -> [[SubmissionWaiter]] {
        state.withLock { state in
            let waiters = state.table.finish(batch)
            finished.store(state.table.finishedCount, ordering: .releasing)
            return waiters
        }
    }

    /// Whether there is a batch that the writer is to be called for: asked, and acted on, after
    /// whatever may have made it ready.
    func callWriter() -> Bool {
        state.withLock { $0.table.callWriter() }
    }

    /// On the thread of `verifier`: verifies until no leaf waits.
    private func verifyAll(on verifier: ThreadExecutor) {
        var signatures = SignatureVerifier()
        while let (leafHash, leaf) = takeForVerification(or: verifier) {
            do throws(LeafError) {
                let leaf = HashedLeaf(try leaf.verified(by: &signatures), leafHash: leafHash)
                metrics.validSignatures.add()
                state.withLock { $0.table.accept(leaf) }
            } catch {
                metrics.invalidSignatures.add()
                let waiters = state.withLock { $0.table.reject(leafHash) }
                SubmissionWaiter.answer(waiters, .invalidSignature)
            }
            if callWriter() { writer.commitSoon(from: self) }
        }
    }

    /// The next leaf; when there is none, `verifier` is idle from now on.
    private func takeForVerification(
        or verifier: ThreadExecutor
    ) -> (leafHash: Digest, leaf: UnverifiedLeaf)? {
        state.withLock { state in
            let next = state.table.takeForVerification()
            if next == nil { state.idleVerifiers.append(verifier) }
            return next
        }
    }
}
