// SPDX-License-Identifier: BSD-2-Clause

// Add-leaf requests for leaves that are committed and not yet published, sent again: they wait a
// little, so that the submitter's next question is one that can be answered. One for each reactor.

internal import DequeModule
package import MerkleLog

/// Waiters for publication, each until its deadline. As all wait equally long, they stand in the
/// order of their deadlines.
package struct HeldSubmissions<Instant: InstantProtocol, Waiter> {
    private let countMax: Int
    private var held: Deque<(index: LeafIndex, deadline: Instant, waiter: Waiter)> = []

    /// Holds at most `countMax` waiters.
    package init(countMax: Int) {
        self.countMax = countMax
    }

    /// The number of waiters.
    package var count: Int { held.count }
    /// When the first of them has waited long enough.
    package var nextDeadline: Instant? { held.first?.deadline }

    /// Holds `waiter` until the leaf at `index` is published or `deadline`, which is not before
    /// that of any other. False when there are too many: answer at once.
    package mutating func hold(_ waiter: Waiter, for index: LeafIndex, until deadline: Instant)
        -> Bool
    {
        guard held.count < countMax else { return false }
        assert(held.last.map { $0.deadline <= deadline } ?? true)
        held.append((index, deadline, waiter))
        return true
    }

    /// Returns those whose leaves are in a published tree of `size`.
    package mutating func published(_ size: TreeSize) -> [Waiter] {
        var released: [Waiter] = []
        var rest: Deque<(index: LeafIndex, deadline: Instant, waiter: Waiter)> = []
        for entry in held {
            if entry.index.isWithin(size) {
                released.append(entry.waiter)
            } else {
                rest.append(entry)
            }
        }
        held = rest
        return released
    }

    /// Returns those that have waited long enough.
    package mutating func expired(at now: Instant) -> [Waiter] {
        var released: [Waiter] = []
        while let first = held.first, first.deadline <= now {
            released.append(first.waiter)
            held.removeFirst()
        }
        return released
    }

    /// Returns all.
    package mutating func removeAll() -> [Waiter] {
        defer { held.removeAll() }
        return held.map(\.waiter)
    }
}
