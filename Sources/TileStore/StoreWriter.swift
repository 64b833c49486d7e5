// SPDX-License-Identifier: BSD-2-Clause

// Appending: one batch, one transaction, one commit. In it, together or not at all:
//
//     each new leaf's index entry; its row in the tail, or its slab when that is full; the higher
//     tiles that this completes; the size and the root hash; what the leaves were charged to
//
// so that a crash leaves the tree before the batch or after it. A commit that fails may have met a
// broken device, and what the next one would find is unknown: the writer is dead then, the process
// must end, and the next start checks what is stored.

package import LogCrypto
package import MerkleLog
package import SigsumFormats

/// A leaf on its way into the tree, with its hash, so that it is computed once.
package struct HashedLeaf: Hashable, Sendable {
    /// The leaf.
    package let leaf: Leaf
    /// Its leaf hash.
    package let leafHash: Digest

    /// A leaf with the hash that `hasher` gives it.
    package init(_ leaf: Leaf, hasher: inout TreeHasher) {
        self.leaf = leaf
        leafHash = leaf.leafHash(hasher: &hasher)
    }

    /// A leaf whose hash is known.
    package init(_ leaf: Leaf, leafHash: Digest) {
        self.leaf = leaf
        self.leafHash = leafHash
    }
}

/// Where a leaf of a batch is in the tree.
package enum AppendedLeaf: Hashable, Sendable {
    /// It was new, and is now committed there.
    case added(LeafIndex)
    /// It was there already.
    case known(LeafIndex)
    /// It was new, and its ledger has no room for it: it is not in the tree.
    case refused

    /// Its position; nil when it has none.
    package var index: LeafIndex? {
        switch self {
        case .added(let index), .known(let index): index
        case .refused: nil
        }
    }
}

/// What new leaves are charged to, for ``StoreWriter/append(_:charging:)``.
package protocol LeafLedger {
    /// Charges the leaf at `position` of the batch, which the tree does not have, if there is room
    /// for it; false: it is not to be added. Called once for each new leaf, in their order.
    mutating func charge(_ position: Int) -> Bool

    /// What is to be stored together with the leaves. Called once in a batch with new leaves, after
    /// all that was charged, and followed by the commit.
    mutating func record() -> LedgerRecord
}

/// What a ledger has the store remember.
package struct LedgerRecord: Hashable, Sendable {
    /// What stands before the lines from now on; all that was stored before is forgotten. nil: all
    /// of that stays, but for the lines of the same names.
    package let newHead: [UInt8]?
    /// Lines by their names, of 1 to 511 bytes.
    package let lines: [[UInt8]: [UInt8]]

    /// A record of its parts.
    package init(newHead: [UInt8]? = nil, lines: [[UInt8]: [UInt8]] = [:]) {
        self.newHead = newHead
        self.lines = lines
    }
}

/// Nothing is charged.
private struct NoLedger: LeafLedger {
    func charge(_ position: Int) -> Bool { true }
    func record() -> LedgerRecord { LedgerRecord() }
}

/// What became of a batch that had to follow the tree exactly.
package enum SequenceOutcome: Hashable, Sendable {
    /// All its leaves were new; they are committed in their order.
    case appended
    /// One of its leaves stands in the tree, or in the batch, already: `knownAt` there, and again
    /// where it would have been now. Nothing was written.
    case repeated(LeafIndex, knownAt: LeafIndex)
}

/// What a primary has stored beside its leaves, in one transaction. What is nil stays as it is.
package struct StoreRecord: Sendable {
    /// The tree head signed last.
    package let signed: SignedTreeHead
    /// The one published last, with its cosignatures.
    package let published: CosignedTreeHead?
    /// What is remembered of the witnesses.
    package let witnesses: [WitnessRecord]?

    /// A record of its parts.
    package init(
        signed: SignedTreeHead, published: CosignedTreeHead? = nil,
        witnesses: [WitnessRecord]? = nil
    ) {
        self.signed = signed
        self.published = published
        self.witnesses = witnesses
    }
}

/// The one that appends. Only ever used on one thread; a second one of the same store would wait
/// for ever in LMDB.
package final class StoreWriter {
    private let store: TileStore
    private var hasher = TreeHasher()
    private var edge: RightEdge
    /// The stored bytes of the leaves that no slab has yet.
    private var tail: [UInt8]
    /// Set when a commit failed.
    private var isDead = false
    /// The committed tree.
    package private(set) var treeHead: TreeHead

    /// A writer that goes on where `store` ends. Rebuilds the right edge from what is stored and
    /// refuses a store whose root hash is not the one recorded.
    package init(_ store: TileStore) throws(StoreError) {
        self.store = store
        var hasher = TreeHasher()
        let reader = try StoreReader(store)
        let state = try reader.read { view throws(StoreError) in
            let treeHead = try view.treeHead()
            try view.entryCounts().check(for: treeHead.size)
            let edge = try RightEdge(of: treeHead.size, from: view, hasher: &hasher)
            var tail: [UInt8] = []
            let tailStart = treeHead.size.value & ~UInt64(Tile.width - 1)
            try view.withLeaves(from: LeafIndex(tailStart), to: treeHead.size) { leaf in
                for position in leaf.indices { tail.append(leaf[position]) }
            }
            return (treeHead: treeHead, edge: edge, tail: tail)
        }
        treeHead = state.treeHead
        edge = state.edge
        tail = state.tail
        guard edge.root(hasher: &hasher) == treeHead.rootHash else {
            throw .corrupt(
                "the root hash of the \(treeHead.size) leaves in \(store.folder) is not the one "
                    + "recorded; run sigsum mktree --mode=audit")
        }
        self.hasher = hasher
    }

    /// The committed tree with its edge, for readers that make proofs.
    package var snapshot: TreeSnapshot { TreeSnapshot(treeHead: treeHead, edge: edge) }

    /// Appends those of `leaves` that the tree does not have, in their order, and answers for each
    /// where it is. All are durable when this returns. After a throw the writer must not be used
    /// again.
    package func append(_ leaves: [HashedLeaf]) throws(StoreError) -> [AppendedLeaf] {
        var ledger = NoLedger()
        return try append(leaves, charging: &ledger)
    }

    /// The same for leaves that are charged: a new one that `ledger` has no room for is refused. What
    /// the ledger records is stored in the same transaction, so that no leaf is ever in the tree and
    /// not charged, nor charged and not in the tree.
    package func append(
        _ leaves: [HashedLeaf], charging ledger: inout some LeafLedger
    ) throws(StoreError) -> [AppendedLeaf] {
        precondition(!isDead, "a writer used after its commit failed")
        isDead = true
        let appended = try StoreError.wrap("append to \(store.folder)") {
            () throws(LMDBError) in
            try appendInTransaction(leaves, stopsAtKnown: false, charging: &ledger)
        }
        isDead = false
        return appended
    }

    /// Appends `leaves` exactly as they stand, for a copy of a tree in which each leaf is once: all
    /// are new, and durable when this returns, or nothing is written and the answer says which one
    /// is not. The writer can be used after either, but not after a throw.
    package func append(sequence leaves: [HashedLeaf]) throws(StoreError) -> SequenceOutcome {
        precondition(!isDead, "a writer used after its commit failed")
        isDead = true
        let before = (edge: edge, tail: tail)
        var ledger = NoLedger()
        let appended = try StoreError.wrap("append to \(store.folder)") {
            () throws(LMDBError) in
            try appendInTransaction(leaves, stopsAtKnown: true, charging: &ledger)
        }
        isDead = false
        guard case .known(let known)? = appended.last else { return .appended }
        let index = edge.size.nextIndex
        (edge, tail) = before
        return .repeated(index, knownAt: known)
    }

    /// Records heads and witnesses.
    package func record(_ record: StoreRecord) throws(StoreError) {
        try self.record(record, promotingTo: nil)
    }

    /// Records heads and witnesses; with a key hash, in the same transaction, that the store is the
    /// primary's of that log from now on, whosever it was.
    func record(
        _ record: StoreRecord, promotingTo logKeyHash: KeyHash?
    ) throws(StoreError) {
        precondition(!isDead, "a writer used after its commit failed")
        isDead = true
        try StoreError.wrap("record a tree head in \(store.folder)") { () throws(LMDBError) in
            let transaction = try store.environment.beginWrite()
            let meta = store.tables.meta
            try transaction.put(record.signed.encode().span, for: MetaKey.signedTreeHead, in: meta)
            if let published = record.published {
                try transaction.put(
                    published.encode().span, for: MetaKey.publishedTreeHead, in: meta)
            }
            if let witnesses = record.witnesses {
                try transaction.put(
                    WitnessRecord.encode(witnesses).span, for: MetaKey.witnesses, in: meta)
            }
            if let logKeyHash {
                let identity = StoreIdentity(role: .primary, logKeyHash: logKeyHash)
                try transaction.put(identity, in: meta)
            }
            try transaction.commit()
        }
        isDead = false
    }

    /// With `stopsAtKnown` the first leaf that is known ends it: that one is the last answered for,
    /// nothing is committed, and edge and tail are no longer those of the committed tree.
    private func appendInTransaction(
        _ leaves: [HashedLeaf], stopsAtKnown: Bool, charging ledger: inout some LeafLedger
    ) throws(LMDBError) -> [AppendedLeaf] {
        let transaction = try store.environment.beginWrite()
        let oldSize = treeHead.size
        var positions: [AppendedLeaf] = []
        positions.reserveCapacity(leaves.count)
        // Leaves of this batch that are in the tail or in a slab of it are not in LMDB until the
        // end: a candidate index from oldSize on is compared with the batch's own hashes.
        var newHashes: [Digest] = []
        var finishedSlab = false
        for (number, leaf) in leaves.enumerated() {
            let entry = try candidates(for: leaf.leafHash, transaction)
            if let known = try position(
                of: leaf.leafHash, among: entry, oldSize: oldSize, newHashes: newHashes,
                transaction)
            {
                positions.append(.known(known))
                guard !stopsAtKnown else { return positions }
                continue
            }
            guard ledger.charge(number) else {
                positions.append(.refused)
                continue
            }
            let index = edge.size.nextIndex
            try putIndex(index, beside: entry, for: leaf.leafHash, transaction)
            newHashes.append(leaf.leafHash)
            positions.append(.added(index))
            let bytes = leaf.leaf.bytes.storage.span
            tail.append(addingCapacity: Leaf.byteCount) { output in
                for position in bytes.indices { output.append(bytes[position]) }
            }
            var complete: [(tile: Tile, nodes: [Digest])] = []
            edge.append(leaf.leafHash, hasher: &hasher) { complete.append(($0, $1)) }
            for (tile, nodes) in complete { try put(tile, nodes, transaction) }
            if !complete.isEmpty { finishedSlab = true }
        }
        guard !newHashes.isEmpty else { return positions }
        try putTail(oldSize: oldSize, wasEmptied: finishedSlab, transaction)
        let newHead = TreeHead(size: edge.size, rootHash: edge.root(hasher: &hasher))
        try transaction.put(newHead.storedBytes.span, for: MetaKey.treeHead, in: store.tables.meta)
        try put(ledger.record(), transaction)
        try transaction.commit()
        treeHead = newHead
        return positions
    }

    private func candidates(
        for leafHash: Digest, _ transaction: borrowing WriteTransaction
    ) throws(LMDBError) -> IndexCandidates {
        try transaction.withValue(of: IndexEntry.key(of: leafHash), in: store.tables.index) {
            if let bytes = $0 { IndexCandidates(reading: bytes) } else { IndexCandidates() }
        }
    }

    private func position(
        of leafHash: Digest, among candidates: IndexCandidates, oldSize: TreeSize,
        newHashes: [Digest], _ transaction: borrowing WriteTransaction
    ) throws(LMDBError) -> LeafIndex? {
        guard candidates.first != nil else { return nil }
        for candidate in candidates.all {
            guard candidate.isWithin(edge.size) else {
                throw LMDBError(code: LMDBError.corrupted, function: "a leaf index past the end")
            }
            let hash =
                candidate.isWithin(oldSize)
                ? try committedLeafHash(at: candidate, transaction)
                : newHashes[Int(candidate.value - oldSize.value)]
            if hash == leafHash { return candidate }
        }
        return nil
    }

    /// The hash of a leaf committed before this batch: from its slab, or from its row of the tail,
    /// which stays until the end of the batch.
    private func committedLeafHash(
        at index: LeafIndex, _ transaction: borrowing WriteTransaction
    ) throws(LMDBError) -> Digest? {
        let position = TilePosition(of: index.leafNode)
        let stored = try transaction.withValue(of: position.tile.index, in: store.tables.slabs) {
            if let bytes = $0 { Slab.node(position.offset, of: bytes) } else { Digest?.none }
        }
        if let stored { return stored }
        return try transaction.withValue(of: index.value, in: store.tables.tail) {
            if let bytes = $0 { hasher.leafHash(bytes) } else { Digest?.none }
        }
    }

    private func put(
        _ record: LedgerRecord, _ transaction: borrowing WriteTransaction
    ) throws(LMDBError) {
        if let head = record.newHead {
            try transaction.put(head.span, for: MetaKey.ledgerHead, in: store.tables.meta)
            try transaction.clear(store.tables.ledger)
        }
        for (name, line) in record.lines {
            try transaction.put(line.span, for: name.span, in: store.tables.ledger)
        }
    }

    private func putIndex(
        _ index: LeafIndex, beside candidates: IndexCandidates, for leafHash: Digest,
        _ transaction: borrowing WriteTransaction
    ) throws(LMDBError) {
        var entry: [UInt8] = []
        for other in candidates.all { IndexEntry.append(other, to: &entry) }
        IndexEntry.append(index, to: &entry)
        try transaction.put(
            entry.span, for: IndexEntry.key(of: leafHash), in: store.tables.index)
    }

    private func put(
        _ tile: Tile, _ nodes: [Digest], _ transaction: borrowing WriteTransaction
    ) throws(LMDBError) {
        if tile.level == 0 {
            let slab = Slab.encode(leaves: tail, nodes: nodes)
            tail.removeAll(keepingCapacity: true)
            try transaction.put(
                slab.span, for: tile.index, in: store.tables.slabs, appending: true)
        } else {
            let value = Slab.encode(leaves: [], nodes: nodes)
            try transaction.put(value.span, for: tile.key, in: store.tables.tiles)
        }
    }

    /// Writes the rows of the tail that this batch added; all of them, after removing the old ones,
    /// when it finished a slab.
    private func putTail(
        oldSize: TreeSize, wasEmptied: Bool, _ transaction: borrowing WriteTransaction
    ) throws(LMDBError) {
        if wasEmptied { try transaction.clear(store.tables.tail) }
        let tailStart = edge.size.value & ~UInt64(Tile.width - 1)
        var index = wasEmptied ? tailStart : oldSize.value
        while index < edge.size.value {
            let offset = Int(index - tailStart) * Leaf.byteCount
            let row = FixedBytes<128>(copying: tail.span, at: offset)
            try transaction.put(
                row.storage.span, for: index, in: store.tables.tail, appending: true)
            index += 1
        }
    }
}
