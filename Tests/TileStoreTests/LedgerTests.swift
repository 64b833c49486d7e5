// SPDX-License-Identifier: BSD-2-Clause

// Leaves that are charged: which of a batch are, what a refused one leaves behind, and that the tree
// and what was charged for it are never on disk without each other.

import Foundation
import LogCrypto
import MerkleLog
import SigsumFormats
import TestSupport
import Testing

@testable import TileStore

/// Has room for all but the leaves with some leaf hashes, and stores how many it has charged, as a
/// head of its own each time.
private struct ScriptedLedger: LeafLedger {
    let batch: [HashedLeaf]
    var refused: Set<Digest> = []
    /// Bytes stored beside the count.
    var padding = 0
    var isSilent = false
    /// What was charged before.
    var count = 0
    /// The positions that were asked for.
    private(set) var asked: [Int] = []

    init(_ batch: [HashedLeaf], refusing refused: [HashedLeaf] = [], after count: Int = 0) {
        self.batch = batch
        self.refused = Set(refused.map(\.leafHash))
        self.count = count
    }

    mutating func charge(_ position: Int) -> Bool {
        asked.append(position)
        guard !refused.contains(batch[position].leafHash) else { return false }
        count += 1
        return true
    }

    func record() -> LedgerRecord {
        isSilent ? LedgerRecord() : LedgerRecord(newHead: Self.text(count, padding: padding))
    }

    static func text(_ count: Int, padding: Int = 0) -> [UInt8] {
        Array("charged=\(count)\n".utf8) + [UInt8](repeating: 0x23, count: padding)
    }
}

/// Charges whatever comes, and stores a record that was made before.
private struct PreparedLedger: LeafLedger {
    let prepared: LedgerRecord

    init(head: String? = nil, _ lines: [String: String]) {
        prepared = LedgerRecord(
            newHead: head.map { Array($0.utf8) },
            lines: Dictionary(
                uniqueKeysWithValues: lines.map { (Array($0.utf8), Array($1.utf8)) }))
    }

    func charge(_ position: Int) -> Bool { true }
    func record() -> LedgerRecord { prepared }
}

extension TileStore {
    fileprivate func ledger() throws -> [UInt8]? {
        try StoreReader(self).read { view throws(StoreError) in try view.ledger() }
    }

    fileprivate func ledgerText() throws -> String? {
        try ledger().map { String(decoding: $0, as: UTF8.self) }
    }

    fileprivate func contains(_ leaf: HashedLeaf) throws -> Bool {
        try StoreReader(self).read { view throws(StoreError) in
            try view.leafIndex(of: leaf.leafHash)
        } != nil
    }
}

private func added(_ index: Int) -> AppendedLeaf { .added(LeafIndex(UInt64(index))) }
private func known(_ index: Int) -> AppendedLeaf { .known(LeafIndex(UInt64(index))) }

@Suite struct LedgerTests {
    private let strangers: [HashedLeaf]

    init() {
        var hasher = TreeHasher()
        strangers = syntheticLeaves(0..<400, hasher: &hasher)
    }

    /// Refused leaves take no position, and the others stand as if they had not come.
    @Test func refusalsInTheMiddle() throws {
        let store = try TileStore.ephemeral()
        let writer = try StoreWriter(store)
        let leaves = Golden.leaves
        let batch = [strangers[0], leaves[0], strangers[1], strangers[2], leaves[1], strangers[3]]
        var ledger = ScriptedLedger(batch, refusing: strangers)
        #expect(
            try writer.append(batch, charging: &ledger)
                == [.refused, added(0), .refused, .refused, added(1), .refused])
        #expect(ledger.asked == Array(0..<6))
        #expect(writer.treeHead == Golden.treeHead(2))
        #expect(try store.ledger() == ScriptedLedger.text(2))
        for stranger in strangers[..<4] { #expect(try !store.contains(stranger)) }
        // What was refused once is as new as it was.
        let again = [strangers[1]]
        var open = ScriptedLedger(again, after: 2)
        #expect(try writer.append(again, charging: &open) == [added(2)])
        #expect(try store.audit().treeHead == writer.treeHead)
        #expect(try store.ledger() == ScriptedLedger.text(3))
    }

    /// A leaf of the tree, of a slab or the tail, and one that stands in the batch before, are free.
    @Test func knownLeavesAreNotCharged() throws {
        let folder = try TemporaryFolder()
        let store = try TileStore.golden(300, in: folder.store)
        let writer = try StoreWriter(store)
        let leaves = Golden.leaves
        let batch = [leaves[7], leaves[299], leaves[300], leaves[300], leaves[301], leaves[7]]
        var ledger = ScriptedLedger(batch)
        #expect(
            try writer.append(batch, charging: &ledger)
                == [known(7), known(299), added(300), known(300), added(301), known(7)])
        #expect(ledger.asked == [2, 4])
        // Also where there is no room for anything.
        var full = ScriptedLedger(batch, refusing: batch)
        #expect(
            try writer.append(batch, charging: &full)
                == [known(7), known(299), known(300), known(300), known(301), known(7)])
        #expect(full.asked == [])
        #expect(try store.audit().treeHead == Golden.treeHead(302))
    }

    /// With nothing new there is no commit, and what is stored stays.
    @Test func nothingAddedNothingStored() throws {
        let store = try TileStore.ephemeral()
        let writer = try StoreWriter(store)
        var full = ScriptedLedger(strangers, refusing: strangers, after: 999)
        #expect(
            try writer.append(strangers, charging: &full)
                == Array(repeating: .refused, count: strangers.count))
        #expect(try store.ledger() == nil)
        var ledger = ScriptedLedger(Golden.leaves)
        _ = try writer.append(Array(Golden.leaves[..<256]), charging: &ledger)
        #expect(try store.ledger() == ScriptedLedger.text(256))
        var known = ScriptedLedger(Golden.leaves, after: 999)
        _ = try writer.append(Array(Golden.leaves[..<3]), charging: &known)
        _ = try writer.append(strangers, charging: &full)
        #expect(try store.ledger() == ScriptedLedger.text(256))
        #expect(try store.audit().treeHead == Golden.treeHead(256))
    }

    /// A ledger without anything to remember, and an append without a ledger, leave what is stored.
    @Test func whatIsStoredStays() throws {
        let store = try TileStore.ephemeral()
        let writer = try StoreWriter(store)
        var ledger = ScriptedLedger(Golden.leaves)
        _ = try writer.append(Array(Golden.leaves[..<3]), charging: &ledger)
        var silent = ledger
        silent.isSilent = true
        _ = try writer.append(Array(Golden.leaves[..<5]), charging: &silent)
        _ = try writer.append(Array(Golden.leaves[..<7]))
        _ = try writer.append(sequence: Array(Golden.leaves[7..<9]))
        try writer.record(StoreRecord(signed: TestSigner.log.signed(writer.treeHead)))
        #expect(try store.ledger() == ScriptedLedger.text(3))
        #expect(writer.treeHead == Golden.treeHead(9))
    }

    /// Each line stands under its name until there is another one, and all until there is a new head.
    @Test func linesByName() throws {
        let folder = try TemporaryFolder()
        let store = try TileStore.golden(0, in: folder.store)
        let writer = try StoreWriter(store)
        var next = 0
        func append(_ ledger: PreparedLedger) throws -> String? {
            var ledger = ledger
            _ = try writer.append([Golden.leaves[next]], charging: &ledger)
            next += 1
            return try store.ledgerText()
        }
        // Lines without a head are nobody's.
        #expect(try append(PreparedLedger(["x": "x=0\n"])) == nil)
        #expect(try append(PreparedLedger(head: "one\n", [:])) == "one\n")
        #expect(try append(PreparedLedger(["b": "b=1\n"])) == "one\nb=1\n")
        #expect(try append(PreparedLedger(["a": "a=1\n", "c": ""])) == "one\na=1\nb=1\n")
        #expect(try append(PreparedLedger(["b": "b=2\n"])) == "one\na=1\nb=2\n")
        #expect(try append(PreparedLedger([:])) == "one\na=1\nb=2\n")
        #expect(try append(PreparedLedger(head: "two\n", ["c": "c=1\n"])) == "two\nc=1\n")
        #expect(try append(PreparedLedger(head: "", [:])) == "")
        #expect(try append(PreparedLedger(["a": "a=3\n"])) == "a=3\n")
        #expect(try store.audit().treeHead == Golden.treeHead(next))
    }

    /// More lines than a page has, with names of any length, against a dictionary; the file is never
    /// shorter than its pages.
    @Test(arguments: 1...4 as ClosedRange<UInt64>) func manyLines(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        let folder = try TemporaryFolder()
        let store = try TileStore.golden(0, in: folder.store)
        let writer = try StoreWriter(store)
        let names = (0..<2_000).map { number in
            let length = number % 7 == 0 ? 511 : Int.random(in: 4...60, using: &random)
            return "\(number) ".padding(toLength: length, withPad: "n", startingAt: 0)
        }
        var (head, model): (String, [String: String]) = ("0\n", [:])
        for batch in 0..<60 {
            let isNew = batch % 25 == 0
            if isNew { (head, model) = ("\(batch)\n", [:]) }
            let count = Int.random(in: 0...300, using: &random)
            let lines = Dictionary(
                (0..<count).map { _ in
                    let name = names[Int.random(in: names.indices, using: &random)]
                    return (name, "\(name)=\(batch)\n")
                }, uniquingKeysWith: { $1 })
            model.merge(lines) { $1 }
            var ledger = PreparedLedger(head: isNew ? head : nil, lines)
            _ = try writer.append([Golden.leaves[batch]], charging: &ledger)
            let stored = try store.ledgerText()
            let sorted = model.sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }
            #expect(stored == head + sorted.map(\.value).joined())
            let counts = try store.fileByteCounts()
            #expect(counts.found >= counts.needed)
        }
        #expect(try store.audit().treeHead == Golden.treeHead(60))
    }

    /// Around the end of a slab, where the writer's edge and tail change hands, refused leaves stand
    /// between all others. The golden tree comes out, and another writer goes on with it.
    @Test(arguments: BatchShape.all)
    func everyRootAmongRefusals(shape: BatchShape) throws {
        let store = try TileStore.ephemeral()
        let writer = try StoreWriter(store)
        var charged = 0
        for range in shape.ranges {
            var batch: [HashedLeaf] = []
            var expected: [AppendedLeaf] = []
            for index in range {
                batch += [strangers[index % strangers.count], Golden.leaves[index]]
                expected += [.refused, added(index)]
            }
            var ledger = ScriptedLedger(batch, refusing: strangers, after: charged)
            ledger.padding = range.count * 40
            #expect(try writer.append(batch, charging: &ledger) == expected)
            charged = ledger.count
            #expect(charged == range.upperBound)
            #expect(writer.treeHead == Golden.treeHead(range.upperBound))
            #expect(writer.snapshot.edge.size == treeSize(range.upperBound))
            let counts = try store.fileByteCounts()
            #expect(counts.found >= counts.needed)
        }
        #expect(try store.audit().treeHead == Golden.treeHead(600))
        let next = try StoreWriter(store)
        var ledger = ScriptedLedger(strangers, refusing: Array(strangers[1...]), after: charged)
        #expect(try next.append(strangers, charging: &ledger).first == added(600))
        #expect(next.treeHead.size == treeSize(601))
        #expect(try store.audit().treeHead == next.treeHead)
        #expect(try store.ledger() == ScriptedLedger.text(601))
    }

    /// Random batches of new, known, repeated and refused leaves, against a list.
    @Test(arguments: 1...8 as ClosedRange<UInt64>) func asTheModelSays(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        let store = try TileStore.ephemeral()
        let writer = try StoreWriter(store)
        let pool = Golden.leaves[..<200] + strangers[..<200]
        var tree: [Digest] = []
        var stored: [UInt8]?
        for _ in 0..<30 {
            let batch = (0..<Int.random(in: 0...60, using: &random)).compactMap { _ in
                pool.randomElement(using: &random)
            }
            let refused = batch.filter { _ in Int.random(in: 0..<3, using: &random) == 0 }
            var ledger = ScriptedLedger(batch, refusing: refused, after: tree.count)
            let sizeBefore = tree.count
            var expected: [AppendedLeaf] = []
            for leaf in batch {
                if let index = tree.firstIndex(of: leaf.leafHash) {
                    expected.append(known(index))
                } else if refused.contains(leaf) {
                    expected.append(.refused)
                } else {
                    expected.append(added(tree.count))
                    tree.append(leaf.leafHash)
                }
            }
            #expect(try writer.append(batch, charging: &ledger) == expected)
            if tree.count > sizeBefore { stored = ScriptedLedger.text(tree.count) }
            #expect(writer.treeHead.size == treeSize(tree.count))
            #expect(try store.ledger() == stored)
        }
        #expect(try store.audit().treeHead == writer.treeHead)
    }

    /// A copy in which each leaf has to be new has nobody to charge.
    @Test func aSequenceIsNotCharged() throws {
        let store = try TileStore.ephemeral()
        let writer = try StoreWriter(store)
        #expect(try writer.append(sequence: Array(Golden.leaves[..<3])) == .appended)
        #expect(try store.ledger() == nil)
    }

    /// The crash table of charging: before the batch, in its commit, after it. Both the tree and what
    /// was charged are those before, or both are those after.
    @Test func togetherOrNotAtAll() throws {
        let folder = try TemporaryFolder()
        var moments: [(name: String, folder: TemporaryFolder, leaves: Int, quotas: [UInt8]?)] = []
        do {
            let store = try TileStore.golden(0, in: folder.store)
            let writer = try StoreWriter(store)
            var (old, quotas): (Int, [UInt8]?) = (0, nil)
            // What is stored grows over many pages, and shrinks again.
            let steps = [(3, 0), (200, 20_000), (300, 300_000), (550, 10), (600, 5_000)]
            for (size, padding) in steps {
                let before = try folder.copy()
                moments.append(("\(size): before the batch", before, old, quotas))
                var batch = Array(Golden.leaves[old..<size])
                batch.insert(strangers[0], at: batch.count / 2)
                var ledger = ScriptedLedger(batch, refusing: strangers, after: old)
                ledger.padding = padding
                _ = try writer.append(batch, charging: &ledger)
                let torn = try folder.copy()
                try restoreMetaPages(of: torn, from: before)
                moments.append(("\(size): in the commit", torn, old, quotas))
                (old, quotas) = (size, ScriptedLedger.text(size, padding: padding))
                moments.append(("\(size): after the commit", try folder.copy(), old, quotas))
            }
        }
        for (name, folder, leaves, quotas) in moments {
            let store = try TileStore.open(folder: folder.store)
            let writer = try StoreWriter(store)
            #expect(writer.treeHead == Golden.treeHead(leaves), "\(name)")
            #expect(try store.ledger() == quotas, "\(name)")
            // Whoever sends everything again is charged for what the tree does not have.
            var ledger = ScriptedLedger(Golden.leaves, after: leaves)
            _ = try writer.append(Golden.leaves, charging: &ledger)
            #expect(ledger.asked.count == 600 - leaves, "\(name)")
            #expect(try store.audit().treeHead == Golden.treeHead(600), "\(name)")
        }
    }
}
