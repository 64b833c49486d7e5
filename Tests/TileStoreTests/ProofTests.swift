// SPDX-License-Identifier: BSD-2-Clause

// Proofs out of the store: log-go's bytes for the golden tree, verified ones for a larger one.

import LogCrypto
import MerkleLog
import SigsumFormats
import TestSupport
import Testing

@testable import TileStore

@Suite struct StoreProofTests {
    /// The store's size when a proof in a smaller, published tree is asked for.
    enum Committed: Hashable, CaseIterable {
        case asPublished, oneMore, toTheNextSlab, all

        func size(_ published: Int) -> Int {
            switch self {
            case .asPublished: published
            case .oneMore: min(600, published + 1)
            case .toTheNextSlab: min(600, (published / 256 + 1) * 256)
            case .all: 600
            }
        }
    }

    /// A store with `count` golden leaves, and the snapshots of the trees of `sizes`.
    private func store(
        _ count: Int, snapshots sizes: Set<Int>
    ) throws -> (store: TileStore, snapshots: [Int: TreeSnapshot]) {
        let store = try TileStore.ephemeral()
        let writer = try StoreWriter(store)
        var snapshots: [Int: TreeSnapshot] = [:]
        var next = 0
        for size in sizes.union([count]).sorted() {
            _ = try writer.append(Array(Golden.leaves[next..<size]))
            next = size
            snapshots[size] = writer.snapshot
        }
        return (store, snapshots)
    }

    @Test(arguments: Committed.allCases)
    func inclusionProofsAreLogGos(committed: Committed) throws {
        let vectors = try Vectors.inclusion()
        #expect(vectors.count == 82)
        for size in Set(vectors.map { Int($0.size) }) {
            let (store, snapshots) = try store(committed.size(size), snapshots: [size])
            let reader = try StoreReader(store)
            for vector in vectors where vector.size == size {
                let path = try reader.inclusionProof(
                    of: Int(vector.index), in: treeSize(size), tree: snapshots[size])
                #expect(path.map(\.description) == vector.path)
                let computed = try reader.inclusionProof(
                    of: Int(vector.index), in: treeSize(size), tree: nil)
                #expect(computed == path)
            }
        }
    }

    @Test(arguments: Committed.allCases)
    func consistencyProofsAreLogGos(committed: Committed) throws {
        let vectors = try Vectors.consistency()
        #expect(vectors.count == 98)
        for size in Set(vectors.map { Int($0.new_size) }) {
            let (store, snapshots) = try store(committed.size(size), snapshots: [size])
            let reader = try StoreReader(store)
            for vector in vectors where vector.new_size == size {
                let path = try reader.consistencyProof(
                    from: treeSize(vector.old_size), to: treeSize(size), tree: snapshots[size])
                #expect(path.map(\.description) == vector.path)
            }
        }
    }

    /// Every leaf of trees around the slab borders, in a store that has gone on.
    @Test(arguments: [1, 2, 255, 256, 257, 511, 512, 513, 600])
    func everyLeafOfAPublishedTree(size: Int) throws {
        let (store, snapshots) = try store(600, snapshots: [size])
        let reader = try StoreReader(store)
        for index in 0..<size {
            let path = try reader.inclusionProof(
                of: index, in: treeSize(size), tree: snapshots[size])
            #expect(
                Proof.verifyInclusion(
                    of: Golden.leaves[index].leafHash, at: LeafIndex(UInt64(index)),
                    in: treeSize(size), root: Golden.roots[size], path: path))
        }
    }

    /// Past 65,536 leaves, where tiles of level 1 begin: against a frontier, in uneven batches.
    @Test func aTreeWithHigherTiles() throws {
        let store = try TileStore.ephemeral()
        let writer = try StoreWriter(store)
        let reader = try StoreReader(store)
        var hasher = TreeHasher()
        var frontier = Frontier()
        var hashes: [Digest] = []
        var trees: [TreeSnapshot] = []
        let ends = [40_000, 65_535, 65_536, 65_537, 66_100]
        for end in ends {
            while hashes.count < end {
                let batchEnd = min(end, hashes.count + 1_999)
                let batch = syntheticLeaves(hashes.count..<batchEnd, hasher: &hasher)
                for leaf in batch { frontier.append(leaf.leafHash, hasher: &hasher) }
                hashes += batch.map(\.leafHash)
                _ = try writer.append(batch)
                let counts = try store.fileByteCounts()
                #expect(counts.found >= counts.needed)
            }
            #expect(writer.treeHead.rootHash == frontier.root(hasher: &hasher))
            trees.append(writer.snapshot)
        }
        for tree in trees {
            let size = tree.treeHead.size
            for index in [0, 1, 255, 256, 39_999, 65_534, 65_535, 65_536, 66_099]
            where index < size.value {
                let path = try reader.inclusionProof(of: index, in: size, tree: tree)
                #expect(
                    Proof.verifyInclusion(
                        of: hashes[index], at: LeafIndex(UInt64(index)), in: size,
                        root: tree.treeHead.rootHash, path: path))
                #expect(try reader.inclusionProof(of: index, in: size, tree: nil) == path)
            }
            for older in trees where older.treeHead.size < size {
                let path = try reader.consistencyProof(
                    from: older.treeHead.size, to: size, tree: tree)
                #expect(
                    Proof.verifyConsistency(
                        from: older.treeHead.size, oldRoot: older.treeHead.rootHash, to: size,
                        root: tree.treeHead.rootHash, path: path))
            }
        }
        let report = try store.audit(heads: trees.map { ("a tree", $0.treeHead) })
        #expect(report.treeHead.size == treeSize(66_100))
        #expect(report.tileCount == 258 + 1)
        // A writer that begins here rebuilds the same edge.
        let again = try StoreWriter(store)
        _ = try again.append(syntheticLeaves(66_100..<66_200, hasher: &hasher))
        #expect(try store.audit().treeHead == again.treeHead)
    }
}
