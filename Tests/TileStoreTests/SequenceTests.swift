// SPDX-License-Identifier: BSD-2-Clause

// Appending a batch that must follow exactly, as a copy of another tree does: all of it or nothing.

import LogCrypto
import MerkleLog
import SigsumFormats
import TestSupport
import Testing

@testable import TileStore

/// A batch with one leaf that is not new, and what is said of it.
struct RepeatCase: CustomTestStringConvertible, Sendable {
    let testDescription: String
    /// The golden leaves that are in the tree.
    let stored: Int
    /// The golden leaves of the batch.
    let batch: [Int]
    let outcome: SequenceOutcome

    init(_ name: String, stored: Int, batch: [Int], at index: Int, knownAt known: Int) {
        testDescription = name
        self.stored = stored
        self.batch = batch
        outcome = .repeated(LeafIndex(UInt64(index)), knownAt: LeafIndex(UInt64(known)))
    }

    static let all = [
        RepeatCase("only the last leaf again", stored: 1, batch: [0], at: 1, knownAt: 0),
        RepeatCase(
            "a leaf of the tail first", stored: 300, batch: [299, 300], at: 300, knownAt: 299),
        RepeatCase("a leaf of a slab", stored: 300, batch: [300, 7, 301], at: 301, knownAt: 7),
        RepeatCase("twice in an empty tree", stored: 0, batch: [0, 1, 0], at: 2, knownAt: 0),
        RepeatCase(
            "twice in the batch", stored: 300, batch: [300, 301, 301], at: 302, knownAt: 301),
        RepeatCase(
            "after a slab was finished", stored: 250, batch: Array(250..<260) + [3], at: 260,
            knownAt: 3),
        RepeatCase(
            "a leaf of the old tail, after a slab was finished", stored: 250,
            batch: Array(250..<260) + [249], at: 260, knownAt: 249),
        RepeatCase(
            "a leaf of the slab that the batch finished", stored: 250,
            batch: Array(250..<260) + [255], at: 260, knownAt: 255),
        RepeatCase(
            "after several slabs", stored: 10, batch: Array(10..<600) + [300], at: 600,
            knownAt: 300),
        RepeatCase("at a slab's border", stored: 256, batch: [256, 255], at: 257, knownAt: 255),
    ]
}

@Suite struct SequenceTests {
    @Test(arguments: BatchShape.all)
    func everyRootInAnyBatches(shape: BatchShape) throws {
        let store = try TileStore.ephemeral()
        let writer = try StoreWriter(store)
        for range in shape.ranges {
            #expect(try writer.append(sequence: Array(Golden.leaves[range])) == .appended)
            #expect(writer.treeHead == Golden.treeHead(range.upperBound))
        }
        #expect(try store.audit().treeHead == Golden.treeHead(600))
    }

    /// Nothing is written, twice over; and then the writer goes on as if it had not been asked,
    /// with the edge and the tail that it had, and so does one that begins anew.
    @Test(arguments: RepeatCase.all)
    func aRepeatWritesNothing(case: RepeatCase) throws {
        let store = try TileStore.ephemeral()
        let writer = try StoreWriter(store)
        _ = try writer.append(Array(Golden.leaves[..<`case`.stored]))
        let stored = Golden.treeHead(`case`.stored)
        for _ in 0..<2 {
            let outcome = try writer.append(sequence: `case`.batch.map { Golden.leaves[$0] })
            #expect(outcome == `case`.outcome)
            #expect(writer.treeHead == stored)
            #expect(writer.snapshot.treeHead == stored)
            #expect(try store.audit().treeHead == stored)
        }
        let end = min(600, `case`.stored + 300)
        #expect(
            try writer.append(sequence: Array(Golden.leaves[`case`.stored..<end])) == .appended)
        #expect(try store.audit().treeHead == Golden.treeHead(end))
        let next = try StoreWriter(store)
        #expect(try next.append(sequence: Array(Golden.leaves[end...])) == .appended)
        #expect(try store.audit().treeHead == Golden.treeHead(600))
    }

    /// The batch that was turned down is new to the append that drops what is known.
    @Test func theOtherAppendGoesOnAfterARepeat() throws {
        let store = try TileStore.ephemeral()
        let writer = try StoreWriter(store)
        _ = try writer.append(Array(Golden.leaves[..<250]))
        let batch = Array(Golden.leaves[250..<270] + Golden.leaves[..<1])
        #expect(
            try writer.append(sequence: batch)
                == .repeated(LeafIndex(270), knownAt: LeafIndex(0)))
        #expect(try writer.append(batch).last == .known(LeafIndex(0)))
        #expect(writer.treeHead == Golden.treeHead(270))
        #expect(try store.audit().treeHead == Golden.treeHead(270))
    }

    /// Leaf hashes with eight equal bytes are of two leaves: see equalPrefixesAreTwoLeaves.
    @Test func equalPrefixesAreNoRepeat() throws {
        let store = try TileStore.ephemeral()
        let writer = try StoreWriter(store)
        _ = try writer.append(Array(Golden.leaves[..<10]))
        try putIndexEntry([3], for: Golden.leaves[10].leafHash, in: store)
        #expect(try writer.append(sequence: Array(Golden.leaves[10..<12])) == .appended)
        #expect(writer.treeHead == Golden.treeHead(12))
    }
}
