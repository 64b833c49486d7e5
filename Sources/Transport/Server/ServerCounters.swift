// SPDX-License-Identifier: BSD-2-Clause
//
// What a server counts for the operator. Requests that reach a handler are counted by those who
// know what they mean.

package import HTTPWire
import Synchronization

/// Counts of one server since its start. Written on its reactor's thread, read by any.
package final class ServerCounters: Sendable {
    private let openCount = Atomic(0)
    private let acceptedCount = Atomic(0)
    private let refusedCount = Atomic(0)
    private let malformedCounts = Mutex<[Status: Int]>([:])

    /// Without counts.
    package init() {}

    /// Connections that are open now.
    package var open: Int { openCount.load(ordering: .relaxed) }
    /// Connections accepted and served.
    package var accepted: Int { acceptedCount.load(ordering: .relaxed) }
    /// Connections turned away because there were too many.
    package var refused: Int { refusedCount.load(ordering: .relaxed) }
    /// Requests that were answered here, without a handler, by status: malformed ones, those over a
    /// limit, and those that did not come to their end in time (408).
    package var malformed: [Status: Int] { malformedCounts.withLock { $0 } }

    func connectionOpened() {
        openCount.add(1, ordering: .relaxed)
        acceptedCount.add(1, ordering: .relaxed)
    }

    func connectionClosed() {
        openCount.subtract(1, ordering: .relaxed)
    }

    func connectionRefused() {
        refusedCount.add(1, ordering: .relaxed)
    }

    func requestMalformed(_ status: Status) {
        malformedCounts.withLock { $0[status, default: 0] += 1 }
    }
}
