// SPDX-License-Identifier: BSD-2-Clause

// The auditor: believes nothing that is stored but the leaf bytes, and compares everything else
// with what follows from them. It walks from the first leaf, or from a slab's border near the end:
// then it also believes the nodes over the leaves before that.

internal import LogCrypto
package import MerkleLog
package import SigsumFormats

/// What an audit found to be right.
package struct AuditReport: Hashable, Sendable {
    /// The committed tree.
    package let treeHead: TreeHead
    /// The first leaf that was hashed, as all after it were: 0 for an audit of everything.
    package let firstLeaf: LeafIndex
    /// The number of slabs and of higher tiles, all nodes of which were computed again.
    package let tileCount: UInt64
}

extension TileStore {
    /// Walks the whole store: leaf bytes to leaf hashes to the nodes of every tile to the root
    /// hash, every checksum, the index from leaf hash to leaf and back, and each of `heads` (with
    /// its name for the message), as well as the heads that the store itself keeps, against the
    /// tree of its size. Throws ``StoreError/corrupt(_:)`` at the first difference.
    ///
    /// A running primary may go on meanwhile: what is complete never changes, so the walk takes a
    /// new transaction every few slabs (a long one would make the file grow) and ends when it has
    /// caught up with what is committed.
    ///
    /// - Parameters:
    ///   - newest: with a number, only so many of the newest leaves are walked, and those before
    ///     them in the slab of the first: with what lies over them, which is where a crash or a
    ///     full device shows. The nodes over older leaves count as right; that they give the root
    ///     hash is still found out.
    ///   - progress: called after every 256 leaves with the number done and the number that there
    ///     are to do.
    package func audit(
        newest: UInt64 = .max, heads: [(name: String, treeHead: TreeHead)] = [],
        progress: (_ done: UInt64, _ all: UInt64) -> Void = { _, _ in }
    ) throws(StoreError) -> AuditReport {
        let reader = try StoreReader(self)
        var auditor = try reader.read { view throws(StoreError) in
            try Auditor(of: view, newest: newest, and: heads)
        }
        while true {
            let report = try reader.read { view throws(StoreError) in
                try auditor.walk(view, progress: progress)
            }
            if let report { return report }
        }
    }
}

/// The state of a walk.
private struct Auditor: ~Copyable {
    /// The most slabs walked in one transaction: a tenth of a second's work.
    private static let slabCountMax = 128

    /// The size at which the walk began: a multiple of 256.
    private let start: TreeSize
    /// The committed tree, as the transaction at hand sees it.
    private var treeHead: TreeHead
    /// The heads still to be compared, smallest first.
    private var heads: ArraySlice<(name: String, treeHead: TreeHead)>
    private var hasher: TreeHasher
    /// The tree of the leaves walked so far, and of those before ``start``.
    private var edge: RightEdge
    private var tileCount: UInt64 = 0
    /// The number of distinct index keys that the leaves so far lead to.
    private var keyCount: UInt64 = 0

    /// An auditor that has the newest leaves to walk, at least `newest` of them.
    init(
        of view: borrowing StoreView, newest: UInt64,
        and heads: [(name: String, treeHead: TreeHead)]
    ) throws(StoreError) {
        let treeHead = try view.treeHead()
        let size = treeHead.size.value
        let older = size > newest ? (size - newest) & ~UInt64(Tile.width - 1) : 0
        guard let start = TreeSize(older) else { preconditionFailure("within the tree") }
        var hasher = TreeHasher()
        var all = try Self.allHeads(view, and: heads)[...]
        while let head = all.first, head.treeHead.size < start {
            let root = try Frontier(of: head.treeHead.size, in: view).root(hasher: &hasher)
            try Self.compare(head, with: root)
            all.removeFirst()
        }
        let edge = try RightEdge(of: start, from: view, hasher: &hasher)
        self.start = start
        self.treeHead = treeHead
        self.heads = all
        self.edge = edge
        self.hasher = hasher
    }

    /// `heads` and those that the store keeps, smallest first; none may be ahead of the store.
    private static func allHeads(
        _ view: borrowing StoreView, and heads: [(name: String, treeHead: TreeHead)]
    ) throws(StoreError) -> [(name: String, treeHead: TreeHead)] {
        let treeHead = try view.treeHead()
        var all = heads
        if let signed = try view.signedTreeHead() {
            all.append((name: "the signed tree head in the store", treeHead: signed.treeHead))
        }
        if let published = try view.publishedTreeHead() {
            let publishedHead = published.signedTreeHead.treeHead
            all.append((name: "the published tree head in the store", treeHead: publishedHead))
        }
        // Not heads, but to be readable all the same.
        _ = try view.witnessRecords()
        all.append((name: "the recorded tree head", treeHead: treeHead))
        all.sort { $0.treeHead.size < $1.treeHead.size }
        if let largest = all.last, largest.treeHead.size > treeHead.size {
            throw .corrupt(
                "\(largest.name) has \(largest.treeHead.size) leaves, the store \(treeHead.size)")
        }
        return all
    }

    /// Walks on from where the last call ended. Returns the report when it has reached the end of
    /// what is committed.
    mutating func walk(
        _ view: borrowing StoreView, progress: (UInt64, UInt64) -> Void
    ) throws(StoreError) -> AuditReport? {
        treeHead = try view.treeHead()
        guard treeHead.size >= edge.size else {
            throw .corrupt("the store had \(edge.size) leaves, and now has \(treeHead.size)")
        }
        try compareHeads()
        for _ in 0..<Self.slabCountMax where edge.size < treeHead.size {
            try walkSlab(view)
            progress(edge.size.value - start.value, treeHead.size.value - start.value)
        }
        return edge.size == treeHead.size ? try finish(view) : nil
    }

    /// Up to the next complete slab, or to the end of the leaves.
    private mutating func walkSlab(_ view: borrowing StoreView) throws(StoreError) {
        let start = edge.size.value
        let width = UInt64(Tile.width)
        guard let end = TreeSize(min((start / width + 1) * width, treeHead.size.value)) else {
            preconditionFailure("within the tree")
        }
        var hashes: [Digest] = []
        try view.withLeaves(from: LeafIndex(start), to: end) { leaves in
            for offset in stride(from: 0, to: leaves.count, by: Leaf.byteCount) {
                hashes.append(
                    hasher.leafHash(leaves.extracting(offset..<offset + Leaf.byteCount)))
            }
        }
        for (offset, hash) in hashes.enumerated() {
            try checkIndex(LeafIndex(start + UInt64(offset)), hash, view)
            try append(hash, view)
        }
    }

    /// The leaf's entry must name it, and beside it only other leaves under the same key.
    private mutating func checkIndex(
        _ index: LeafIndex, _ hash: Digest, _ view: borrowing StoreView
    ) throws(StoreError) {
        let found = try view.withIndexEntry(of: hash) { bytes -> IndexCandidates? in
            guard let bytes, bytes.count.isMultiple(of: IndexEntry.byteCount) else { return nil }
            return IndexCandidates(reading: bytes)
        }
        guard let entry = found, entry.first == index || entry.others.contains(index) else {
            throw .corrupt("the index does not lead from leaf hash \(hash) to leaf \(index)")
        }
        if entry.first == index { keyCount += 1 }
        guard !entry.others.isEmpty else { return }
        guard Set(entry.all).count == entry.all.count else {
            throw .corrupt("the index names a leaf twice beside leaf \(index)")
        }
        for other in entry.all where other != index {
            guard other.isWithin(treeHead.size) else {
                throw .corrupt("the index leads from leaf hash \(hash) to leaf \(other)")
            }
            let otherHash = try view.hash(of: other.leafNode)
            guard IndexEntry.key(of: otherHash) == IndexEntry.key(of: hash) else {
                throw .corrupt("the index leads from leaf hash \(hash) to leaf \(other)")
            }
            guard otherHash != hash else {
                throw .corrupt(
                    "leaf \(min(index, other)) stands in the tree again as leaf "
                        + "\(max(index, other))")
            }
        }
    }

    private mutating func append(_ hash: Digest, _ view: borrowing StoreView) throws(StoreError) {
        var complete: [(tile: Tile, nodes: [Digest])] = []
        edge.append(hash, hasher: &hasher) { complete.append(($0, $1)) }
        for (tile, nodes) in complete {
            tileCount += 1
            try view.withTile(tile) { (bytes) -> Result<Void, StoreError> in
                let name = "tile \(tile.index) of level \(tile.level)"
                guard let bytes else { return .failure(.corrupt("\(name) is missing")) }
                let byteCount = tile.level == 0 ? Slab.byteCount : Slab.tileByteCount
                guard bytes.count == byteCount, Slab.hasValidChecksum(bytes) else {
                    return .failure(.corrupt("\(name) has a wrong checksum"))
                }
                for (offset, node) in nodes.enumerated()
                where Slab.node(offset, of: bytes) != node {
                    return .failure(.corrupt("node \(offset) of \(name) is not what it should be"))
                }
                return .success(())
            }.get()
        }
        try compareHeads()
    }

    /// Compares the heads that have the size reached.
    private mutating func compareHeads() throws(StoreError) {
        while let next = heads.first, next.treeHead.size == edge.size {
            try Self.compare(next, with: edge.root(hasher: &hasher))
            heads.removeFirst()
        }
    }

    private static func compare(
        _ head: (name: String, treeHead: TreeHead), with root: Digest
    ) throws(StoreError) {
        guard head.treeHead.rootHash == root else {
            throw .corrupt(
                "\(head.name) has root hash \(head.treeHead.rootHash) for \(head.treeHead.size) "
                    + "leaves, the leaves give \(root)")
        }
    }

    private mutating func finish(_ view: borrowing StoreView) throws(StoreError) -> AuditReport {
        precondition(heads.isEmpty, "every head was within the tree")
        let root = edge.root(hasher: &hasher)
        guard treeHead.rootHash == root else {
            throw .corrupt(
                "the recorded root hash is \(treeHead.rootHash), the leaves give \(root)")
        }
        let counts = try view.entryCounts()
        try counts.check(for: treeHead.size)
        // What older leaves lead to is not known when they were not walked.
        guard start > .zero || counts.index == keyCount else {
            throw .corrupt("the index has \(counts.index) entries, the leaves lead to \(keyCount)")
        }
        return AuditReport(
            treeHead: treeHead, firstLeaf: start.nextIndex, tileCount: tileCount)
    }
}
