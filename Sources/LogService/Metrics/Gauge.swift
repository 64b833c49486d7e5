// SPDX-License-Identifier: BSD-2-Clause

// One number of the metrics.

internal import Synchronization

/// A count or a level that any thread may change and read.
package final class Gauge: Sendable {
    private let value = Atomic<UInt64>(0)

    /// Zero.
    package init() {}

    /// Adds to a count.
    package func add(_ amount: UInt64 = 1) { value.wrappingAdd(amount, ordering: .relaxed) }

    /// Takes from a level.
    package func subtract(_ amount: UInt64 = 1) {
        value.wrappingSubtract(amount, ordering: .relaxed)
    }

    /// Sets a level.
    package func set(_ level: UInt64) { value.store(level, ordering: .relaxed) }

    /// The count or level now.
    package var current: UInt64 { value.load(ordering: .relaxed) }
}
