// SPDX-License-Identifier: BSD-2-Clause

// Leaves on their way into the tree. Each is here once, from its first add-leaf until its batch is
// committed or its signature found invalid, whatever number of requests ask for it:
//
//     submit -> waiting -> (a verifier) -> verified -> (the writer's batch) -> committed
//                                       -> invalid
//
// A value without clocks, threads or sockets; whoever drives it holds it in a lock.

internal import DequeModule
package import LogCrypto
package import SigsumFormats
package import TileStore

/// The leaves being verified and committed, and who waits for each.
package struct SubmissionTable<Waiter: Sendable>: Sendable {
    private struct Submission {
        var waiters: [Waiter]
    }

    /// What became of a submission.
    package enum Admission: Equatable, Sendable {
        /// New: a verifier will take it.
        case queued
        /// The same leaf is on its way already; this waiter hears when the others do.
        case joined
        /// Too many wait: nothing was kept.
        case overloaded
    }

    /// The most leaves that wait for a verifier, and the most waiters for one leaf.
    private let waitingMax: Int
    private let waitersMax: Int
    private var submissions: [Digest: Submission] = [:]
    private var waiting: Deque<(leafHash: Digest, leaf: UnverifiedLeaf)> = []
    private var verified: [HashedLeaf] = []
    /// Taken by the writer and not yet finished.
    private var committingCount = 0
    /// The writer has been called, and has not come yet.
    private var isWriterCalled = false

    /// A batch of so many leaves is not made to wait for more: what a commit costs by itself is small
    /// beside verifying them.
    private static var batchCountWorthwhile: Int { 64 }

    /// An empty table that holds at most `waitingMax` leaves not yet verified.
    package init(waitingMax: Int, waitersMax: Int = 64) {
        self.waitingMax = waitingMax
        self.waitersMax = waitersMax
    }

    /// The number of leaves that wait for a verifier.
    package var waitingCount: Int { waiting.count }
    /// The number of leaves from submission to commit.
    package var count: Int { submissions.count }
    /// Whether leaves wait for the writer.
    package var hasVerified: Bool { !verified.isEmpty }

    /// Takes a leaf that is not in the tree.
    package mutating func submit(
        _ leaf: UnverifiedLeaf, leafHash: Digest, waiter: Waiter
    ) -> Admission {
        if let known = submissions[leafHash] {
            guard known.waiters.count < waitersMax else { return .overloaded }
            submissions[leafHash]?.waiters.append(waiter)
            return .joined
        }
        guard waiting.count < waitingMax else { return .overloaded }
        submissions[leafHash] = Submission(waiters: [waiter])
        waiting.append((leafHash, leaf))
        return .queued
    }

    /// The next leaf to verify, oldest first.
    package mutating func takeForVerification() -> (leafHash: Digest, leaf: UnverifiedLeaf)? {
        waiting.popFirst()
    }

    /// A valid leaf goes on to the writer. Returns whether it is the first to wait for it.
    package mutating func accept(_ leaf: HashedLeaf) -> Bool {
        verified.append(leaf)
        return verified.count == 1
    }

    /// An invalid leaf ends here; returns who waited for it.
    package mutating func reject(_ leafHash: Digest) -> [Waiter] {
        submissions.removeValue(forKey: leafHash)?.waiters ?? []
    }

    /// Whether the writer is to be called now; true once for each batch.
    ///
    /// A commit costs about as much as one or two verifications, whatever is in it. So it waits until no
    /// more leaves are still to be verified than it would take: a leaf that comes alone is committed
    /// at once, and of many one half is verified while the other is committed.
    package mutating func callWriter() -> Bool {
        let unverifiedCount = submissions.count - verified.count - committingCount
        guard !isWriterCalled, !verified.isEmpty,
            verified.count >= min(unverifiedCount, Self.batchCountWorthwhile)
        else { return false }
        isWriterCalled = true
        return true
    }

    /// All leaves that wait for the writer, in the order of their acceptance, at most `countMax`.
    package mutating func takeBatch(countMax: Int) -> [HashedLeaf] {
        isWriterCalled = false
        let batch = Array(verified.prefix(countMax))
        verified.removeFirst(batch.count)
        committingCount += batch.count
        return batch
    }

    /// The batch is committed, or was not taken; returns who waited for each of its leaves.
    package mutating func finish(_ batch: [HashedLeaf]) -> [[Waiter]] {
        committingCount -= batch.count
        return batch.map { reject($0.leafHash) }
    }
}
