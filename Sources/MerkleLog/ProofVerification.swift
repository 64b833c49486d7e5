// SPDX-License-Identifier: BSD-2-Clause

// The other side of Proof.swift: RFC 9162 sections 2.1.3.2 and 2.1.4.2, step by step.

package import LogCrypto

extension Proof {
    /// Whether `path` proves that the leaf with `leafHash` is at `index` of the tree with `size`
    /// leaves and root hash `root`.
    package static func verifyInclusion(
        of leafHash: Digest, at index: LeafIndex, in size: TreeSize, root: Digest,
        path: [Digest]
    ) -> Bool {
        guard index.isWithin(size) else { return false }
        var hasher = TreeHasher()
        var hash = leafHash
        var position = index.value
        var last = size.value - 1
        for sibling in path {
            guard last > 0 else { return false }
            if position & 1 == 1 || position == last {
                hash = hasher.nodeHash(left: sibling, right: hash)
                while position & 1 == 0, position > 0 {
                    position >>= 1
                    last >>= 1
                }
            } else {
                hash = hasher.nodeHash(left: hash, right: sibling)
            }
            position >>= 1
            last >>= 1
        }
        return last == 0 && hash == root
    }

    /// Whether `path` proves that the tree of `oldSize` leaves and root hash `oldRoot` is a prefix
    /// of the one of `size` leaves and root hash `root`. Every tree continues the empty one.
    package static func verifyConsistency(
        from oldSize: TreeSize, oldRoot: Digest, to size: TreeSize, root: Digest, path: [Digest]
    ) -> Bool {
        var hasher = TreeHasher()
        guard oldSize > .zero else { return path.isEmpty && oldRoot == hasher.emptyRoot() }
        guard oldSize < size else { return oldSize == size && path.isEmpty && oldRoot == root }
        let startLevel = UInt64(oldSize.value.trailingZeroBitCount)
        var position = (oldSize.value - 1) >> startLevel
        var last = (size.value - 1) >> startLevel
        var rest = path[...]
        // A full old tree is where the walk starts; the proof then leaves it out.
        guard let first = position == 0 ? oldRoot : rest.popFirst() else { return false }
        var oldHash = first
        var hash = first
        for sibling in rest {
            guard last > 0 else { return false }
            if position & 1 == 1 || position == last {
                oldHash = hasher.nodeHash(left: sibling, right: oldHash)
                hash = hasher.nodeHash(left: sibling, right: hash)
                while position & 1 == 0, position > 0 {
                    position >>= 1
                    last >>= 1
                }
            } else {
                hash = hasher.nodeHash(left: hash, right: sibling)
            }
            position >>= 1
            last >>= 1
        }
        return last == 0 && oldHash == oldRoot && hash == root
    }
}
