// SPDX-License-Identifier: BSD-2-Clause
//
// What a resolver counts for the operator. How long look-ups take is told to a closure, as
// histograms are kept elsewhere.

import Synchronization

/// Counts of one resolver since its start. Written by any thread, read by any.
package final class LookUpCounters: Sendable {
    private let foundCount = Atomic(0)
    private let nonexistentCount = Atomic(0)
    private let failedCount = Atomic(0)
    private let cachedCount = Atomic(0)
    private let joinedCount = Atomic(0)
    private let refusedCount = Atomic(0)

    /// Without counts.
    package init() {}

    /// Look-ups that gave records.
    package var found: Int { foundCount.load(ordering: .relaxed) }
    /// Look-ups that found that there are none.
    package var nonexistent: Int { nonexistentCount.load(ordering: .relaxed) }
    /// Look-ups that failed.
    package var failed: Int { failedCount.load(ordering: .relaxed) }
    /// Requests that an earlier look-up's answer was given for.
    package var cached: Int { cachedCount.load(ordering: .relaxed) }
    /// Requests that waited for a look-up which another one had asked for.
    package var joined: Int { joinedCount.load(ordering: .relaxed) }
    /// Requests that nothing was looked up for: too many were waiting, or no thread was to be had.
    package var refused: Int { refusedCount.load(ordering: .relaxed) }

    func lookedUp(_ answer: TXTAnswer) {
        switch answer {
        case .records: foundCount.add(1, ordering: .relaxed)
        case .nonexistent: nonexistentCount.add(1, ordering: .relaxed)
        case .failure: failedCount.add(1, ordering: .relaxed)
        }
    }

    func answeredFromCache() { cachedCount.add(1, ordering: .relaxed) }
    func joinedAnother() { joinedCount.add(1, ordering: .relaxed) }
    func refused(_ count: Int) { refusedCount.add(count, ordering: .relaxed) }
}
