// SPDX-License-Identifier: BSD-2-Clause

// How a secondary starts: the table at the top of SecondaryStart.swift.

import LogCrypto
import MerkleLog
import SigsumFormats
import TestSupport
import Testing

@testable import TileStore

/// The identity of a secondary's store.
let secondaryIdentity = StoreIdentity(role: .secondary, logKeyHash: nil)

/// A start of a secondary whose store is in `folder`.
func startSecondary(
    in folder: TemporaryFolder, report: (String) -> Void = { _ in }
) throws(StoreError) -> SecondaryStart {
    try SecondaryStart(
        backend: .lmdb(folder: folder.store), release: "test", report: report)
}

@Suite struct SecondaryStartTests {
    /// An absent store is made once, and gone on with from then on.
    @Test func anAbsentStoreIsCreated() throws {
        let folder = try TemporaryFolder()
        var lines: [String] = []
        for size in [0, 1, 300, 600] {
            let started = try startSecondary(in: folder) { lines.append($0) }
            #expect(started.store.identity == secondaryIdentity)
            let writer = try StoreWriter(started.store)
            #expect(started.treeHead == writer.treeHead)
            let before = Int(started.treeHead.size.value)
            #expect(started.treeHead == Golden.treeHead(before))
            #expect(started.lastLeaf == Golden.leaves[..<before].last?.leaf)
            let rest = Array(Golden.leaves[before..<size])
            #expect(try writer.append(sequence: rest) == .appended)
        }
        #expect(lines == ["there is no store in \(folder.store): it is created"])
        #expect(try startSecondary(in: folder).lastLeaf == Golden.leaves[599].leaf)
    }

    @Test func anEphemeralStoreBeginsEmpty() throws {
        for _ in 0..<2 {
            let started = try SecondaryStart(backend: .ephemeral, release: "test")
            #expect(started.store.identity == secondaryIdentity)
            #expect(started.treeHead == Golden.treeHead(0))
            #expect(started.lastLeaf == nil)
            _ = try StoreWriter(started.store).append(sequence: Golden.leaves)
        }
    }

    @Test func aCreationThatWasCutOffIsDoneAgain() throws {
        let folder = try TemporaryFolder()
        try FileSystem.makeFolder(folder.store)
        try FileSystem.makeFolder("\(folder.store)/building")
        try folder.write("half a page", to: "\(folder.store)/building/data.mdb")
        #expect(try startSecondary(in: folder).treeHead == Golden.treeHead(0))
        #expect(Set(folder.files().keys) == ["store/data.mdb"])
    }

    @Test(arguments: [0, 12])
    func aPrimarysStoreIsRefused(leaves: Int) throws {
        let folder = try TemporaryFolder()
        _ = try TileStore.golden(leaves, in: folder.store)
        let before = folder.files()
        #expect(
            words { try startSecondary(in: folder) }.hasPrefix(
                "the store \(folder.store) is a primary's, not a secondary's: "))
        #expect(folder.files() == before)
    }

    @Test func oneProcessForAStore() throws {
        let folder = try TemporaryFolder()
        let first = try startSecondary(in: folder)
        #expect(words { try startSecondary(in: folder) }.contains("is in use by another process"))
        withExtendedLifetime(first) {}
    }

    @Test func aDamagedEdgeIsRefused() throws {
        let folder = try TemporaryFolder()
        do {
            let store = try startSecondary(in: folder).store
            _ = try StoreWriter(store).append(sequence: Golden.leaves)
            let transaction = try store.environment.beginWrite()
            try transaction.put(goldenBytes(0..<1).span, for: 599, in: store.tables.tail)
            try transaction.commit()
        }
        #expect(words { try startSecondary(in: folder) }.contains("is not the one recorded"))
    }
}
