// SPDX-License-Identifier: BSD-2-Clause

// Requests that this node makes of others, by what they were answered with.

internal import Synchronization

/// Counts requests by HTTP status. Any thread may record, any may read.
final class StatusCounts: Sendable {
    /// 0 stands for no whole answer.
    private let counts = Mutex<[Int: UInt64]>([:])

    /// Records a request and what it was answered with; nil when there was no whole answer.
    func record(status: Int?) {
        counts.withLock { $0[status ?? 0, default: 0] += 1 }
    }

    /// What was recorded, as labels have it: `none` for no whole answer.
    var byStatus: [(status: String, count: UInt64)] {
        counts.withLock { $0 }.sorted { $0.key < $1.key }
            .map { (status: $0.key == 0 ? "none" : String($0.key), count: $0.value) }
    }
}
