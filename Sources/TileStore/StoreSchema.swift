// SPDX-License-Identifier: BSD-2-Clause

// What is in the environment: six tables.
//
//     slabs   slab number            -> slab (Slab.swift)
//     tiles   level << 56 | number   -> tile of level 1 and up
//     tail    leaf index             -> 128 bytes of a leaf that no slab has yet; under 256 rows
//     index   8 bytes of leaf hash   -> one or more leaf indices of 6 bytes
//     meta    text                   -> what the store is, and its heads
//     ledger  a name                 -> what was charged to it, in lines that are somebody else's
//
// All integers are little-endian; keys are native integers, which LMDB compares fastest.

package import LogCrypto
internal import MerkleLog
internal import SigsumFormats

/// The tables of an open store.
struct StoreTables: Sendable {
    let slabs: IntegerTable
    let tiles: IntegerTable
    let tail: IntegerTable
    let index: IntegerTable
    let meta: TextTable
    let ledger: TextTable

    /// Creates what is absent.
    init(creatingIn transaction: borrowing WriteTransaction) throws(LMDBError) {
        slabs = try transaction.createTable("slabs")
        tiles = try transaction.createTable("tiles")
        tail = try transaction.createTable("tail")
        index = try transaction.createTable("index")
        meta = try transaction.createTextTable("meta")
        ledger = try transaction.createTextTable("ledger")
    }

    /// Opens what is there; nil when a table is absent.
    init?(openingIn transaction: borrowing some TableOpener & ~Copyable) throws(LMDBError) {
        guard let slabs = try transaction.openTable("slabs"),
            let tiles = try transaction.openTable("tiles"),
            let tail = try transaction.openTable("tail"),
            let index = try transaction.openTable("index"),
            let meta = try transaction.openTextTable("meta"),
            let ledger = try transaction.openTextTable("ledger")
        else { return nil }
        self.slabs = slabs
        self.tiles = tiles
        self.tail = tail
        self.index = index
        self.meta = meta
        self.ledger = ledger
    }
}

extension Tile {
    /// The key of a tile of level 1 or more.
    var key: UInt64 { UInt64(level) << 56 | index }
}

/// The values of the index: leaf indices of six bytes, one after the other. Nearly always there is
/// one; that eight bytes of two leaf hashes are equal is what somebody may go to lengths to bring
/// about.
enum IndexEntry {
    /// The bytes of one leaf index: enough for 2^48 leaves, far beyond what the map can hold.
    static let byteCount = 6

    /// The key under which `leafHash` is found.
    static func key(of leafHash: Digest) -> UInt64 {
        (0..<8).reduce(0) { $0 << 8 | UInt64(leafHash.bytes.storage[$1]) }
    }

    /// The leaf index at `position` of `value`.
    static func leafIndex(_ position: Int, of value: Span<UInt8>) -> LeafIndex {
        let start = position * byteCount
        return LeafIndex(
            (0..<byteCount).reversed().reduce(0) { $0 << 8 | UInt64(value[start + $1]) })
    }

    /// Appends a leaf index to `value`.
    static func append(_ index: LeafIndex, to value: inout [UInt8]) {
        precondition(index.value < 1 << 48)
        for shift in 0..<byteCount {
            value.append(UInt8(truncatingIfNeeded: index.value >> UInt64(8 * shift)))
        }
    }
}

/// What a store says about itself, in the meta table.
package struct StoreIdentity: Hashable, Sendable {
    /// The version of the format described in this file.
    package static let formatVersion: UInt64 = 1

    /// Whose tree it is.
    package enum Role: String, Hashable, Sendable {
        /// The log's own: one primary appends to it.
        case primary
        /// A copy that a secondary keeps.
        case secondary
    }

    /// Whose tree it is.
    package let role: Role
    /// The key hash of the log that a primary's store belongs to; a secondary's belongs to no key.
    package let logKeyHash: KeyHash?

    /// An identity of its parts.
    package init(role: Role, logKeyHash: KeyHash?) {
        self.role = role
        self.logKeyHash = logKeyHash
    }
}

/// The entries of the meta table.
enum MetaKey {
    /// `<format version> <release that wrote it>`.
    static let format: StaticString = "format"
    /// `primary` or `secondary`.
    static let role: StaticString = "role"
    /// 32 bytes.
    static let logKeyHash: StaticString = "log-key-hash"
    /// The committed tree: `size` in eight bytes, root hash in 32.
    static let treeHead: StaticString = "tree-head"
    /// The last signed tree head, in the ASCII format.
    static let signedTreeHead: StaticString = "signed-tree-head"
    /// The published tree head with its cosignatures, in the ASCII format.
    static let publishedTreeHead: StaticString = "published-tree-head"
    /// What is remembered of each witness: lines of ``WitnessRecord``.
    static let witnesses: StaticString = "witnesses"
    /// What stands before the lines of the ledger table.
    static let ledgerHead: StaticString = "ledger-head"
}

extension WriteTransaction {
    /// Writes whose tree it is.
    borrowing func put(_ identity: StoreIdentity, in meta: TextTable) throws(LMDBError) {
        try put(Array(identity.role.rawValue.utf8).span, for: MetaKey.role, in: meta)
        if let keyHash = identity.logKeyHash {
            try put(keyHash.bytes.storage.span, for: MetaKey.logKeyHash, in: meta)
        }
    }
}

extension TreeHead {
    /// The 40 bytes of the meta table.
    var storedBytes: [UInt8] {
        var bytes = (0..<8).map { UInt8(truncatingIfNeeded: size.value >> UInt64(8 * $0)) }
        rootHash.withSpan { root in
            for position in root.indices { bytes.append(root[position]) }
        }
        return bytes
    }

    /// Reads the 40 bytes of the meta table.
    init?(stored bytes: Span<UInt8>) {
        guard bytes.count == 40 else { return nil }
        let number = (0..<8).reversed().reduce(UInt64(0)) { $0 << 8 | UInt64(bytes[$1]) }
        guard let size = TreeSize(number) else { return nil }
        self.init(size: size, rootHash: Digest(copying: bytes, at: 8))
    }
}
