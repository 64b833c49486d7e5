// SPDX-License-Identifier: BSD-2-Clause

// Add-leaf requests for leaves that are committed, which wait a little for something that happens to
// the tree's beginning up to their leaf: a new leaf for its replication, one that was sent again for
// its publication, so that the submitter's next question is one that can be answered.

internal import DequeModule
package import MerkleLog

/// Waiters, each until its deadline. As all wait equally long, they stand in the order of their
/// deadlines.
package struct HeldSubmissions<Instant: InstantProtocol, Waiter> {
    /// A waiter, and the index of the leaf that it asks for.
    package typealias Entry = (index: LeafIndex, waiter: Waiter)

    private let countMax: Int
    private var held: Deque<(deadline: Instant, entry: Entry)> = []

    /// Holds at most `countMax` waiters.
    package init(countMax: Int) {
        self.countMax = countMax
    }

    /// The number of waiters.
    package var count: Int { held.count }
    /// When the first of them has waited long enough.
    package var nextDeadline: Instant? { held.first?.deadline }

    /// Holds `waiter` for the leaf at `index` until it is asked for or `deadline`, which is not before
    /// that of any other. False when there are too many: answer at once.
    package mutating func hold(_ waiter: Waiter, for index: LeafIndex, until deadline: Instant)
        -> Bool
    {
        guard held.count < countMax else { return false }
        assert(held.last.map { $0.deadline <= deadline } ?? true)
        held.append((deadline, (index, waiter)))
        return true
    }

    /// Returns those whose leaves are among the first `size`.
    package mutating func take(within size: TreeSize) -> [Entry] {
        var taken: [Entry] = []
        var rest: Deque<(deadline: Instant, entry: Entry)> = []
        for (deadline, entry) in held {
            if entry.index.isWithin(size) {
                taken.append(entry)
            } else {
                rest.append((deadline, entry))
            }
        }
        held = rest
        return taken
    }

    /// Returns those that have waited long enough.
    package mutating func takeExpired(at now: Instant) -> [Entry] {
        var taken: [Entry] = []
        while let first = held.first, first.deadline <= now {
            taken.append(first.entry)
            held.removeFirst()
        }
        return taken
    }

    /// Returns all.
    package mutating func takeAll() -> [Entry] {
        defer { held.removeAll() }
        return held.map(\.entry)
    }
}
