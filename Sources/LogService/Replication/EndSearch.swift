// SPDX-License-Identifier: BSD-2-Clause

// How many leaves the primary has. Nothing in get-leaves says so, but whether it has a certain leaf
// costs one small request: steps that double until there is no such leaf, then halves between.

/// A search for the size of the primary's tree: to one percent of what is to be copied, or to as
/// much as one answer has.
struct EndSearch: Sendable {
    /// What was here when it began.
    private let base: UInt64
    /// The primary has at least so many leaves; not many more when there is no ``position`` any more.
    private(set) var low: UInt64
    /// It had at most so many; nil until a leaf was asked for that it does not have.
    private var high: UInt64?
    private var step: UInt64
    private let firstStep: UInt64

    /// Sizes up to this can be said on the wire.
    private static var sizeMax: UInt64 { UInt64(Int64.max) }

    /// - Parameters:
    ///   - size: the primary has at least so many leaves.
    ///   - step: how many leaves an answer has, at least 1.
    init(from size: UInt64, step: UInt64) {
        precondition(step > 0 && step <= Self.sizeMax && size <= Self.sizeMax)
        base = size
        low = size
        self.step = step
        firstStep = step
    }

    /// The index of the leaf to ask for; nil when the size is known well enough.
    var position: UInt64? {
        guard let high else { return low < Self.sizeMax ? guess : nil }
        let isClose = high - low <= max((high - base) / 100, firstStep)
        return isClose ? nil : low + (high - low) / 2
    }

    /// Neither summand is above 2^63-1.
    private var guess: UInt64 { min(low + step, Self.sizeMax - 1) }

    /// The primary has at least `size` leaves, from whatever it is known.
    mutating func found(atLeast size: UInt64) {
        low = max(low, min(size, Self.sizeMax))
        high = high.map { max($0, low) }
    }

    /// The leaf at `position` is there.
    mutating func found(leafAt position: UInt64) {
        if high == nil { step = min(step, Self.sizeMax / 2) * 2 }
        found(atLeast: position + 1)
    }

    /// The primary has no more than `size` leaves. It may have had more known leaves than that by
    /// another answer, since it grows.
    mutating func found(atMost size: UInt64) {
        high = max(low, min(size, high ?? size))
    }

    /// The primary had exactly `size` leaves.
    mutating func found(exactly size: UInt64) {
        found(atLeast: size)
        high = low
    }
}
