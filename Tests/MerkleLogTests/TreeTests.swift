// SPDX-License-Identifier: BSD-2-Clause

// The tree against log-go's golden data, against the definition in RFC 6962, and against itself.

import LogCrypto
import MerkleLog
import TestSupport
import Testing

/// A tree whose every node is computed on demand, by the definition in RFC 6962 section 2.1.
struct NaiveTree: NodeSource {
    let leafHashes: [Digest]

    func hash(of node: Node) throws(Never) -> Digest {
        let width = 1 << node.level
        let start = Int(node.index) * width
        precondition(start + width <= leafHashes.count, "an unfinished node was asked for")
        var hasher = TreeHasher()
        return Self.root(leafHashes[start..<start + width], hasher: &hasher)
    }

    static func root(_ hashes: ArraySlice<Digest>, hasher: inout TreeHasher) -> Digest {
        guard hashes.count > 1 else { return hashes.first ?? hasher.emptyRoot() }
        var split = 1
        while split * 2 < hashes.count { split *= 2 }
        let middle = hashes.startIndex + split
        let left = root(hashes[hashes.startIndex..<middle], hasher: &hasher)
        let right = root(hashes[middle...], hasher: &hasher)
        return hasher.nodeHash(left: left, right: right)
    }
}

/// Complete tiles and the right edge, as a store keeps them.
struct TiledTree: NodeSource {
    private(set) var edge = RightEdge()
    private(set) var tiles: [Tile: [Digest]] = [:]

    mutating func append(_ leafHash: Digest, hasher: inout TreeHasher) {
        var complete: [(Tile, [Digest])] = []
        edge.append(leafHash, hasher: &hasher) { complete.append(($0, $1)) }
        for (tile, nodes) in complete { tiles[tile] = nodes }
    }

    func hash(of node: Node) throws(Never) -> Digest {
        let position = TilePosition(of: node)
        if let nodes = tiles[position.tile] { return nodes[position.offset] }
        guard let hash = edge.hash(of: node) else {
            preconditionFailure("no tile and no edge has \(node)")
        }
        return hash
    }
}

func size(_ value: Int) -> TreeSize {
    guard let size = TreeSize(UInt64(value)) else { preconditionFailure("no size: \(value)") }
    return size
}

func pseudoLeafHashes(_ count: Int) -> [Digest] {
    var hasher = TreeHasher()
    return (0..<count).map { number in
        hasher.leafHash([UInt8(number & 255), UInt8(number >> 8 & 255), UInt8(number >> 16)].span)
    }
}

@Suite struct GoldenTreeTests {
    @Test func leafHashesAndAllRoots() throws {
        let leaves = try Vectors.leaves()
        let roots = try Vectors.roots()
        #expect(leaves.count == 600 && roots.count == 601)
        var hasher = TreeHasher()
        var frontier = Frontier()
        var tree = TiledTree()
        for (count, root) in roots.enumerated() {
            #expect(frontier.size == size(count))
            #expect(frontier.root(hasher: &hasher) == root)
            #expect(tree.edge.root(hasher: &hasher) == root)
            if count < leaves.count {
                frontier.append(leaves[count].leafHash, hasher: &hasher)
                tree.append(leaves[count].leafHash, hasher: &hasher)
            }
        }
    }

    @Test func inclusionProofsAreLogGos() throws {
        let leaves = try Vectors.leaves()
        let roots = try Vectors.roots()
        let vectors = try Vectors.inclusion()
        #expect(vectors.count == 82)
        var hasher = TreeHasher()
        var tree = TiledTree()
        for leaf in leaves { tree.append(leaf.leafHash, hasher: &hasher) }
        for vector in vectors {
            var path: [Digest] = []
            Proof.proveInclusion(
                of: LeafIndex(vector.index), in: size(Int(vector.size)), from: tree,
                hasher: &hasher
            ) { path.append($0) }
            #expect(path.map(\.description) == vector.path)
            #expect(
                Proof.verifyInclusion(
                    of: leaves[Int(vector.index)].leafHash, at: LeafIndex(vector.index),
                    in: size(Int(vector.size)), root: roots[Int(vector.size)], path: path))
        }
    }

    @Test func consistencyProofsAreLogGos() throws {
        let leaves = try Vectors.leaves()
        let roots = try Vectors.roots()
        let vectors = try Vectors.consistency()
        #expect(vectors.count == 98)
        var hasher = TreeHasher()
        var tree = TiledTree()
        for leaf in leaves { tree.append(leaf.leafHash, hasher: &hasher) }
        for vector in vectors {
            let (old, new) = (size(Int(vector.old_size)), size(Int(vector.new_size)))
            var path: [Digest] = []
            Proof.proveConsistency(from: old, to: new, from: tree, hasher: &hasher) {
                path.append($0)
            }
            #expect(path.map(\.description) == vector.path)
            #expect(
                Proof.verifyConsistency(
                    from: old, oldRoot: roots[Int(vector.old_size)], to: new,
                    root: roots[Int(vector.new_size)], path: path))
        }
    }
}

@Suite struct ProofPropertyTests {
    /// Every leaf and every pair of sizes of all small trees: the proof verifies, and no proof with
    /// one hash changed, dropped or added does.
    @Test func allSmallTrees() {
        let countMax = 40
        let hashes = pseudoLeafHashes(countMax)
        let tree = NaiveTree(leafHashes: hashes)
        var hasher = TreeHasher()
        let roots = (0...countMax).map { NaiveTree.root(hashes[..<$0], hasher: &hasher) }
        for count in 1...countMax {
            for index in 0..<count {
                var path: [Digest] = []
                Proof.proveInclusion(
                    of: LeafIndex(UInt64(index)), in: size(count), from: tree, hasher: &hasher
                ) { path.append($0) }
                let verify = { (path: [Digest]) in
                    Proof.verifyInclusion(
                        of: hashes[index], at: LeafIndex(UInt64(index)), in: size(count),
                        root: roots[count], path: path)
                }
                #expect(verify(path))
                #expect(!mutations(of: path).contains(where: verify))
            }
            for old in 1...count {
                var path: [Digest] = []
                Proof.proveConsistency(
                    from: size(old), to: size(count), from: tree, hasher: &hasher
                ) { path.append($0) }
                let verify = { (path: [Digest]) in
                    Proof.verifyConsistency(
                        from: size(old), oldRoot: roots[old], to: size(count), root: roots[count],
                        path: path)
                }
                #expect(verify(path))
                #expect(!mutations(of: path).contains(where: verify))
            }
        }
    }

    func mutations(of path: [Digest]) -> [[Digest]] {
        var all = [path + [Digest(sha256: [1].span)]]
        for position in path.indices {
            var changed = path
            changed[position].bytes.storage[position & 31] ^= 1
            all.append(changed)
            changed = path
            changed.remove(at: position)
            all.append(changed)
        }
        return all
    }
}

@Suite struct RightEdgeTests {
    /// Around every place where tiles of the first two levels begin and end: the edge rebuilt from
    /// what is stored is the edge that appending led to, and both trees agree with the frontier.
    @Test func rebuildingEqualsAppending() {
        let countMax = 66_000
        let hashes = pseudoLeafHashes(countMax)
        var hasher = TreeHasher()
        var tree = TiledTree()
        var frontier = Frontier()
        let interesting: Set<Int> = [
            0, 1, 2, 3, 255, 256, 257, 511, 512, 513, 4095, 4096, 65_279, 65_280, 65_535, 65_536,
            65_537, 65_792, 65_999, 66_000,
        ]
        for count in 0...countMax {
            if interesting.contains(count) {
                let rebuilt = RightEdge(of: size(count), from: tree, hasher: &hasher)
                #expect(rebuilt.size == tree.edge.size)
                #expect(
                    rebuilt.tiles.map(\.rows)
                        == tree.edge.tiles.prefix(rebuilt.tiles.count).map(\.rows))
                #expect(rebuilt.root(hasher: &hasher) == frontier.root(hasher: &hasher))
                #expect(Frontier(of: size(count), in: tree).peaks == frontier.peaks)
            }
            if count < countMax {
                tree.append(hashes[count], hasher: &hasher)
                frontier.append(hashes[count], hasher: &hasher)
            }
        }
        #expect(tree.tiles.count == 257 + 1)
    }

    /// Proofs read from tiles at sizes that cross them, for leaves everywhere.
    @Test func proofsAcrossTiles() {
        let countMax = 66_000
        let hashes = pseudoLeafHashes(countMax)
        var hasher = TreeHasher()
        var tree = TiledTree()
        var frontier = Frontier()
        var generator = SeededGenerator(seed: 1)
        var old: (count: Int, root: Digest)?
        let stops: Set<Int> = [1, 255, 256, 300, 513, 65_535, 65_536, 65_600, 66_000]
        for count in 1...countMax {
            tree.append(hashes[count - 1], hasher: &hasher)
            frontier.append(hashes[count - 1], hasher: &hasher)
            guard stops.contains(count) else { continue }
            let root = frontier.root(hasher: &hasher)
            for _ in 0..<50 {
                let index = Int.random(in: 0..<count, using: &generator)
                var path: [Digest] = []
                Proof.proveInclusion(
                    of: LeafIndex(UInt64(index)), in: size(count), from: tree, hasher: &hasher
                ) { path.append($0) }
                #expect(
                    Proof.verifyInclusion(
                        of: hashes[index], at: LeafIndex(UInt64(index)), in: size(count),
                        root: root, path: path))
            }
            if let old {
                var path: [Digest] = []
                Proof.proveConsistency(
                    from: size(old.count), to: size(count), from: tree, hasher: &hasher
                ) { path.append($0) }
                #expect(
                    Proof.verifyConsistency(
                        from: size(old.count), oldRoot: old.root, to: size(count), root: root,
                        path: path))
            }
            old = (count, root)
        }
    }
}

@Suite struct TilePositionTests {
    /// Every node of a tree of three tiles has a place of its own, and the places fill the tiles.
    @Test func placesAreDistinct() {
        var places: Set<TilePosition> = []
        let leafCount = UInt64(3 * 256)
        for level in 0..<8 {
            for index in 0..<(leafCount >> UInt64(level)) {
                let position = TilePosition(of: Node(level: level, index: index))
                #expect(position.offset < Tile.nodeCount - 1)
                #expect(places.insert(position).inserted)
            }
        }
        #expect(places.count == 3 * (Tile.nodeCount - 1))
        #expect(TilePosition(of: Node(level: 8, index: 2)).tile == Tile(level: 1, index: 0))
        #expect(TilePosition.rowOffset(8) == 510)
    }
}
