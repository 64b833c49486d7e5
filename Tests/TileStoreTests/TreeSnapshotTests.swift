// SPDX-License-Identifier: BSD-2-Clause

// Trees of the first leaves of a store that has gone on.

import LogCrypto
import MerkleLog
import SigsumFormats
import TestSupport
import Testing

@testable import TileStore

@Suite struct TreeSnapshotTests {
    /// Every smaller tree, in stores whose ends lie around the slab borders.
    @Test(arguments: [0, 1, 2, 255, 256, 257, 511, 512, 513, 600])
    func everySmallerTree(stored: Int) throws {
        let store = try TileStore.ephemeral()
        _ = try StoreWriter(store).append(Array(Golden.leaves[..<stored]))
        let reader = try StoreReader(store)
        for size in 0...stored {
            let tree = try reader.snapshot(of: treeSize(size))
            #expect(tree.treeHead == Golden.treeHead(size))
            #expect(tree.edge.size == treeSize(size))
            #expect(try reader.rootHash(of: treeSize(size)) == Golden.roots[size])
        }
        let expected = "of a tree of \(stored + 1) leaves only \(stored) are stored"
        #expect(words { try reader.snapshot(of: treeSize(stored + 1)) }.contains(expected))
        #expect(words { try reader.rootHash(of: treeSize(stored + 1)) }.contains(expected))
    }

    /// Past 65,536 leaves, where tiles of level 1 begin.
    @Test func treesWithHigherTiles() throws {
        let store = try TileStore.ephemeral()
        let writer = try StoreWriter(store)
        var hasher = TreeHasher()
        var heads: [TreeHead] = []
        var next = 0
        for end in [300, 65_535, 65_536, 65_537, 65_792, 66_100] {
            let leaves = syntheticLeaves(next..<end, hasher: &hasher)
            #expect(try writer.append(sequence: leaves) == .appended)
            next = end
            heads.append(writer.treeHead)
        }
        let reader = try StoreReader(store)
        for head in heads {
            #expect(try reader.rootHash(of: head.size) == head.rootHash)
            let tree = try reader.snapshot(of: head.size)
            #expect(tree.treeHead == head)
            // Its edge is what a proof in that tree needs.
            let index = Int(head.size.value - 1)
            let path = try reader.inclusionProof(of: index, in: head.size, tree: tree)
            let leafHash = syntheticLeaves(index..<index + 1, hasher: &hasher)[0].leafHash
            #expect(
                Proof.verifyInclusion(
                    of: leafHash, at: LeafIndex(UInt64(index)), in: head.size,
                    root: head.rootHash, path: path))
        }
    }

    @Test(arguments: [0, 1, 255, 256, 257, 600])
    func theLastLeaf(stored: Int) throws {
        let store = try TileStore.ephemeral()
        let writer = try StoreWriter(store)
        let reader = try StoreReader(store)
        #expect(try reader.lastLeaf() == nil)
        _ = try writer.append(Array(Golden.leaves[..<stored]))
        #expect(try reader.lastLeaf() == Golden.leaves[..<stored].last?.leaf)
    }
}
