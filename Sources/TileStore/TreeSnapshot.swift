// SPDX-License-Identifier: BSD-2-Clause

// The tree of the first leaves: of a size that was signed, published, or that another node says it
// has. What is stored once never changes, so each smaller tree is still there.

package import LogCrypto
package import MerkleLog
package import SigsumFormats

/// A tree of which the unfinished tiles are at hand: with the store's complete tiles, all that a
/// proof in that tree needs.
package struct TreeSnapshot: Sendable {
    /// Size and root hash.
    package let treeHead: TreeHead
    /// The nodes that no complete tile has, at this size.
    package let edge: RightEdge

    /// A tree head with the edge of the same size.
    package init(treeHead: TreeHead, edge: RightEdge) {
        precondition(treeHead.size == edge.size)
        self.treeHead = treeHead
        self.edge = edge
    }
}

extension StoreReader {
    /// The tree of the first `size` leaves: its edge is rebuilt from at most 255 stored hashes a
    /// level, and its root hash follows from that. Throws ``StoreError/corrupt(_:)`` when fewer
    /// leaves are committed.
    package func snapshot(of size: TreeSize) throws(StoreError) -> TreeSnapshot {
        var hasher = TreeHasher()
        let edge = try read { view throws(StoreError) in
            try view.checkHolds(size)
            return try RightEdge(of: size, from: view, hasher: &hasher)
        }
        let treeHead = TreeHead(size: size, rootHash: edge.root(hasher: &hasher))
        return TreeSnapshot(treeHead: treeHead, edge: edge)
    }

    /// The root hash of the first `size` leaves, from one stored hash for each bit set in the size.
    /// Throws ``StoreError/corrupt(_:)`` when fewer leaves are committed.
    package func rootHash(of size: TreeSize) throws(StoreError) -> Digest {
        let frontier = try read { view throws(StoreError) in
            try view.checkHolds(size)
            return try Frontier(of: size, in: view)
        }
        var hasher = TreeHasher()
        return frontier.root(hasher: &hasher)
    }
}

extension StoreView {
    fileprivate borrowing func checkHolds(_ size: TreeSize) throws(StoreError) {
        let committed = try treeHead().size
        guard size <= committed else {
            throw .corrupt("of a tree of \(size) leaves only \(committed) are stored")
        }
    }
}
