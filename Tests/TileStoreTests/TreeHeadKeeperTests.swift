// SPDX-License-Identifier: BSD-2-Clause

// The one way to sign: never less, never anything that the stored leaves do not say.

import LogCrypto
import MerkleLog
import SigsumFormats
import TestSupport
import Testing

@testable import TileStore

@Suite struct TreeHeadKeeperTests {
    /// A store with `count` golden leaves of which `signed` are signed.
    private struct Log {
        let folder: TemporaryFolder
        let store: TileStore
        let writer: StoreWriter
        let files: StateFiles
        let last: SignedTreeHead

        init(leaves count: Int, signed: Int) throws {
            folder = try TemporaryFolder()
            store = try TileStore.ephemeral()
            writer = try StoreWriter(store)
            _ = try writer.append(Array(Golden.leaves[..<count]))
            files = try StateFiles(signedTreeHeadPath: folder.sth)
            last = TestSigner.log.signed(Golden.treeHead(signed))
            try files.write(last)
        }

        func keeper(_ signer: TestSigner = .log) throws -> TreeHeadKeeper {
            try TreeHeadKeeper(last: last, files: files, signer: signer, store: store)
        }
    }

    @Test(arguments: [(0, 0), (0, 1), (0, 600), (5, 256), (255, 257), (300, 511), (599, 600)])
    func signsWhatContinuesTheTree(old: Int, new: Int) throws {
        let log = try Log(leaves: 600, signed: old)
        let keeper = try log.keeper()
        let signed = try keeper.sign(Golden.treeHead(new))
        #expect(signed == TestSigner.log.signed(Golden.treeHead(new)))
        #expect(try log.files.readSignedTreeHead() == signed)
        #expect(keeper.last == signed)
        // The heartbeat signs the same tree again, and then the tree goes on.
        #expect(try keeper.sign(Golden.treeHead(new)) == signed)
        #expect(try keeper.sign(Golden.treeHead(600)).treeHead == Golden.treeHead(600))
    }

    /// More leaves than are read in one transaction.
    @Test func signsManyLeavesAtOnce() throws {
        let log = try Log(leaves: 600, signed: 600)
        var hasher = TreeHasher()
        let keeper = try log.keeper()
        _ = try log.writer.append(syntheticLeaves(0..<9000, hasher: &hasher))
        #expect(try keeper.sign(log.writer.treeHead).treeHead == log.writer.treeHead)
    }

    @Test func neverSignsLess() throws {
        let log = try Log(leaves: 600, signed: 300)
        let keeper = try log.keeper()
        #expect(
            words { try keeper.sign(Golden.treeHead(299)) }
                == "a tree of 299 leaves after 300 were signed")
        let other = TreeHead(size: treeSize(300), rootHash: Golden.roots[299])
        #expect(words { try keeper.sign(other) }.contains("two trees of 300 leaves"))
        #expect(try log.files.readSignedTreeHead() == log.last)
    }

    @Test func neverSignsAnotherRoot() throws {
        let log = try Log(leaves: 600, signed: 300)
        let keeper = try log.keeper()
        let other = TreeHead(size: treeSize(400), rootHash: Golden.roots[399])
        #expect(words { try keeper.sign(other) }.contains("nothing more is signed"))
        let ahead = TreeHead(size: treeSize(601), rootHash: Golden.roots[600])
        #expect(words { try keeper.sign(ahead) }.contains("leaf 600 is missing"))
        #expect(keeper.last == log.last)
        #expect(try log.files.readSignedTreeHead() == log.last)
        #expect(try keeper.sign(Golden.treeHead(400)).treeHead == Golden.treeHead(400))
    }

    /// A leaf that changed on the device between commit and signature, in a slab and in the tail.
    @Test(arguments: [400, 550])
    func neverSignsAChangedLeaf(leaf: Int) throws {
        let log = try Log(leaves: 600, signed: 300)
        let keeper = try log.keeper()
        let transaction = try log.store.environment.beginWrite()
        let (table, key, position) =
            leaf < 512
            ? (log.store.tables.slabs, UInt64(leaf / 256), leaf % 256 * 128)
            : (log.store.tables.tail, UInt64(leaf), 0)
        var value = try #require(try transaction.bytes(of: key, in: table))
        value[position] ^= 1
        try transaction.put(value.span, for: key, in: table)
        try transaction.commit()
        #expect(
            words { try keeper.sign(log.writer.treeHead) }.contains(
                "the stored leaves up to 600 have root hash"))
        #expect(try log.files.readSignedTreeHead() == log.last)
    }

    @Test func doesNotBeginWithAnotherTree() throws {
        let log = try Log(leaves: 600, signed: 300)
        let other = TestSigner.log.signed(
            TreeHead(size: treeSize(300), rootHash: Golden.roots[1]))
        let said = words {
            try TreeHeadKeeper(
                last: other, files: log.files, signer: TestSigner.log, store: log.store)
        }
        #expect(said.contains("the first 300 leaves have root hash \(Golden.roots[300])"))
    }

    @Test(arguments: [
        (TestSigner.failing, "no signature: the agent is gone"),
        (.lying, "no signature: the signature made is not one of the key"),
    ])
    func aSignerThatFails(signer: TestSigner, expected: String) throws {
        let log = try Log(leaves: 600, signed: 300)
        let keeper = try log.keeper(signer)
        #expect(words { try keeper.sign(Golden.treeHead(400)) }.hasPrefix(expected))
        #expect(keeper.last == log.last)
        #expect(try log.files.readSignedTreeHead() == log.last)
    }
}
