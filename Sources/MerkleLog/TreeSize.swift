// SPDX-License-Identifier: BSD-2-Clause

// Sizes and indices of the tree. A size counts leaves, an index names one: mixing them up is how
// proofs go wrong, so they are different types.

/// A number of leaves, 0...2^63-1 (the largest integer of the Sigsum wire format).
@frozen
package struct TreeSize: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// The largest size that the wire format can say: 2^63-1.
    @inlinable
    package static var max: TreeSize { TreeSize(unchecked: UInt64(Int64.max)) }
    /// The size of the empty tree.
    @inlinable
    package static var zero: TreeSize { TreeSize(unchecked: 0) }

    /// The count itself.
    package let value: UInt64

    /// The size `value`; nil above ``max``.
    @inlinable
    package init?(_ value: UInt64) {
        guard value <= Self.max.value else { return nil }
        self.value = value
    }

    @inlinable
    init(unchecked value: UInt64) { self.value = value }

    @inlinable
    package static func < (left: Self, right: Self) -> Bool { left.value < right.value }

    /// The size with `count` leaves more. Traps past ``max``.
    @inlinable
    package func advanced(by count: Int) -> TreeSize {
        let sum = value + UInt64(count)
        precondition(sum <= Self.max.value)
        return TreeSize(unchecked: sum)
    }

    /// The index that the next leaf appended to a tree of this size gets.
    @inlinable
    package var nextIndex: LeafIndex { LeafIndex(value) }

    /// The decimal number.
    package var description: String { String(value) }
}

/// The position of a leaf in the tree, from 0.
@frozen
package struct LeafIndex: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// The position itself.
    package let value: UInt64

    /// The leaf at position `value`.
    @inlinable
    package init(_ value: UInt64) { self.value = value }

    @inlinable
    package static func < (left: Self, right: Self) -> Bool { left.value < right.value }

    /// Whether a tree of `size` leaves has this leaf.
    @inlinable
    package func isWithin(_ size: TreeSize) -> Bool { value < size.value }

    /// The decimal number.
    package var description: String { String(value) }
}
