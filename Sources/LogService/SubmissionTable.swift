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
    /// What became of a submission.
    package enum Admission: Equatable, Sendable {
        /// New: a verifier will take it.
        case queued
        /// The same leaf is on its way already; this waiter hears when the others do.
        case joined
        /// Too many are on their way: nothing was kept.
        case overloaded
        /// A batch has left since the caller looked for the leaf in the tree: it has to look again.
        /// Nothing was kept.
        case outdated
    }

    /// A leaf that is on its way.
    private struct Submission {
        /// On whose account it goes; nil where nothing is counted.
        let account: Account?
        var waiters: [Waiter]
    }

    private let countMax: Int
    private let waitersMax: Int
    /// By leaf hash.
    private var submissions: [Digest: Submission] = [:]
    private var waiting: Deque<(leafHash: Digest, leaf: UnverifiedLeaf)> = []
    private var verified: [HashedLeaf] = []
    /// Taken by the writer and not yet finished.
    private var committingCount = 0
    /// The writer has been called, and has not come yet.
    private var isWriterCalled = false

    /// A batch of so many leaves is not made to wait for more: what a commit costs by itself is
    /// small beside verifying them.
    private static var batchCountWorthwhile: Int { 64 }

    /// The number of batches that have left: those of their leaves that were committed are in the
    /// tree.
    package private(set) var finishedCount = 0

    /// An empty table that holds at most `countMax` leaves, from submission to commit, and at most
    /// `waitersMax` waiters for each.
    package init(countMax: Int, waitersMax: Int = 64) {
        self.countMax = countMax
        self.waitersMax = waitersMax
    }

    /// The number of leaves that wait for a verifier.
    package var waitingCount: Int { waiting.count }
    /// The number of leaves from submission to commit.
    package var count: Int { submissions.count }

    /// Has `waiter` wait for a leaf that is not in the tree, if it is on its way already, on whatever
    /// account. nil: it is not; nothing was kept.
    ///
    /// - Parameter finishedCount: ``finishedCount`` from before the caller looked for the leaf in the
    ///   tree. If it has changed, the leaf may have passed through here in between.
    package mutating func join(
        _ leafHash: Digest, waiter: Waiter, finishedCount: Int
    ) -> Admission? {
        guard let submission = submissions[leafHash] else {
            return finishedCount == self.finishedCount ? nil : .outdated
        }
        guard submission.waiters.count < waitersMax else { return .overloaded }
        submissions[leafHash]?.waiters.append(waiter)
        return .joined
    }

    /// Takes a leaf that is not in the tree. One that is on its way already goes on with the account
    /// that it has.
    ///
    /// - Parameters:
    ///   - account: what it is charged to when it is added; nil: nothing is counted.
    ///   - finishedCount: as for ``join(_:waiter:finishedCount:)``. If it has changed, the leaf might
    ///     be verified a second time.
    package mutating func submit(
        _ leaf: UnverifiedLeaf, leafHash: Digest, account: Account? = nil, waiter: Waiter,
        finishedCount: Int
    ) -> Admission {
        if let admission = join(leafHash, waiter: waiter, finishedCount: finishedCount) {
            return admission
        }
        guard submissions.count < countMax else { return .overloaded }
        submissions[leafHash] = Submission(account: account, waiters: [waiter])
        waiting.append((leafHash, leaf))
        return .queued
    }

    /// The next leaf to verify, oldest first.
    package mutating func takeForVerification() -> (leafHash: Digest, leaf: UnverifiedLeaf)? {
        waiting.popFirst()
    }

    /// A valid leaf goes on to the writer.
    package mutating func accept(_ leaf: HashedLeaf) {
        verified.append(leaf)
    }

    /// An invalid leaf ends here; returns who waited for it.
    package mutating func reject(_ leafHash: Digest) -> [Waiter] {
        submissions.removeValue(forKey: leafHash)?.waiters ?? []
    }

    /// Whether the writer is to be called now; true once for each batch.
    ///
    /// A commit costs about as much as one or two verifications, whatever is in it. So it waits
    /// until no more leaves are still to be verified than it would take: a leaf that comes alone is
    /// committed at once, and of many one half is verified while the other is committed.
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

    /// What the leaves of a batch that was taken are charged to.
    package func accounts(of batch: [HashedLeaf]) -> [Account?] {
        batch.map { submissions[$0.leafHash]?.account }
    }

    /// The batch is committed, or was not taken; returns who waited for each of its leaves.
    package mutating func finish(_ batch: [HashedLeaf]) -> [[Waiter]] {
        committingCount -= batch.count
        finishedCount += 1
        return batch.map { reject($0.leafHash) }
    }
}
