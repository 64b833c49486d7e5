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
        let nanoseconds = MonotonicInstant.now().nanoseconds - begun.nanoseconds
        metrics.record(.addLeaf, answer.status, nanoseconds: UInt64(max(0, nanoseconds)))
        ticket.complete { answer.write(to: &$0) }
    }
}

/// Takes new leaves from all reactors, has their signatures verified and hands them to the writer.
final class LeafIntake: Sendable {
    /// The most leaves that wait for a verifier: at 7,000 a second and core, about half a second.
    private static let waitingMax = 4096
    /// The most leaves in one commit: 128 KiB of leaves, a few milliseconds.
    private static let batchCountMax = 1024

    private struct Obstacles {
        var isDiskNearlyFull = false
        var isSigningHalted = false

        var reason: AddLeafAnswer.Unavailability? {
            if isSigningHalted { return .signingHalted }
            return isDiskNearlyFull ? .diskNearlyFull : nil
        }
    }

    private let table = Mutex(SubmissionTable<SubmissionWaiter>(waitingMax: waitingMax))
    /// Why new leaves are refused at the moment; they are taken when it is empty.
    private let obstacles = Mutex<Obstacles>(Obstacles())
    /// Changed within the table's lock only, read by anybody.
    private let finished = Atomic<Int>(0)
    private let verifiers: [ThreadExecutor]
    private let nextVerifier = Atomic<Int>(0)
    private let writer: LeafWriter
    private let metrics: LogMetrics

    /// An intake that verifies on `verifiers`, at least one, and commits through `writer`.
    init(verifiers: [ThreadExecutor], writer: LeafWriter, metrics: LogMetrics) {
        precondition(!verifiers.isEmpty)
        self.verifiers = verifiers
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
    }

    /// The number of batches that have left the table, all that were committed being in the tree.
    var finishedCount: Int { finished.load(ordering: .acquiring) }

    /// Takes a leaf that the tree does not have, as the caller found after it had read
    /// `finishedCount`. If that has changed, the leaf may have passed through the table in between,
    /// and would be verified a second time.
    func submit(
        _ leaf: UnverifiedLeaf, leafHash: Digest, waiter: SubmissionWaiter, finishedCount: Int
    ) -> Outcome {
        if let reason = obstacles.withLock({ $0.reason }) { return .refused(.unavailable(reason)) }
        let admission = table.withLock { table in
            finished.load(ordering: .relaxed) == finishedCount
                ? table.submit(leaf, leafHash: leafHash, waiter: waiter) : nil
        }
        switch admission {
        case nil: return .outdated
        case .overloaded: return .refused(.unavailable(.overloaded))
        case .joined: return .kept
        case .queued:
            // A verifier that is awake takes leaves until none is left, whoever was called for
            // them.
            let turn = nextVerifier.wrappingAdd(1, ordering: .relaxed).newValue
            verifiers[Int(UInt(bitPattern: turn) % UInt(verifiers.count))].post { self.verifyAll() }
            return .kept
        }
    }

    /// Refuses new leaves for as long as the disk is nearly full.
    func setDiskNearlyFull(_ isNearlyFull: Bool) {
        obstacles.withLock { $0.isDiskNearlyFull = isNearlyFull }
    }

    /// Refuses new leaves for the rest of the process's life.
    func halt() {
        obstacles.withLock { $0.isSigningHalted = true }
    }

    /// The leaves that the writer is to commit next; empty when none wait.
    func takeBatch() -> [HashedLeaf] {
        table.withLock { $0.takeBatch(countMax: Self.batchCountMax) }
    }

    /// Whether leaves wait for the writer.
    var hasVerified: Bool { table.withLock { $0.hasVerified } }

    /// Answers all who wait for the leaves of `batch`, which is committed, or is not to be.
    func finish(_ batch: [HashedLeaf], _ answer: AddLeafAnswer) {
        let waiters = table.withLock { table in
            finished.wrappingAdd(1, ordering: .releasing)
            return table.finish(batch)
        }
        for waiter in waiters.joined() { waiter.answer(answer) }
    }

    /// On a verifier's thread.
    private func verifyAll() {
        while let (leafHash, leaf) = table.withLock({ $0.takeForVerification() }) {
            do throws(LeafError) {
                let leaf = HashedLeaf(try leaf.verified(), leafHash: leafHash)
                metrics.validSignatures.add()
                let isFirst = table.withLock { $0.accept(leaf) }
                if isFirst { writer.commitSoon(from: self) }
            } catch {
                metrics.invalidSignatures.add()
                let waiters = table.withLock { $0.reject(leafHash) }
                for waiter in waiters { waiter.answer(.invalidSignature) }
            }
        }
    }
}
