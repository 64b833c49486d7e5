// SPDX-License-Identifier: BSD-2-Clause

// How nodes are grouped for storage: full subtrees of height 8, as in C2SP tlog-tiles.

/// A full subtree of height 8: 256 nodes of level `8 * level` and everything above them up to their
/// common root, 511 nodes. The tiles of level 0 stand on leaf hashes.
@frozen
package struct Tile: Hashable, Sendable {
    /// The number of nodes at the bottom: 256.
    @inlinable
    package static var width: Int { 256 }
    /// The number of nodes of all its nine rows: 511.
    @inlinable
    package static var nodeCount: Int { 511 }

    /// Its level, 0...7; its bottom row is the tree's level `8 * level`.
    package let level: Int
    /// Position among the tiles of its level, from 0.
    package let index: UInt64

    /// The tile at `index` of `level`.
    @inlinable
    package init(level: Int, index: UInt64) {
        self.level = level
        self.index = index
    }

    /// The node at its top.
    @inlinable
    package var root: Node { Node(level: 8 * level + 8, index: index) }

    /// Whether all its leaves are in a tree of `size` leaves.
    @inlinable
    package func isComplete(in size: TreeSize) -> Bool { root.isComplete(in: size) }

    /// The number of tiles of `level` that a tree of `size` leaves completes.
    @inlinable
    package static func completeCount(level: Int, in size: TreeSize) -> UInt64 {
        level < 7 ? size.value >> UInt64(8 * level + 8) : 0
    }
}

/// Where a node is found: a tile, and the node's place among the tile's 511.
///
/// A tile's nodes are kept row by row, bottom row first: 256 of row 0, 128 of row 1, ... 1 of row
/// 8.
@frozen
package struct TilePosition: Hashable, Sendable {
    /// The tile.
    package let tile: Tile
    /// The row in the tile, 0...7 (a tile's top, row 8, is also row 0 of the tile above).
    package let row: Int
    /// The position in the row.
    package let column: Int

    /// The place of `node` in the lowest tile row it belongs to.
    @inlinable
    package init(of node: Node) {
        row = node.level & 7
        let columnBits = UInt64(8 - row)
        tile = Tile(level: node.level >> 3, index: node.index >> columnBits)
        column = Int(node.index & (1 << columnBits - 1))
    }

    /// The node's number in the tile, 0..<511.
    @inlinable
    package var offset: Int { Self.rowOffset(row) + column }

    /// The number of the first node of `row`, 0...8: 0, 256, 384, ... 510.
    @inlinable
    package static func rowOffset(_ row: Int) -> Int { 512 - 512 >> row }
}
