// SPDX-License-Identifier: BSD-2-Clause

// The auditor: content with what the writer makes, and each kind of damage found and named.

import LogCrypto
import MerkleLog
import SigsumFormats
import TestSupport
import Testing

@testable import TileStore

/// One kind of damage to a store of 600 golden leaves (two slabs, 88 rows in the tail) whose tree
/// is signed and published, and what the auditor must say.
struct Damage: CustomTestStringConvertible, Sendable {
    let testDescription: String
    let expected: String
    let apply: @Sendable (borrowing WriteTransaction, StoreTables) throws -> Void

    init(
        _ name: String, expected: String,
        apply: @escaping @Sendable (borrowing WriteTransaction, StoreTables) throws -> Void
    ) {
        testDescription = name
        self.expected = expected
        self.apply = apply
    }

    /// One byte of a value changed.
    init(
        _ name: String, byte position: Int, of key: UInt64,
        in table: @escaping @Sendable (StoreTables) -> IntegerTable, expected: String
    ) {
        self.init(name, expected: expected) { transaction, tables in
            var value = try #require(try transaction.bytes(of: key, in: table(tables)))
            value[position] ^= 1
            try transaction.put(value.span, for: key, in: table(tables))
        }
    }

    /// One row of a table removed.
    init(
        _ name: String, without key: UInt64, of count: UInt64, from first: UInt64 = 0,
        in table: @escaping @Sendable (StoreTables) -> IntegerTable, expected: String
    ) {
        self.init(name, expected: expected) { transaction, tables in
            let table = table(tables)
            var rows: [(UInt64, [UInt8])] = []
            for other in first..<first + count where other != key {
                rows.append((other, try #require(try transaction.bytes(of: other, in: table))))
            }
            try transaction.clear(table)
            for (other, value) in rows { try transaction.put(value.span, for: other, in: table) }
        }
    }

    private static let slabs = { @Sendable (tables: StoreTables) in tables.slabs }
    private static let tail = { @Sendable (tables: StoreTables) in tables.tail }
    private static let leafTwice: Damage = {
        // Leaf 599 becomes a copy of leaf 0, and the index says so.
        Damage("a leaf twice", expected: "leaf 0 stands in the tree again as leaf 599") {
            transaction, tables in
            try transaction.put(goldenBytes(0..<1).span, for: 599, in: tables.tail)
            let key = IndexEntry.key(of: Golden.leaves[0].leafHash)
            var entry: [UInt8] = []
            IndexEntry.append(LeafIndex(0), to: &entry)
            IndexEntry.append(LeafIndex(599), to: &entry)
            try transaction.put(entry.span, for: key, in: tables.index)
        }
    }()

    /// Only whoever walks all leaves can count what they lead to.
    static let ofIndexCount =
        Damage("an index entry too many", expected: "the index has 601 entries") {
            transaction, tables in
            try transaction.put([0, 0, 0, 0, 0, 0].span, for: 12_345, in: tables.index)
        }

    static let all: [Damage] = [
        Damage(
            "a byte of a leaf in a slab", byte: 128 * 300 % (128 * 256), of: 1, in: slabs,
            expected: "the index does not lead from leaf hash"),
        Damage(
            "a byte of a leaf in the tail", byte: 127, of: 599, in: tail,
            expected: "the index does not lead from leaf hash"),
        Damage(
            "a node", byte: Slab.leafByteCount + 32 * 400, of: 1, in: slabs,
            expected: "tile 1 of level 0 has a wrong checksum"),
        Damage("a node, with the checksum made for it", expected: "node 400 of tile 1 of level 0") {
            transaction, tables in
            var slab = try #require(try transaction.bytes(of: 1, in: tables.slabs))
            slab[Slab.leafByteCount + 32 * 400] ^= 1
            let checksum = Digest(sha256OfBytes: Array(slab.dropLast(Slab.checksumByteCount)))
            slab.removeLast(Slab.checksumByteCount)
            slab += (0..<Slab.checksumByteCount).map { checksum.bytes.storage[$0] }
            try transaction.put(slab.span, for: 1, in: tables.slabs)
        },
        Damage(
            "a checksum", byte: Slab.byteCount - 1, of: 1, in: slabs,
            expected: "tile 1 of level 0 has a wrong checksum"),
        Damage(
            "the first slab missing", without: 0, of: 2, in: slabs, expected: "leaf 0 is missing"),
        Damage(
            "the last slab missing", without: 1, of: 2, in: slabs, expected: "leaf 256 is missing"),
        Damage("a slab cut short", expected: "leaf 0 is missing") { transaction, tables in
            let slab = try #require(try transaction.bytes(of: 0, in: tables.slabs))
            try transaction.put(Array(slab.dropLast()).span, for: 0, in: tables.slabs)
        },
        Damage("a slab too many", expected: "not 3, 0 and 88") { transaction, tables in
            let slab = try #require(try transaction.bytes(of: 0, in: tables.slabs))
            try transaction.put(slab.span, for: 9, in: tables.slabs)
        },
        Damage("a tile too many", expected: "not 2, 1 and 88") { transaction, tables in
            let key = Tile(level: 1, index: 0).key
            try transaction.put([0].span, for: key, in: tables.tiles)
        },
        Damage(
            "a row of the tail missing", without: 550, of: 88, from: 512, in: tail,
            expected: "leaf 550 is missing"),
        Damage("a row of the tail too many", expected: "not 2, 0 and 89") {
            transaction, tables in
            try transaction.put(goldenBytes(0..<1).span, for: 600, in: tables.tail)
        },
        Damage("an index entry to the wrong leaf", expected: "to leaf 577") { transaction, tables in
            try transaction.putIndex([578], for: 577, in: tables.index)
        },
        Damage("an index entry of a leaf twice", expected: "names a leaf twice") {
            transaction, tables in
            try transaction.putIndex([577, 577], for: 577, in: tables.index)
        },
        Damage("an index entry to a leaf that has another hash", expected: "to leaf 578") {
            transaction, tables in
            try transaction.putIndex([577, 578], for: 577, in: tables.index)
        },
        Damage("an index entry past the end", expected: "to leaf 600") { transaction, tables in
            try transaction.putIndex([577, 600], for: 577, in: tables.index)
        },
        Damage("an index entry that begins with another leaf", expected: "to leaf 578") {
            transaction, tables in
            try transaction.putIndex([578, 577], for: 577, in: tables.index)
        },
        Damage("an index entry of a broken length", expected: "to leaf 577") {
            transaction, tables in
            try transaction.put(
                [65, 2, 0, 0, 0, 0, 0].span, for: IndexEntry.key(of: Golden.leaves[577].leafHash),
                in: tables.index)
        },
        leafTwice,
        Damage("another recorded root", expected: "the recorded tree head has root hash") {
            transaction, tables in
            let head = TreeHead(size: treeSize(600), rootHash: Golden.roots[599])
            try transaction.put(head.storedBytes.span, for: MetaKey.treeHead, in: tables.meta)
        },
        Damage("a smaller recorded size", expected: "has 600 leaves, the store 599") {
            transaction, tables in
            try transaction.put(
                Golden.treeHead(599).storedBytes.span, for: MetaKey.treeHead, in: tables.meta)
        },
        Damage("no recorded tree head", expected: "no tree head is stored") {
            transaction, tables in
            try transaction.put([UInt8]().span, for: MetaKey.treeHead, in: tables.meta)
        },
        Damage("the signed head of another tree", expected: "the signed tree head in the store") {
            transaction, tables in
            let head = TreeHead(size: treeSize(512), rootHash: Golden.roots[511])
            try transaction.put(
                TestSigner.log.signed(head).encode().span, for: MetaKey.signedTreeHead,
                in: tables.meta)
        },
        Damage("the published head of another tree", expected: "the published tree head in") {
            transaction, tables in
            let head = TreeHead(size: treeSize(0), rootHash: Golden.roots[1])
            try transaction.put(
                TestSigner.log.signed(head).encode().span, for: MetaKey.publishedTreeHead,
                in: tables.meta)
        },
        Damage("a signed head that is none", expected: "the stored signed tree head: line 1") {
            transaction, tables in
            try transaction.put([1].span, for: MetaKey.signedTreeHead, in: tables.meta)
        },
        Damage("a signed head ahead of the store", expected: "has 601 leaves, the store 600") {
            transaction, tables in
            let head = TreeHead(size: treeSize(601), rootHash: Golden.roots[1])
            try transaction.put(
                TestSigner.log.signed(head).encode().span, for: MetaKey.signedTreeHead,
                in: tables.meta)
        },
    ]
}

extension WriteTransaction {
    /// A copy of a value; nil where there is none.
    borrowing func bytes(of key: UInt64, in table: IntegerTable) throws -> [UInt8]? {
        try withValue(of: key, in: table) { bytes in
            guard let bytes else { return [UInt8]?.none }
            return bytes.indices.map { bytes[$0] }
        }
    }

    /// The index entry of golden leaf `leaf`, made to name `indices`.
    borrowing func putIndex(_ indices: [UInt64], for leaf: Int, in table: IntegerTable) throws {
        var entry: [UInt8] = []
        for index in indices { IndexEntry.append(LeafIndex(index), to: &entry) }
        try put(
            entry.span, for: IndexEntry.key(of: Golden.leaves[leaf].leafHash), in: table)
    }
}

@Suite struct AuditTests {
    private func soundStore() throws -> TileStore {
        let store = try TileStore.ephemeral()
        let writer = try StoreWriter(store)
        _ = try writer.append(Golden.leaves)
        try writer.record(
            StoreRecord(
                signed: TestSigner.log.signed(Golden.treeHead(600)),
                published: CosignedTreeHead(TestSigner.log.signed(Golden.treeHead(512)))))
        return store
    }

    @Test func aSoundStorePasses() throws {
        let store = try soundStore()
        var progress: [UInt64] = []
        let report = try store.audit(
            heads: [("the sth file", Golden.treeHead(600)), ("an old one", Golden.treeHead(0))]
        ) { done, all in
            #expect(all == 600)
            progress.append(done)
        }
        #expect(
            report
                == AuditReport(
                    treeHead: Golden.treeHead(600), firstLeaf: LeafIndex(0), tileCount: 2))
        #expect(progress == [256, 512, 600])
        #expect(try TileStore.ephemeral().audit().treeHead == Golden.treeHead(0))
    }

    /// Leaves that are appended during an audit are not in what it sees.
    @Test func anAuditSeesOneState() throws {
        let store = try TileStore.ephemeral()
        let writer = try StoreWriter(store)
        _ = try writer.append(Array(Golden.leaves[..<300]))
        var next = 300
        let report = try store.audit { _, all in
            #expect(all == 300)
            let said = words { try writer.append(Array(Golden.leaves[next..<next + 150])) }
            #expect(said == "no error")
            next += 150
        }
        #expect(report.treeHead == Golden.treeHead(300))
        #expect(writer.treeHead == Golden.treeHead(600))
        #expect(try store.audit().treeHead == Golden.treeHead(600))
    }

    private func damagedStore(_ damage: Damage) throws -> TileStore {
        let store = try soundStore()
        let transaction = try store.environment.beginWrite()
        try damage.apply(transaction, store.tables)
        try transaction.commit()
        return store
    }

    @Test(arguments: Damage.all + [Damage.ofIndexCount])
    func eachDamageIsFound(damage: Damage) throws {
        let said = words { try damagedStore(damage).audit() }
        #expect(said.hasPrefix("the store is damaged: "))
        #expect(said.contains(damage.expected))
    }

    /// All of it is damage to the newest leaves, or to what lies over them: of 600 leaves those
    /// from 256 on, which is where the slab of the last 100 begins.
    @Test(arguments: Damage.all)
    func eachDamageIsFoundAmongTheNewest(damage: Damage) throws {
        let said = words { try damagedStore(damage).audit(newest: 100) }
        #expect(said.hasPrefix("the store is damaged: "))
        #expect(said.contains(damage.expected))
    }

    @Test(arguments: [
        (newest: UInt64(0), first: 512), (88, 512), (89, 256), (344, 256), (345, 0), (600, 0),
        (65_536, 0), (.max, 0),
    ])
    func theNewestWithTheirSlab(newest: UInt64, first: Int) throws {
        let store = try soundStore()
        var progress: [UInt64] = []
        let heads = [0, 1, 255, 256, 300, 600].map { (name: "a", treeHead: Golden.treeHead($0)) }
        let report = try store.audit(newest: newest, heads: heads) { done, all in
            #expect(all == UInt64(600 - first))
            progress.append(done)
        }
        #expect(
            report
                == AuditReport(
                    treeHead: Golden.treeHead(600), firstLeaf: LeafIndex(UInt64(first)),
                    tileCount: UInt64(512 - first) / 256))
        #expect(progress.last == UInt64(600 - first))
    }

    /// What lies before the newest leaves is not looked at, but for the roots of its tiles.
    @Test func olderLeavesAreBelieved() throws {
        let damage = Damage(
            "an old leaf", byte: 0, of: 0, in: { $0.slabs },
            expected: "the index does not lead from leaf hash")
        let store = try damagedStore(damage)
        #expect(try store.audit(newest: 100).treeHead == Golden.treeHead(600))
        #expect(words { try store.audit() }.contains(damage.expected))
        let root = Damage(
            "the root of an old slab", byte: Slab.leafByteCount + 32 * 510, of: 0,
            in: { $0.slabs }, expected: "has root hash")
        #expect(words { try damagedStore(root).audit(newest: 0) }.contains(root.expected))
    }

    /// A head that is older than what is walked is compared with the nodes over its leaves.
    @Test(arguments: [1, 255, 256, 300, 511])
    func anOldHeadOfAnotherTreeIsNamed(size: Int) throws {
        let store = try soundStore()
        let other = TreeHead(size: treeSize(size), rootHash: Golden.roots[599])
        #expect(
            words {
                try store.audit(newest: 0, heads: [(name: "the sth file", treeHead: other)])
            }.contains("the sth file has root hash \(Golden.roots[599]) for \(size) leaves"))
    }

    /// Past 65,536 leaves, where the nodes that the walk begins with are in tiles of two levels.
    @Test func theNewestOfATreeWithHigherTiles() throws {
        let store = try TileStore.ephemeral()
        let writer = try StoreWriter(store)
        var hasher = TreeHasher()
        _ = try writer.append(sequence: syntheticLeaves(0..<66_100, hasher: &hasher))
        let newest = try store.audit(newest: 1000)
        #expect(newest.firstLeaf == LeafIndex(65_024))
        // The slabs from 65,024 on, and the tile over the first 65,536 leaves.
        #expect(newest.tileCount == 4 + 1)
        #expect(newest.treeHead == writer.treeHead)
        #expect(try store.audit(newest: 65_536).firstLeaf == LeafIndex(512))
        let transaction = try store.environment.beginWrite()
        let key = Tile(level: 1, index: 0).key
        var tile = try #require(try transaction.bytes(of: key, in: store.tables.tiles))
        tile[32 * 400] ^= 1
        try transaction.put(tile.span, for: key, in: store.tables.tiles)
        try transaction.commit()
        #expect(words { try store.audit(newest: 1000) }.contains("tile 0 of level 1 has a wrong"))
        // Of a tile that was complete before the walk begins only the root counts.
        #expect(try store.audit(newest: 100).firstLeaf == LeafIndex(65_792))
    }

    /// Every byte of the first slab that is no leaf's is a node's or the checksum's: each is
    /// noticed.
    @Test(arguments: Array(stride(from: Slab.leafByteCount, to: Slab.byteCount, by: 997)))
    func noByteOfASlabIsFree(position: Int) throws {
        let store = try soundStore()
        let transaction = try store.environment.beginWrite()
        var slab = try #require(try transaction.bytes(of: 0, in: store.tables.slabs))
        slab[position] ^= 0x80
        try transaction.put(slab.span, for: 0, in: store.tables.slabs)
        try transaction.commit()
        #expect(words { try store.audit() }.contains("tile 0 of level 0 has a wrong checksum"))
    }

    @Test func aHeadOfAnotherTreeIsNamed() throws {
        let store = try soundStore()
        let other = TreeHead(size: treeSize(300), rootHash: Golden.roots[299])
        let said = words { try store.audit(heads: [(name: "the sth file", treeHead: other)]) }
        #expect(said.contains("the sth file has root hash \(Golden.roots[299]) for 300 leaves"))
        let ahead = TreeHead(size: treeSize(601), rootHash: Golden.roots[600])
        #expect(
            words { try store.audit(heads: [(name: "the sth file", treeHead: ahead)]) }
                .contains("the sth file has 601 leaves, the store 600"))
    }

    /// A writer does not go on with a store whose root hash or tables are not what they should be.
    @Test func theWriterRefusesADamagedEdge() throws {
        let store = try soundStore()
        let transaction = try store.environment.beginWrite()
        var row = try #require(try transaction.bytes(of: 599, in: store.tables.tail))
        row[0] ^= 1
        try transaction.put(row.span, for: 599, in: store.tables.tail)
        try transaction.commit()
        #expect(words { try StoreWriter(store) }.contains("is not the one recorded"))
    }
}
