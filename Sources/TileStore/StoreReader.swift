// SPDX-License-Identifier: BSD-2-Clause

// Reading: short transactions that see one committed state, without any lock that the writer holds.

package import LogCrypto
package import MerkleLog
package import SigsumFormats

/// One thread's access to the store: a slot in LMDB's reader table, used again and again.
package final class StoreReader {
    private let store: TileStore
    private let transaction: ReadTransaction

    /// A reader of `store`. Throws when LMDB's reader table is full.
    package init(_ store: TileStore) throws(StoreError) {
        self.store = store
        transaction = try StoreError.wrap("open a reader of \(store.folder)") {
            () throws(LMDBError) in try store.environment.makeReadTransaction()
        }
    }

    /// Calls `body` with what is committed now. Nothing may be waited for inside: pages that a read
    /// transaction can see are not used again.
    ///
    /// - Parameter tree: the tree that proofs will be made in; without one, nodes of unfinished
    ///   tiles
    ///   are computed from the leaves.
    package func read<Result: ~Copyable>(
        tree: TreeSnapshot? = nil, _ body: (borrowing StoreView) throws(StoreError) -> Result
    ) throws(StoreError) -> Result {
        try StoreError.wrap("read \(store.folder)") { () throws(LMDBError) in
            try transaction.renew()
        }
        defer { transaction.reset() }
        return try body(
            StoreView(transaction: transaction, tables: store.tables, edge: tree?.edge))
    }

    /// The newest committed leaf; nil while there is none.
    package func lastLeaf() throws(StoreError) -> Leaf? {
        try read { view throws(StoreError) in
            let size = try view.treeHead().size
            guard size > .zero else { return nil }
            var last: Leaf?
            try view.withLeaves(from: LeafIndex(size.value - 1), to: size) { leaf in
                last = Leaf(stored: FixedBytes(copying: leaf))
            }
            return last
        }
    }
}

/// The store as one transaction sees it. Lives no longer than the closure it is handed to.
package struct StoreView: ~Copyable, NodeSource {
    fileprivate let transaction: ReadTransaction
    fileprivate let tables: StoreTables
    fileprivate let edge: RightEdge?

    /// The committed tree.
    package borrowing func treeHead() throws(StoreError) -> TreeHead {
        let stored = try meta(MetaKey.treeHead) { bytes in
            guard let bytes else { return TreeHead?.none }
            return TreeHead(stored: bytes)
        }
        guard let stored else { throw .corrupt("no tree head is stored") }
        return stored
    }

    /// The tree head signed last, as the store knows it; nil before the first.
    package borrowing func signedTreeHead() throws(StoreError) -> SignedTreeHead? {
        guard let bytes = try metaBytes(MetaKey.signedTreeHead) else { return nil }
        do { return try SignedTreeHead(parsing: bytes.span) } catch {
            throw .corrupt("the stored signed tree head: \(error)")
        }
    }

    /// The tree head published last; nil before the first.
    package borrowing func publishedTreeHead() throws(StoreError) -> CosignedTreeHead? {
        guard let bytes = try metaBytes(MetaKey.publishedTreeHead) else { return nil }
        do { return try CosignedTreeHead(parsing: bytes.span) } catch {
            throw .corrupt("the stored published tree head: \(error)")
        }
    }

    /// What is remembered of the witnesses.
    package borrowing func witnessRecords() throws(StoreError) -> [WitnessRecord] {
        guard let bytes = try metaBytes(MetaKey.witnesses) else { return [] }
        do { return try WitnessRecord.parse(bytes.span) } catch {
            throw .corrupt("the stored records of witnesses: \(error)")
        }
    }

    /// What ledgers have recorded: the head, then the lines in the order of their names; nil before
    /// the first head.
    package borrowing func ledger() throws(StoreError) -> [UInt8]? {
        guard var text = try metaBytes(MetaKey.ledgerHead) else { return nil }
        try StoreError.wrap("read the ledger") { () throws(LMDBError) in
            try transaction.forEachValue(in: tables.ledger) { line in
                for position in line.indices { text.append(line[position]) }
            }
        }
        return text
    }

    /// The position of the leaf with `leafHash`; nil when it is not committed.
    package borrowing func leafIndex(of leafHash: Digest) throws(StoreError) -> LeafIndex? {
        try leafIndex(of: leafHash, entry: indexEntry(of: leafHash))
    }

    /// All leaf indices under the first eight bytes of `leafHash`.
    borrowing func indexEntry(of leafHash: Digest) throws(StoreError) -> IndexCandidates {
        try withIndexEntry(of: leafHash) { bytes in
            if let bytes { IndexCandidates(reading: bytes) } else { IndexCandidates() }
        }
    }

    /// Calls `body` with the stored index entry for `leafHash`, or with nil where there is none.
    borrowing func withIndexEntry<Result>(
        of leafHash: Digest, _ body: (Span<UInt8>?) -> Result
    ) throws(StoreError) -> Result {
        try StoreError.wrap("look up a leaf hash") { () throws(LMDBError) in
            try transaction.withValue(of: IndexEntry.key(of: leafHash), in: tables.index, body)
        }
    }

    private borrowing func leafIndex(
        of leafHash: Digest, entry: IndexCandidates
    ) throws(StoreError) -> LeafIndex? {
        if let first = entry.first, try hash(of: first.leafNode) == leafHash { return first }
        for candidate in entry.others where try hash(of: candidate.leafNode) == leafHash {
            return candidate
        }
        return nil
    }

    /// Calls `body` with the stored bytes of the leaves from `start` up to `end`, in order, in one
    /// or more runs of whole leaves. Throws unless all of them are committed.
    package borrowing func withLeaves(
        from start: LeafIndex, to end: TreeSize, _ body: (Span<UInt8>) -> Void
    ) throws(StoreError) {
        let width = UInt64(Tile.width)
        var next = start.value
        while next < end.value {
            let slab = next / width
            let runEnd = min(end.value, (slab + 1) * width)
            let isSlab = try StoreError.wrap("read leaves") { () throws(LMDBError) in
                try transaction.withValue(of: slab, in: tables.slabs) { bytes in
                    guard let bytes, bytes.count == Slab.byteCount else { return false }
                    let first = Int(next - slab * width) * Leaf.byteCount
                    let count = Int(runEnd - next) * Leaf.byteCount
                    body(bytes.extracting(first..<first + count))
                    return true
                }
            }
            if isSlab {
                next = runEnd
            } else {
                guard try withTailLeaf(LeafIndex(next), body) else {
                    throw .corrupt("leaf \(next) is missing")
                }
                next += 1
            }
        }
    }

    private borrowing func withTailLeaf(
        _ index: LeafIndex, _ body: (Span<UInt8>) -> Void
    ) throws(StoreError) -> Bool {
        try StoreError.wrap("read a leaf") { () throws(LMDBError) in
            try transaction.withValue(of: index.value, in: tables.tail) { bytes in
                guard let bytes, bytes.count == Leaf.byteCount else { return false }
                body(bytes)
                return true
            }
        }
    }

    /// The hash of a node that is complete in the committed tree (and, with a tree given to
    /// ``StoreReader/read(tree:_:)``, in that one): read from a tile or the edge. Only without a
    /// tree are nodes of unfinished tiles computed.
    package borrowing func hash(of node: Node) throws(StoreError) -> Digest {
        if let hash = edge?.hash(of: node) { return hash }
        let position = TilePosition(of: node)
        if let hash = try storedNode(position.offset, of: position.tile) { return hash }
        if position.row == 0, position.tile.level > 0 {
            let below = Tile(level: position.tile.level - 1, index: node.index)
            if let hash = try storedNode(Tile.nodeCount - 1, of: below) { return hash }
        }
        return try computedHash(of: node)
    }

    /// The 511 nodes and, at level 0, the leaves of a complete tile; nil where it is not stored.
    borrowing func withTile<Result>(
        _ tile: Tile, _ body: (Span<UInt8>?) -> Result
    ) throws(StoreError) -> Result {
        try StoreError.wrap("read a tile") { () throws(LMDBError) in
            tile.level == 0
                ? try transaction.withValue(of: tile.index, in: tables.slabs, body)
                : try transaction.withValue(of: tile.key, in: tables.tiles, body)
        }
    }

    private borrowing func storedNode(_ offset: Int, of tile: Tile) throws(StoreError) -> Digest? {
        let byteCount = tile.level == 0 ? Slab.byteCount : Slab.tileByteCount
        return try withTile(tile) { bytes in
            guard let bytes, bytes.count == byteCount else { return nil }
            return Slab.node(offset, of: bytes)
        }
    }

    /// For nodes of unfinished tiles: at most 255 leaves are below.
    private borrowing func computedHash(of node: Node) throws(StoreError) -> Digest {
        var hasher = TreeHasher()
        if node.level == 0 {
            var hash: Digest?
            let found = try withTailLeaf(LeafIndex(node.index)) { leaf in
                hash = hasher.leafHash(leaf)
            }
            guard found, let hash else { throw .corrupt("leaf \(node.index) is missing") }
            return hash
        }
        let left = try hash(of: Node(level: node.level - 1, index: 2 * node.index))
        let right = try hash(of: Node(level: node.level - 1, index: 2 * node.index + 1))
        return hasher.nodeHash(left: left, right: right)
    }

    /// How many entries the tables have, for the checks at start and the auditor.
    borrowing func entryCounts() throws(StoreError) -> EntryCounts {
        try StoreError.wrap("count entries") { () throws(LMDBError) in
            EntryCounts(
                slabs: try transaction.entryCount(of: tables.slabs),
                tiles: try transaction.entryCount(of: tables.tiles),
                tail: try transaction.entryCount(of: tables.tail),
                index: try transaction.entryCount(of: tables.index))
        }
    }

    private borrowing func metaBytes(_ key: StaticString) throws(StoreError) -> [UInt8]? {
        try meta(key) { bytes in
            guard let bytes else { return [UInt8]?.none }
            return bytes.indices.map { bytes[$0] }
        }
    }

    private borrowing func meta<Result>(
        _ key: StaticString, _ body: (Span<UInt8>?) -> Result
    ) throws(StoreError) -> Result {
        try StoreError.wrap("read \(key)") { () throws(LMDBError) in
            try transaction.withValue(of: key, in: tables.meta, body)
        }
    }
}

/// The leaf indices of one index entry. There is nearly always one, which needs no heap.
struct IndexCandidates {
    private(set) var first: LeafIndex?
    private(set) var others: [LeafIndex] = []

    init() {}

    /// Those of a stored entry; bytes that are no whole index are left for the auditor to find.
    init(reading entry: Span<UInt8>) {
        let count = entry.count / IndexEntry.byteCount
        if count > 0 { first = IndexEntry.leafIndex(0, of: entry) }
        if count > 1 { others = (1..<count).map { IndexEntry.leafIndex($0, of: entry) } }
    }

    var all: [LeafIndex] { (first.map { [$0] } ?? []) + others }
}

/// The sizes of the tables.
struct EntryCounts: Hashable, Sendable {
    let slabs: UInt64
    let tiles: UInt64
    let tail: UInt64
    let index: UInt64

    /// Throws unless these are the counts of a store with `size` leaves.
    func check(for size: TreeSize) throws(StoreError) {
        let slabsExpected = Tile.completeCount(level: 0, in: size)
        let tilesExpected = (1..<7).reduce(0) { $0 + Tile.completeCount(level: $1, in: size) }
        let tailExpected = size.value % UInt64(Tile.width)
        guard slabs == slabsExpected, tiles == tilesExpected, tail == tailExpected else {
            throw .corrupt(
                "a tree of \(size) leaves has \(slabsExpected) slabs, \(tilesExpected) tiles and "
                    + "\(tailExpected) leaves in its tail, not \(slabs), \(tiles) and \(tail)")
        }
    }
}

extension LeafIndex {
    /// The node of level 0 that is this leaf's hash.
    var leafNode: Node { Node(level: 0, index: value) }
}

extension TileStore {
    /// The committed tree, for whoever needs nothing else of the store.
    package func committedTreeHead() throws(StoreError) -> TreeHead {
        try StoreReader(self).read { view throws(StoreError) in try view.treeHead() }
    }
}
