// SPDX-License-Identifier: BSD-2-Clause

// Inclusion and consistency proofs (RFC 6962 sections 2.1.1 and 2.1.2; the walks are those of RFC
// 9162 sections 2.1.3 and 2.1.4, which need no recursion). Proving reads hashes of full subtrees
// and computes only the one node on the right edge that no full subtree has.

package import LogCrypto

/// Where the hashes of full subtrees come from: a store, or a list in a test.
package protocol NodeSource: ~Copyable {
    /// What reading a hash can fail with.
    associatedtype Failure: Error
    /// The hash of `node`, which is complete in the tree at hand.
    borrowing func hash(of node: Node) throws(Failure) -> Digest
}

/// The walks that make proofs: each hands the proof's hashes to `emit`, in their order on the wire.
package enum Proof {
    /// Proves that the leaf at `index` is in the tree of the first `size` leaves: its sibling
    /// first. Nothing is emitted for a tree of one leaf. Traps unless the leaf is within `size`.
    @inlinable
    package static func proveInclusion<Source: NodeSource & ~Copyable>(
        of index: LeafIndex, in size: TreeSize, from source: borrowing Source,
        hasher: inout TreeHasher, emit: (Digest) -> Void
    ) throws(Source.Failure) {
        precondition(index.isWithin(size))
        try emitSiblings(
            from: Node(level: 0, index: index.value), in: size, from: source, hasher: &hasher,
            emit: emit)
    }

    /// Proves that the tree of the first `oldSize` leaves is a prefix of that of the first `size`.
    /// Nothing is emitted when the sizes are equal. Traps unless 0 < `oldSize` <= `size`.
    @inlinable
    package static func proveConsistency<Source: NodeSource & ~Copyable>(
        from oldSize: TreeSize, to size: TreeSize, from source: borrowing Source,
        hasher: inout TreeHasher, emit: (Digest) -> Void
    ) throws(Source.Failure) {
        precondition(oldSize > .zero && oldSize <= size)
        guard oldSize < size else { return }
        // The largest full subtree that ends where the old tree ends.
        let level = oldSize.value.trailingZeroBitCount
        let node = Node(level: level, index: (oldSize.value >> UInt64(level)) - 1)
        // The verifier knows it already when it is the whole old tree.
        if node.index > 0 { emit(try source.hash(of: node)) }
        try emitSiblings(from: node, in: size, from: source, hasher: &hasher, emit: emit)
    }

    /// Emits the sibling of `node` and of each node above it, up to the root of the tree of `size`.
    @inlinable
    static func emitSiblings<Source: NodeSource & ~Copyable>(
        from node: Node, in size: TreeSize, from source: borrowing Source,
        hasher: inout TreeHasher, emit: (Digest) -> Void
    ) throws(Source.Failure) {
        var level = node.level
        var index = node.index
        var last = (size.value - 1) >> UInt64(level)
        while last > 0 {
            if index & 1 == 1 {
                emit(try source.hash(of: Node(level: level, index: index - 1)))
            } else if index < last {
                let sibling = Node(level: level, index: index + 1)
                if sibling.isComplete(in: size) {
                    emit(try source.hash(of: sibling))
                } else {
                    emit(
                        try edgeHash(
                            below: sibling, in: size, from: source, hasher: &hasher))
                }
            }
            index >>= 1
            last >>= 1
            level += 1
        }
    }

    /// The hash over the leaves below `node` that a tree of `size` has, which are some but not all:
    /// its full subtrees, joined from the smallest up.
    @inlinable
    static func edgeHash<Source: NodeSource & ~Copyable>(
        below node: Node, in size: TreeSize, from source: borrowing Source,
        hasher: inout TreeHasher
    ) throws(Source.Failure) -> Digest {
        let leafCount = size.value - node.index << UInt64(node.level)
        var level = leafCount.trailingZeroBitCount
        var hash = try source.hash(
            of: Node(level: level, index: (size.value >> UInt64(level)) - 1))
        level += 1
        while level < node.level {
            if leafCount >> UInt64(level) & 1 == 1 {
                let left = try source.hash(
                    of: Node(level: level, index: (size.value >> UInt64(level)) - 1))
                hash = hasher.nodeHash(left: left, right: hash)
            }
            level += 1
        }
        return hash
    }
}
