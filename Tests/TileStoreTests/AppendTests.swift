// SPDX-License-Identifier: BSD-2-Clause

// Appending and reading back, against the golden tree.

import LogCrypto
import MerkleLog
import SigsumFormats
import TestSupport
import Testing

@testable import TileStore

/// How a test cuts the golden leaves into batches.
struct BatchShape: CustomTestStringConvertible, Sendable {
    let testDescription: String
    let sizes: [Int]

    static func fixed(_ size: Int) -> Self {
        Self(testDescription: "batches of \(size)", sizes: Array(repeating: size, count: 600))
    }

    static func random(seed: UInt64) -> Self {
        var generator = SeededGenerator(seed: seed)
        let sizes = (0..<600).map { _ in Int.random(in: 0...300, using: &generator) }
        return Self(testDescription: "random batches, seed \(seed)", sizes: sizes)
    }

    static let all = [1, 7, 255, 256, 257, 600].map(fixed) + (1...4).map { random(seed: $0) }

    /// The batches as ranges of the golden leaves.
    var ranges: [Range<Int>] {
        var ranges: [Range<Int>] = []
        var next = 0
        for size in sizes where next < 600 {
            ranges.append(next..<min(600, next + size))
            next += size
        }
        return ranges
    }
}

@Suite struct AppendTests {
    /// Each batch comes with duplicates of its own leaves and of older ones mixed in.
    @Test(arguments: BatchShape.all)
    func everyRootInAnyBatches(shape: BatchShape) throws {
        let store = try TileStore.ephemeral()
        let writer = try StoreWriter(store)
        let reader = try StoreReader(store)
        for range in shape.ranges {
            var batch = Array(Golden.leaves[range])
            var expected = range.map { AppendedLeaf.added(LeafIndex(UInt64($0))) }
            let again = [range.lowerBound / 2, range.lowerBound, range.upperBound - 1]
            for index in again where index >= 0 && index < range.upperBound {
                batch.append(Golden.leaves[index])
                expected.append(.known(LeafIndex(UInt64(index))))
            }
            #expect(try writer.append(batch) == expected)
            #expect(writer.treeHead == Golden.treeHead(range.upperBound))
            #expect(
                try reader.read { view throws(StoreError) in try view.treeHead() }
                    == writer.treeHead)
            let counts = try store.fileByteCounts()
            #expect(counts.found >= counts.needed)
        }
        #expect(try store.audit().treeHead == Golden.treeHead(600))
    }

    /// A duplicate that stands before, between and after new leaves keeps the others' positions.
    @Test func duplicatesTakeNoPosition() throws {
        let writer = try StoreWriter(try TileStore.ephemeral())
        let leaves = Golden.leaves
        #expect(
            try writer.append([leaves[0], leaves[0], leaves[1], leaves[0], leaves[2], leaves[1]])
                == [
                    .added(LeafIndex(0)), .known(LeafIndex(0)), .added(LeafIndex(1)),
                    .known(LeafIndex(0)), .added(LeafIndex(2)), .known(LeafIndex(1)),
                ])
        #expect(try writer.append([leaves[1]]) == [.known(LeafIndex(1))])
        #expect(try writer.append([]) == [])
        #expect(writer.treeHead == Golden.treeHead(3))
    }

    /// A batch that finishes a slab and repeats leaves that were in the tail before it.
    @Test func duplicatesAcrossASlabBorder() throws {
        let writer = try StoreWriter(try TileStore.ephemeral())
        _ = try writer.append(Array(Golden.leaves[..<250]))
        let batch = Array(Golden.leaves[250..<260] + Golden.leaves[245..<260])
        let appended = try writer.append(batch)
        #expect(appended.map { $0.index?.value } == Array(250..<260) + Array(245..<260))
        #expect(writer.treeHead == Golden.treeHead(260))
    }

    @Test(arguments: [[1, 255, 1, 255], [255, 1, 1, 300], [600], [256, 256, 88]])
    func reopeningAfterEachBatch(sizes: [Int]) throws {
        let folder = try TemporaryFolder()
        _ = try TileStore.golden(0, in: folder.store)
        var next = 0
        for size in sizes {
            let store = try TileStore.open(folder: folder.store)
            #expect(store.identity == TestSigner.log.identity)
            let writer = try StoreWriter(store)
            #expect(writer.treeHead == Golden.treeHead(next))
            _ = try writer.append(Array(Golden.leaves[next..<next + size]))
            next += size
            #expect(writer.treeHead == Golden.treeHead(next))
            #expect(writer.snapshot.edge.size == treeSize(next))
            #expect(try store.audit().treeHead == Golden.treeHead(next))
            let counts = try store.fileByteCounts()
            #expect(counts.found >= counts.needed)
        }
    }

    @Test func leavesOfAnyRange() throws {
        let store = try TileStore.ephemeral()
        _ = try StoreWriter(store).append(Golden.leaves)
        let reader = try StoreReader(store)
        let borders = [0, 1, 100, 255, 256, 257, 511, 512, 513, 599, 600]
        for start in borders {
            for end in borders where end >= start {
                #expect(try reader.leafBytes(start..<end) == goldenBytes(start..<end))
            }
        }
        #expect(words { try reader.leafBytes(599..<601) }.contains("leaf 600 is missing"))
    }

    @Test func indexOfKnownAndUnknownLeaves() throws {
        let store = try TileStore.ephemeral()
        let writer = try StoreWriter(store)
        let reader = try StoreReader(store)
        func index(_ number: Int) throws -> LeafIndex? {
            try reader.read { view throws(StoreError) in
                try view.leafIndex(of: Golden.leaves[number].leafHash)
            }
        }
        #expect(try index(0) == nil)
        _ = try writer.append(Array(Golden.leaves[..<300]))
        for number in [0, 1, 255, 256, 299] {
            #expect(try index(number) == LeafIndex(UInt64(number)))
        }
        #expect(try index(300) == nil)
        _ = try writer.append(Array(Golden.leaves[300...]))
        #expect(try index(300) == LeafIndex(300))
    }

    /// Two leaf hashes with eight equal bytes cannot be had, so an entry is put by hand as if leaf
    /// 3 had such a hash: the other leaf is new all the same, in a later batch and twice in one.
    @Test func equalPrefixesAreTwoLeaves() throws {
        let store = try TileStore.ephemeral()
        let writer = try StoreWriter(store)
        let reader = try StoreReader(store)
        _ = try writer.append(Array(Golden.leaves[..<10]))
        let leaf = Golden.leaves[10]
        try putIndexEntry([3], for: leaf.leafHash, in: store)
        #expect(
            try reader.read { view throws(StoreError) in try view.leafIndex(of: leaf.leafHash) }
                == nil)
        #expect(
            try writer.append([leaf, leaf]) == [.added(LeafIndex(10)), .known(LeafIndex(10))])
        #expect(try writer.append([leaf]) == [.known(LeafIndex(10))])
        #expect(writer.treeHead == Golden.treeHead(11))
        try reader.read { view throws(StoreError) in
            #expect(try view.leafIndex(of: leaf.leafHash) == LeafIndex(10))
            #expect(
                try view.indexEntry(of: leaf.leafHash).all == [LeafIndex(3), LeafIndex(10)])
        }
    }

    /// A leaf of the same batch under an equal prefix is compared with the batch's own hashes.
    @Test func equalPrefixesInOneBatch() throws {
        let store = try TileStore.ephemeral()
        let writer = try StoreWriter(store)
        try putIndexEntry([0], for: Golden.leaves[1].leafHash, in: store)
        #expect(
            try writer.append([Golden.leaves[0], Golden.leaves[1], Golden.leaves[1]])
                == [.added(LeafIndex(0)), .added(LeafIndex(1)), .known(LeafIndex(1))])
    }

    @Test func anIndexPastTheEndIsNotFollowed() throws {
        let store = try TileStore.ephemeral()
        let writer = try StoreWriter(store)
        try putIndexEntry([7], for: Golden.leaves[0].leafHash, in: store)
        #expect(
            words { try writer.append([Golden.leaves[0]]) }.contains("a leaf index past the end"))
    }

    @Test func recordedHeadsAreReadBack() throws {
        let store = try TileStore.ephemeral()
        let writer = try StoreWriter(store)
        let reader = try StoreReader(store)
        _ = try writer.append(Array(Golden.leaves[..<20]))
        let signed = TestSigner.log.signed(Golden.treeHead(20))
        let published = CosignedTreeHead(TestSigner.log.signed(Golden.treeHead(10)))
        try writer.record(StoreRecord(signed: signed, published: published))
        try reader.read { view throws(StoreError) in
            #expect(try view.signedTreeHead() == signed)
            #expect(try view.publishedTreeHead() == published)
        }
        let next = TestSigner.log.signed(Golden.treeHead(15))
        try writer.record(StoreRecord(signed: next))
        try reader.read { view throws(StoreError) in
            #expect(try view.signedTreeHead() == next)
            #expect(try view.publishedTreeHead() == published)
        }
    }

    /// Witnesses are replaced all together, and stay where nothing is said of them.
    @Test func recordedWitnessesAreReadBack() throws {
        let folder = try TemporaryFolder()
        let signed = TestSigner.log.signed(Golden.treeHead(20))
        let records = [0, 20].map { size in
            WitnessRecord(
                keyHash: TestSigner.other.publicKey.keyHash, size: treeSize(size),
                savedMilliseconds: 5, seenMilliseconds: 6, keyName: size == 0 ? nil : "w\u{E9}")
        }
        do {
            let store = try TileStore.golden(20, in: folder.store)
            let writer = try StoreWriter(store)
            try StoreReader(store).read { view throws(StoreError) in
                #expect(try view.witnessRecords() == [])
            }
            try writer.record(StoreRecord(signed: signed, witnesses: records))
            try writer.record(StoreRecord(signed: signed, published: CosignedTreeHead(signed)))
        }
        do {
            let store = try TileStore.open(folder: folder.store)
            let reader = try StoreReader(store)
            try reader.read { view throws(StoreError) in
                #expect(try view.witnessRecords() == records)
                #expect(try view.publishedTreeHead() == CosignedTreeHead(signed))
            }
            _ = try store.audit(heads: [])
            try StoreWriter(store).record(StoreRecord(signed: signed, witnesses: []))
            try reader.read { view throws(StoreError) in
                #expect(try view.witnessRecords() == [])
            }
        }
    }

    @Test func damagedWitnessRecords() throws {
        let store = try TileStore.ephemeral()
        let transaction = try store.environment.beginWrite()
        try transaction.put(
            Array("witness=x\n".utf8).span, for: MetaKey.witnesses, in: store.tables.meta)
        try transaction.commit()
        let error = words {
            try StoreReader(store).read { view throws(StoreError) in try view.witnessRecords() }
        }
        #expect(error.contains("the stored records of witnesses: line 1"))
        #expect(words { try store.audit(heads: []) }.contains("the stored records of witnesses"))
    }
}

/// Puts an index entry by hand.
func putIndexEntry(_ indices: [UInt64], for leafHash: Digest, in store: TileStore) throws {
    var entry: [UInt8] = []
    for index in indices { IndexEntry.append(LeafIndex(index), to: &entry) }
    let transaction = try store.environment.beginWrite()
    try transaction.put(
        entry.span, for: IndexEntry.key(of: leafHash), in: store.tables.index)
    try transaction.commit()
}
