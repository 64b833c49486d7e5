// SPDX-License-Identifier: BSD-2-Clause

// What a primary has to say of its secondaries: lines of the log, and counts.

package import MerkleLog

/// Something noteworthy about secondaries, which are meant by their number.
package enum ReplicationNotice: Hashable, Sendable {
    /// A request brought no tree head. First: the one before did, be it a good one or not.
    case failed(Int, reason: String, isFirst: Bool)
    /// The secondary's tree head is not one of this log. First: it was none for that reason before.
    case rejected(Int, SecondaryRejection, isFirst: Bool)
    /// It is all right again, after so many requests in vain.
    case recovered(Int, failureCount: Int)
    /// It has fewer leaves than it had.
    case shrank(Int, from: TreeSize, to: TreeSize)
    /// A batch is replicated, so long after it was committed.
    case replicated(after: Swift.Duration)
    /// Leaves have waited for long: of `committedSize` only `size` are replicated.
    case stalled(size: TreeSize, committedSize: TreeSize)
    /// No leaf has waited for long any more.
    case resumed(size: TreeSize)
}
