// SPDX-License-Identifier: BSD-2-Clause

// The least that must be kept to go on with a tree: the roots of the full subtrees that it splits
// into, at most one a level.

package import LogCrypto

/// The full subtrees of a tree, largest first: what is needed to append leaves and to know the
/// root.
package struct Frontier: Sendable {
    /// The number of leaves.
    package private(set) var size: TreeSize
    /// One root for each bit set in the size, that of the highest bit first.
    package private(set) var peaks: [Digest]

    /// The empty tree.
    package init() {
        size = .zero
        peaks = []
    }

    /// The frontier of the tree of `size` leaves in `source`, of which one hash is read for each
    /// bit set in the size.
    package init<Source: NodeSource & ~Copyable>(
        of size: TreeSize, in source: borrowing Source
    ) throws(Source.Failure) {
        self.size = size
        peaks = []
        for level in stride(from: 62, through: 0, by: -1)
        where size.value >> UInt64(level) & 1 == 1 {
            let index = (size.value >> UInt64(level)) - 1
            peaks.append(try source.hash(of: Node(level: level, index: index)))
        }
    }

    /// Appends one leaf by its leaf hash; joins each subtree that it completes.
    package mutating func append(_ leafHash: Digest, hasher: inout TreeHasher) {
        var hash = leafHash
        for _ in 0..<size.value.trailingOneBitCount {
            hash = hasher.nodeHash(left: peaks.removeLast(), right: hash)
        }
        peaks.append(hash)
        size = size.advanced(by: 1)
    }

    /// The root hash.
    package func root(hasher: inout TreeHasher) -> Digest {
        guard var root = peaks.last else { return hasher.emptyRoot() }
        for peak in peaks.dropLast().reversed() {
            root = hasher.nodeHash(left: peak, right: root)
        }
        return root
    }
}

extension FixedWidthInteger {
    /// The number of one bits below the lowest zero bit.
    var trailingOneBitCount: Int { (~self).trailingZeroBitCount }
}
