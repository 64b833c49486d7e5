// SPDX-License-Identifier: BSD-2-Clause

// What a replicator has to say to an operator: lines of the log, and counts.

package import MerkleLog

/// Something noteworthy that a replicator found. `count` says for how many times in a row, so that
/// the first can be told apart from repeats.
package enum ReplicatorNotice: Hashable, Sendable {
    /// All leaves of the primary are here: said the first time, after having been far behind, and
    /// after failures.
    case caughtUp(TreeSize)
    /// A request to the primary brought nothing of use.
    case failed(reason: String, count: Int)
    /// The primary answers again after so many failures.
    case recovered(failureCount: Int)
    /// The store could not take leaves for now.
    case postponed(reason: String, count: Int)
    /// It takes leaves again after so many refusals.
    case resumed(postponedCount: Int)
    /// Nothing is copied any more: what the primary has cannot follow on what is here.
    case halted(reason: String)
}
