// SPDX-License-Identifier: BSD-2-Clause

// Internal requests for what comes after the end of the tree. Each is held until the tree has grown
// past what its client has, or for as long as the client was willing to wait.

package import MerkleLog

/// Those who wait for a larger tree, each until its own deadline.
package struct HeldReads<Instant: InstantProtocol, Waiter> {
    private let countMax: Int
    /// In the order of their deadlines.
    private var held: [(deadline: Instant, size: TreeSize, waiter: Waiter)] = []

    /// Holds at most `countMax` waiters.
    package init(countMax: Int) {
        self.countMax = countMax
    }

    /// The number of waiters.
    package var count: Int { held.count }
    /// When the first of them has waited long enough.
    package var nextDeadline: Instant? { held.first?.deadline }

    /// Holds `waiter` until the tree has more than `size` leaves, or until `deadline`. False when
    /// there are too many: answer at once.
    package mutating func hold(
        _ waiter: Waiter, beyond size: TreeSize, until deadline: Instant
    ) -> Bool {
        guard held.count < countMax else { return false }
        // Nearly always all wait equally long, so that the place is at the end.
        var place = held.count
        while place > 0, held[place - 1].deadline > deadline { place -= 1 }
        held.insert((deadline, size, waiter), at: place)
        return true
    }

    /// Returns those for whom a tree of `size` leaves is large enough.
    package mutating func grown(to size: TreeSize) -> [Waiter] {
        let released = held.filter { $0.size < size }
        if !released.isEmpty { held.removeAll { $0.size < size } }
        return released.map(\.waiter)
    }

    /// Returns those that have waited long enough.
    package mutating func expired(at now: Instant) -> [Waiter] {
        let released = held.prefix { $0.deadline <= now }
        held.removeFirst(released.count)
        return released.map(\.waiter)
    }

    /// Returns all.
    package mutating func removeAll() -> [Waiter] {
        defer { held.removeAll() }
        return held.map(\.waiter)
    }
}
