// SPDX-License-Identifier: BSD-2-Clause

// What a publisher has to say to an operator: lines of the log, and counts.

/// Something noteworthy that a publisher found. Witnesses are meant by their number; `count` says
/// for how many times in a row, so that the first can be told apart from repeats.
package enum PublisherNotice: Hashable, Sendable {
    /// A request to the witness brought no cosignature.
    case witnessFailed(Int, reason: String, count: Int)
    /// The witness cosigned after so many failures.
    case witnessRecovered(Int, failureCount: Int)
    /// The witness has cosigned a tree that this log does not have.
    case witnessContradicts(Int, reason: String, isFirst: Bool)
    /// The witness cosigned with a time that is an hour from ours, or before that of its last
    /// cosignature.
    case witnessClockOdd(Int, time: UInt64, isFirst: Bool)
    /// The round has its quorum, so long after its beginning, and after so many without.
    case quorumReached(after: Swift.Duration, lostCount: Int)
    /// The round cannot have its quorum any more; these witnesses gave nothing.
    case quorumLost(missing: [Int], lostCount: Int)
    /// In the first round after the start a witness contradicted: nothing is signed any more.
    case halted(Int, reason: String)
}
