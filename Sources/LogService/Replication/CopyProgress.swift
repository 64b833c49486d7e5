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

extension CopyProgress: CustomStringConvertible {
    /// `123904 of about 1000000 leaves, 41234 leaves a second, 22 s left`
    package var description: String {
        let rate = UInt64(leavesPerSecond.rounded())
        let end = timeLeft.map { ", \(Self.rounded($0)) left" } ?? ""
        return "\(done) of about \(total) leaves, \(rate) leaves a second\(end)"
    }

    /// In the largest unit of which there are two or more.
    private static func rounded(_ duration: Swift.Duration) -> String {
        let seconds = duration.components.seconds + 1
        if seconds < 120 { return "\(seconds) s" }
        return seconds < 7200 ? "\(seconds / 60) min" : "\(seconds / 3600) h"
    }
}
