// SPDX-License-Identifier: BSD-2-Clause
//
// What an operator hears of publishing. Lines at info tell when something changes; as long as it
// stays so they are at debug.

import LogService
import Logging
import MerkleLog

/// Turns the publisher's notices into log lines and counts.
struct PublishingReport: Sendable {
    let logger: Logger
    let metrics: LogMetrics

    /// - Parameter size: of the tree that the present round is about.
    func tell(_ notice: PublisherNotice, size: TreeSize) {
        let policy = metrics.policy
        switch notice {
        case .witnessFailed(let witness, let reason, let count):
            say(
                count == 1 ? .info : .debug,
                "witness \(name(witness)): no cosignature: \(reason)")
        case .witnessRecovered(let witness, let failureCount):
            say(.info, "witness \(name(witness)): cosigns again, failures before: \(failureCount)")
        case .witnessContradicts(let witness, let reason, let isFirst):
            policy.witnesses[witness].contradictions.add()
            say(
                isFirst ? .error : .debug,
                "witness \(name(witness)): contradicts this log: \(reason)")
        case .witnessClockOdd(let witness, let time, let isFirst):
            policy.witnesses[witness].oddTimes.add()
            say(
                isFirst ? .warning : .debug,
                "witness \(name(witness)): cosigned with the time \(time), here it is "
                    + "\(UnixTime.now()): an hour off, or before its last one; used all the same")
        case .quorumReached(let duration, let lostCount):
            policy.quorumDurations.record(duration)
            metrics.publishedTime.set(UnixTime.now())
            if lostCount > 0 { say(.info, "quorum reached again, rounds without: \(lostCount)") }
        case .quorumLost(let missing, let lostCount):
            policy.quorumsLost.add()
            let names = missing.map(name).joined(separator: ", ")
            say(
                lostCount == 1 ? .warning : .debug,
                "no quorum for the tree of \(size) leaves, the published tree head stays; no "
                    + "cosignature of \(names)")
        case .halted:
            // Said by whoever halts, for whatever reason.
            break
        }
    }

    /// A witness as the policy names it.
    func name(_ witness: Int) -> String { metrics.policy.witnesses[witness].name }

    private func say(_ level: Logger.Level, _ text: String) {
        logger.log(level: level, "\(text)")
    }
}
