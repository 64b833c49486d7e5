// SPDX-License-Identifier: BSD-2-Clause

// What is told to an operator while a secondary is far behind.

package import MerkleLog

/// How far copying is.
package struct CopyProgress: Hashable, Sendable {
    /// The leaves that are durable here.
    package let done: TreeSize
    /// About how many the primary has.
    package let total: UInt64
    /// How many came in a second, since the last time that progress was asked for.
    package let leavesPerSecond: Double
    /// How long the rest takes at this rate; nil when nothing came.
    package let timeLeft: Swift.Duration?

    init(done: TreeSize, total: UInt64, newCount: UInt64, elapsed: Swift.Duration) {
        self.done = done
        self.total = total
        let seconds = elapsed / .seconds(1)
        leavesPerSecond = seconds > 0 ? Double(newCount) / seconds : 0
        let left = Double(total - min(total, done.value))
        // A duration of more than some centuries says nothing and does not fit.
        let secondsMax = 1e10
        timeLeft =
            leavesPerSecond > 0 ? .seconds(min(left / leavesPerSecond, secondsMax)) : nil
    }
}
