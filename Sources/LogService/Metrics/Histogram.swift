// SPDX-License-Identifier: BSD-2-Clause

// Counted times, in the shape that Prometheus reads.

internal import Synchronization

/// A histogram of durations. Any thread may record, any may read; a reader may see one record's sum
/// before its count, which a scrape does not mind.
package final class Histogram: Sendable {
    /// The upper bounds of the buckets, in microseconds; a last one has none.
    static let boundsMicroseconds: InlineArray<14, UInt64> = [
        25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 100_000, 500_000, 1_000_000,
        5_000_000,
    ]

    private let buckets: InlineArray<15, Atomic<UInt64>> = InlineArray { _ in Atomic(0) }
    private let sumNanoseconds = Atomic<UInt64>(0)

    /// Without records.
    package init() {}

    /// Records one duration.
    package func record(nanoseconds: UInt64) {
        var bucket = 0
        while bucket < Self.boundsMicroseconds.count,
            nanoseconds > 1_000 * Self.boundsMicroseconds[bucket]
        {
            bucket += 1
        }
        buckets[bucket].wrappingAdd(1, ordering: .relaxed)
        sumNanoseconds.wrappingAdd(nanoseconds, ordering: .relaxed)
    }

    /// Records one duration.
    package func record(_ duration: Duration) {
        let (seconds, attoseconds) = duration.components
        let nanoseconds = seconds * 1_000_000_000 + attoseconds / 1_000_000_000
        record(nanoseconds: UInt64(max(0, nanoseconds)))
    }

    /// What was recorded so far.
    var totals: HistogramTotals {
        var totals = HistogramTotals()
        for bucket in 0..<15 { totals.buckets[bucket] = buckets[bucket].load(ordering: .relaxed) }
        totals.sumNanoseconds = sumNanoseconds.load(ordering: .relaxed)
        return totals
    }
}

/// A histogram's numbers at one moment; several can be added.
struct HistogramTotals {
    var buckets = InlineArray<15, UInt64>(repeating: 0)
    var sumNanoseconds: UInt64 = 0

    var count: UInt64 {
        var count: UInt64 = 0
        for bucket in 0..<15 { count += buckets[bucket] }
        return count
    }

    mutating func add(_ other: HistogramTotals) {
        for bucket in 0..<15 { buckets[bucket] += other.buckets[bucket] }
        sumNanoseconds += other.sumNanoseconds
    }
}
