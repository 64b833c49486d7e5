// SPDX-License-Identifier: BSD-2-Clause

// The part of the tree that is not yet in complete tiles: at most 255 nodes and their parents on
// each tile level. The writer appends to it; whoever proves reads the nodes that no complete tile
// has.

package import LogCrypto

/// A tile with fewer than 256 nodes at its bottom: each row holds the nodes complete so far.
package struct PartialTile: Sendable {
    /// Rows 0...7, bottom row first.
    package private(set) var rows: [[Digest]]

    init() {
        rows = Array(repeating: [], count: 8)
    }

    /// The number of nodes in the bottom row, 0...255.
    package var width: Int { rows[0].count }

    /// Appends a node to the bottom row and its complete parents above.
    /// Returns all 511 nodes, in the order of ``TilePosition``, when this was the 256th.
    mutating func append(_ hash: Digest, hasher: inout TreeHasher) -> [Digest]? {
        var hash = hash
        for row in 0..<8 {
            rows[row].append(hash)
            let count = rows[row].count
            guard count.isMultiple(of: 2) else { return nil }
            hash = hasher.nodeHash(left: rows[row][count - 2], right: hash)
        }
        var nodes: [Digest] = []
        nodes.reserveCapacity(Tile.nodeCount)
        for row in 0..<8 {
            nodes.append(contentsOf: rows[row])
            rows[row].removeAll(keepingCapacity: true)
        }
        nodes.append(hash)
        return nodes
    }
}

/// The unfinished tile of each level, for a tree of a given size.
package struct RightEdge: Sendable {
    /// The number of leaves of the tree whose edge this is.
    package private(set) var size: TreeSize
    /// The unfinished tiles, level 0 first; levels that the tree has not reached are absent.
    package private(set) var tiles: [PartialTile]

    /// The edge of the empty tree.
    package init() {
        size = .zero
        tiles = []
    }

    /// Rebuilds the edge of a tree of `size` leaves from `source`, which must hold the bottom rows
    /// of the unfinished tiles: at most 255 hashes a level are read, all others computed.
    package init<Source: NodeSource & ~Copyable>(
        of size: TreeSize, from source: borrowing Source, hasher: inout TreeHasher
    ) throws(Source.Failure) {
        self.size = size
        tiles = []
        var level = 0
        while level < 8, size.value >> UInt64(8 * level) > 0 {
            let count = size.value >> UInt64(8 * level)
            var tile = PartialTile()
            for index in (count & ~255)..<count {
                let hash = try source.hash(of: Node(level: 8 * level, index: index))
                let full = tile.append(hash, hasher: &hasher)
                assert(full == nil)
            }
            tiles.append(tile)
            level += 1
        }
    }

    /// Appends a leaf by its leaf hash. Each tile that this completes is handed to `store` with its
    /// 511 nodes, lowest level first.
    package mutating func append(
        _ leafHash: Digest, hasher: inout TreeHasher, store: (Tile, [Digest]) -> Void
    ) {
        var hash = leafHash
        var level = 0
        var complete = true
        while complete {
            if level == tiles.count { tiles.append(PartialTile()) }
            complete = false
            if let nodes = tiles[level].append(hash, hasher: &hasher) {
                store(Tile(level: level, index: size.value >> UInt64(8 * level + 8)), nodes)
                hash = nodes[Tile.nodeCount - 1]
                level += 1
                complete = true
            }
        }
        size = size.advanced(by: 1)
    }

    /// The hash of a node that is complete in this tree and lies in an unfinished tile of it; nil
    /// when its tile is complete.
    @inlinable
    package func hash(of node: Node) -> Digest? {
        let position = TilePosition(of: node)
        guard !position.tile.isComplete(in: size), position.tile.level < tiles.count else {
            return nil
        }
        let row = tiles[position.tile.level].rows[position.row]
        return position.column < row.count ? row[position.column] : nil
    }

    /// The root hash: the peaks of all levels joined, smallest first.
    package func root(hasher: inout TreeHasher) -> Digest {
        var root: Digest?
        for tile in tiles {
            for row in tile.rows where !row.count.isMultiple(of: 2) {
                let peak = row[row.count - 1]
                root = root.map { hasher.nodeHash(left: peak, right: $0) } ?? peak
            }
        }
        return root ?? hasher.emptyRoot()
    }
}
