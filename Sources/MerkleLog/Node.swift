// SPDX-License-Identifier: BSD-2-Clause

// Names of nodes, and the hashes of RFC 6962 section 2.1.

package import LogCrypto

/// The root of a full subtree: 2^level leaves, the first of which is leaf `index * 2^level`.
///
/// Level 0 are the leaf hashes. Nodes over an unfinished subtree have no name: they change as the
/// tree grows, so they are joined from named ones when they are needed.
@frozen
package struct Node: Hashable, Sendable {
    /// Height above the leaves, 0...62.
    package let level: Int
    /// Position among the nodes of its level, from 0.
    package let index: UInt64

    /// The node at `index` of `level`.
    @inlinable
    package init(level: Int, index: UInt64) {
        self.level = level
        self.index = index
    }

    /// Whether all its leaves are in a tree of `size` leaves.
    @inlinable
    package func isComplete(in size: TreeSize) -> Bool {
        index < size.value >> UInt64(level)
    }
}

/// The hash function of the tree, reusing one hashing context.
///
///     leaf hash  = SHA-256(0x00 || leaf)
///     node hash  = SHA-256(0x01 || left || right)
///     empty tree = SHA-256("")
package struct TreeHasher: ~Copyable {
    private var context = SHA256()

    /// A hasher with a context of its own, which is allocated.
    package init() {}

    /// The leaf hash of the bytes `leaf`.
    package mutating func leafHash(_ leaf: Span<UInt8>) -> Digest {
        context.begin()
        context.update(0)
        context.update(leaf)
        return context.finish()
    }

    /// The hash of the node over `left` and `right`.
    package mutating func nodeHash(left: Digest, right: Digest) -> Digest {
        var input = InlineArray<65, UInt8>(repeating: 1)
        for position in 0..<32 {
            input[1 + position] = left.bytes.storage[position]
            input[33 + position] = right.bytes.storage[position]
        }
        return context.hash(input.span)
    }

    /// The root hash of the tree without leaves.
    package mutating func emptyRoot() -> Digest {
        context.begin()
        return context.finish()
    }
}
