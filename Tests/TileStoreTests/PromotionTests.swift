// SPDX-License-Identifier: BSD-2-Clause

// A secondary's store becomes the log's own: what is said, what is refused, and that a power cut at
// each step leaves a promotion that the next start finishes.

import LogCrypto
import MerkleLog
import SigsumFormats
import TestSupport
import Testing

@testable import TileStore

@Suite struct PromotionTests {
    /// A copy of the first `count` golden leaves, and the order to promote it.
    private func ordered(_ count: Int) throws -> TemporaryFolder {
        let folder = try TemporaryFolder()
        try copy(count, in: folder)
        try folder.write("startup=local-tree\n", to: folder.startup)
        return folder
    }

    private func copy(_ count: Int, in folder: TemporaryFolder) throws {
        let store = try startSecondary(in: folder).store
        _ = try StoreWriter(store).append(sequence: Array(Golden.leaves[..<count]))
    }

    @Test func theStoreIsTheLogsOwnAfterwards() throws {
        let folder = try ordered(600)
        var lines: [String] = []
        let keyHash = TestSigner.log.publicKey.keyHash
        do {
            let started = try start(in: folder) { lines.append($0) }
            #expect(started.startup == .localTree)
            #expect(started.published == nil)
            #expect(started.signed.tree.treeHead == Golden.treeHead(600))
            #expect(started.store.identity == TestSigner.log.identity)
        }
        #expect(
            lines == [
                "reading back the 600 leaves of the local tree that no signature covers",
                "the store \(folder.store) is now that of the log with key hash \(keyHash)",
            ])
        #expect(
            words { try startSecondary(in: folder) }.contains(
                "is a primary's, not a secondary's: "))
        #expect(
            words { try start(in: folder, signer: .other) }.contains(
                "was not signed by this log's key"))
        #expect(try TileStore.open(folder: folder.store).identity == TestSigner.log.identity)
    }

    /// Every leaf of a copy is hashed: none is covered by a signature. The index and the nodes
    /// alone would not show a leaf that was changed.
    @Test(arguments: [0, 300, 511])
    func aChangedLeafOfASlabIsFound(leaf: Int) throws {
        let folder = try ordered(600)
        do {
            let store = try TileStore.open(folder: folder.store)
            let transaction = try store.environment.beginWrite()
            let key = UInt64(leaf / 256)
            var slab = try #require(try transaction.bytes(of: key, in: store.tables.slabs))
            slab[leaf % 256 * Leaf.byteCount] ^= 1
            try transaction.put(slab.span, for: key, in: store.tables.slabs)
            try transaction.commit()
        }
        let before = folder.files()
        #expect(
            words { try start(in: folder) }.contains(
                "the stored leaves up to 600 have root hash"))
        #expect(folder.files() == before)
    }

    /// A power cut after each step. Until the one transaction the store is still a secondary's, and
    /// serves as one; the next start as a primary finishes the promotion from wherever it was.
    @Test func everyStepIsFinishedByTheNextStart() throws {
        let folder = try TemporaryFolder()
        try copy(300, in: folder)
        var moments: [(name: String, folder: TemporaryFolder, role: StoreIdentity.Role)] = []
        func cut(_ name: String, _ role: StoreIdentity.Role) throws {
            moments.append((name: name, folder: try folder.copy(), role: role))
        }
        let order = StartupMode.localTree.fileContents
        try folder.write("startup=", to: "\(folder.startup).new")
        let unordered = try folder.copy()
        try DurableFile.write(order, to: folder.startup)
        try cut("the order", .secondary)
        let head = TestSigner.log.signed(Golden.treeHead(300))
        let text = head.encode()
        for count in [0, text.count / 2, text.count] {
            try folder.write(
                String(decoding: text.prefix(count), as: UTF8.self), to: "\(folder.sth).new")
            try cut("\(count) bytes of sth.new", .secondary)
        }
        try DurableFile.write(text, to: folder.sth)
        try cut("the sth file", .secondary)
        do {
            let store = try TileStore.open(folder: folder.store)
            try StoreWriter(store).record(
                StoreRecord(signed: head), promotingTo: TestSigner.log.publicKey.keyHash)
        }
        // The commit's pages are written, its meta page is not.
        let before = moments[moments.count - 1].folder
        let after = try folder.copy()
        try restoreMetaPages(of: after, from: before)
        moments.append((name: "in the commit", folder: after, role: .secondary))
        try cut("the store is the log's", .primary)
        try DurableFile.remove(folder.startup)
        try cut("no order any more", .primary)

        #expect(words { try start(in: unordered) }.contains("run sigsum mktree to begin"))
        for moment in moments { try check(moment.folder, moment.role, moment.name) }
        // The copies hold every file that the start itself leaves.
        #expect(Set(folder.files().keys) == ["sth", "store/data.mdb"])
    }

    private func check(
        _ folder: TemporaryFolder, _ role: StoreIdentity.Role, _ name: String
    ) throws {
        #expect(try TileStore.open(folder: folder.store).identity.role == role, "\(name)")
        let said = words { _ = try startSecondary(in: folder) }
        #expect(said.hasPrefix("no error") == (role == .secondary), "\(name): \(said)")
        for leaves in [300, 600] {
            let started = try start(in: folder)
            #expect(started.lastSigned.treeHead == Golden.treeHead(leaves), "\(name)")
            #expect(started.store.identity == TestSigner.log.identity, "\(name)")
            #expect(
                Set(folder.files().keys).isSubset(
                    of: ["sth", "sth.new", "sth.startup.new", "store/data.mdb"]), "\(name)")
            // And the log goes on.
            let keeper = try TreeHeadKeeper(
                last: started.lastSigned, files: started.files, signer: TestSigner.log,
                store: started.store)
            let writer = try StoreWriter(started.store)
            _ = try writer.append(Golden.leaves)
            let signed = try keeper.sign(writer.treeHead)
            try writer.record(StoreRecord(signed: signed))
            _ = try started.store.audit(heads: [("the sth file", signed.treeHead)])
        }
    }

    /// The first start fails in the middle, at the signature, and the second goes on.
    @Test(arguments: [TestSigner.failing, .lying])
    func aFailedSignatureLeavesASecondarysStore(signer: TestSigner) throws {
        let folder = try ordered(300)
        #expect(words { try start(in: folder, signer: signer) }.hasPrefix("no signature: "))
        #expect(try startSecondary(in: folder).treeHead == Golden.treeHead(300))
        #expect(try start(in: folder).lastSigned.treeHead == Golden.treeHead(300))
    }
}

@Suite struct PacedProgressTests {
    /// An instant on a clock of the test.
    private struct Moment: InstantProtocol {
        var offset: Duration
        init(_ seconds: Double) { offset = .seconds(seconds) }
        func advanced(by duration: Duration) -> Self {
            var moment = self
            moment.offset += duration
            return moment
        }
        func duration(to other: Self) -> Duration { other.offset - offset }
        static func < (left: Self, right: Self) -> Bool { left.offset < right.offset }
    }

    @Test func aLineEveryFiveSeconds() {
        var progress = PacedProgress(total: 4_000_000, now: Moment(100))
        #expect(progress.line(done: 0, now: Moment(100)) == nil)
        #expect(progress.line(done: 1_000_000, now: Moment(104.9)) == nil)
        #expect(
            progress.line(done: 1_500_000, now: Moment(105))
                == "1500000 of 4000000 leaves, 300000 leaves a second, 9 s left")
        #expect(progress.line(done: 1_600_000, now: Moment(109)) == nil)
        #expect(
            progress.line(done: 2_500_000, now: Moment(110))
                == "2500000 of 4000000 leaves, 250000 leaves a second, 6 s left")
        #expect(
            progress.line(done: 4_000_000, now: Moment(116))
                == "4000000 of 4000000 leaves, 250000 leaves a second, 0 s left")
    }

    /// A device that has given nothing yet has no rate to tell.
    @Test func nothingDoneIsNoLine() {
        var progress = PacedProgress(total: 10, now: Moment(0))
        #expect(progress.line(done: 0, now: Moment(60)) == nil)
        #expect(
            progress.line(done: 1, now: Moment(100))
                == "1 of 10 leaves, 0 leaves a second, 900 s left")
    }
}
