// SPDX-License-Identifier: BSD-2-Clause
//
// Timers of one reactor, earliest first: a heap of small entries, and the actions beside it.
// Cancelling takes the action away and leaves the entry; an entry without action is skipped when it
// comes up, and swept out when such entries are the majority. Setting the alarm is the reactor's
// part.

import HeapModule

/// A scheduled action, to cancel it by.
package struct Timer: Hashable, Sendable {
    /// Never used twice by a reactor.
    let sequence: UInt64
}

/// Actions ordered by the time they are due; those due at the same time in the order scheduled.
struct TimerQueue {
    enum Action {
        case call(() -> Void)
        case wake(Sleeper)
    }

    private struct Entry: Comparable {
        let deadline: MonotonicInstant
        let sequence: UInt64

        static func < (left: Entry, right: Entry) -> Bool {
            (left.deadline, left.sequence) < (right.deadline, right.sequence)
        }
    }

    /// Below this many entries a sweep is not worth its while.
    private static let sweepThreshold = 64

    private var entries = Heap<Entry>()
    private var actions: [UInt64: Action] = [:]
    private var lastSequence: UInt64 = 0

    /// Timers that are neither due nor cancelled.
    var count: Int { actions.count }

    /// Entries held, cancelled ones included: bounded by twice `count` and a constant.
    var entryCount: Int { entries.count }

    /// When the reactor must look again; nil when there is nothing to wait for. A cancelled timer
    /// may make this too early, never too late.
    var nextDeadline: MonotonicInstant? { entries.min?.deadline }

    mutating func schedule(at deadline: MonotonicInstant, _ action: Action) -> Timer {
        lastSequence += 1
        entries.insert(Entry(deadline: deadline, sequence: lastSequence))
        actions[lastSequence] = action
        return Timer(sequence: lastSequence)
    }

    /// Does nothing if the timer has fired or was cancelled.
    mutating func cancel(_ timer: Timer) {
        actions[timer.sequence] = nil
        guard entries.count > 2 * actions.count + Self.sweepThreshold else { return }
        entries = Heap(entries.unordered.filter { actions[$0.sequence] != nil })
    }

    /// The next action that is due, removed from the queue.
    mutating func popDue(at now: MonotonicInstant) -> Action? {
        while let entry = entries.min, entry.deadline <= now {
            entries.removeMin()
            if let action = actions.removeValue(forKey: entry.sequence) { return action }
        }
        return nil
    }

    /// Empties the queue and returns the actions that will not run, in no order.
    mutating func removeAll() -> [Action] {
        defer {
            entries = Heap()
            actions = [:]
        }
        return Array(actions.values)
    }
}
