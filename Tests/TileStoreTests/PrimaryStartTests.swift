// SPDX-License-Identifier: BSD-2-Clause

// How a primary starts, from every combination of startup file, sth file, store and recorded heads:
// the table at the top of PrimaryStart.swift and what else an operator's hand can bring about.

import Foundation
import LogCrypto
import MerkleLog
import SigsumFormats
import TestSupport
import Testing

@testable import TileStore

/// A signed tree head in a file or in the store's meta table.
struct Head: Sendable {
    let signed: SignedTreeHead

    /// The head of the first `size` golden leaves, or of as many with the root hash of others.
    init(_ size: Int, rootOf other: Int? = nil, by signer: TestSigner = .log) {
        signed = signer.signed(
            TreeHead(size: treeSize(size), rootHash: Golden.roots[other ?? size]))
    }
}

/// The store as a start finds it.
struct StoredTree: Sendable {
    var leaves = 0
    var recorded: Head?
    var published: Head?
    var identity = TestSigner.log.identity

    func make(in folder: String) throws {
        let store = try TileStore.create(
            .lmdb(folder: folder), identity: identity, release: "test")
        let writer = try StoreWriter(store)
        _ = try writer.append(Array(Golden.leaves[..<leaves]))
        if let recorded {
            try writer.record(
                StoreRecord(
                    signed: recorded.signed,
                    published: published.map { CosignedTreeHead($0.signed) }))
        }
    }
}

/// One start: what there is, and what comes of it.
struct StartCase: CustomTestStringConvertible, Sendable {
    enum Outcome: Sendable {
        /// The size of the last signed tree head.
        case starts(Int)
        /// Some words of the refusal.
        case refuses(String)
    }

    let testDescription: String
    var startup: String?
    var sth: String?
    var store: StoredTree?
    var signer = TestSigner.log
    let outcome: Outcome

    init(
        _ name: String, startup: String? = nil, sth: Head? = nil, store: StoredTree? = nil,
        signer: TestSigner = .log, _ outcome: Outcome
    ) {
        self.init(
            name, startup: startup,
            sthText: sth.map { String(decoding: $0.signed.encode(), as: UTF8.self) }, store: store,
            signer: signer, outcome)
    }

    init(
        _ name: String, startup: String? = nil, sthText: String?, store: StoredTree? = nil,
        signer: TestSigner = .log, _ outcome: Outcome
    ) {
        testDescription = name
        self.startup = startup
        sth = sthText
        self.store = store
        self.signer = signer
        self.outcome = outcome
    }

    func make() throws -> TemporaryFolder {
        let folder = try TemporaryFolder()
        if let startup { try folder.write(startup, to: folder.startup) }
        if let sth { try folder.write(sth, to: folder.sth) }
        try store?.make(in: folder.store)
        return folder
    }

    private static let empty = "startup=empty\n"
    private static let localTree = "startup=local-tree\n"

    /// The lines of the table in PrimaryStart.swift, in their order.
    static let table = [
        StartCase("nothing at all", .refuses("run sigsum mktree to begin a log")),
        StartCase(
            "only a store", store: StoredTree(leaves: 10), .refuses("run sigsum mktree to begin")),
        StartCase("an sth file, no store", sth: Head(10), .refuses("exists, but no store in")),
        StartCase(
            "an sth file and its store", sth: Head(10),
            store: StoredTree(leaves: 10, recorded: Head(10)), .starts(10)),
        StartCase(
            "the record a step behind", sth: Head(10),
            store: StoredTree(leaves: 12, recorded: Head(5)), .starts(10)),
        StartCase(
            "the record missing", sth: Head(10), store: StoredTree(leaves: 12), .starts(10)),
        StartCase(
            "the sth file behind", sth: Head(5),
            store: StoredTree(leaves: 12, recorded: Head(10)), .starts(10)),
        StartCase(
            "the store behind the sth file", sth: Head(10),
            store: StoredTree(leaves: 9, recorded: Head(9)),
            .refuses("the sth file has a signed tree of 10 leaves, the store only 9: it is behind")),
        StartCase("empty, no store", startup: empty, .starts(0)),
        StartCase("empty, an empty store", startup: empty, store: StoredTree(), .starts(0)),
        StartCase(
            "empty, a store with leaves", startup: empty, store: StoredTree(leaves: 1),
            .refuses("startup=empty, but the store has 1 leaves")),
        StartCase(
            "empty, an sth file of size 0, a store with leaves", startup: empty, sth: Head(0),
            store: StoredTree(leaves: 3, recorded: Head(0)),
            .refuses("startup=empty, but the store has 3 leaves")),
        StartCase(
            "empty, cut off before the store was made", startup: empty, sth: Head(0), .starts(0)),
        StartCase(
            "empty, cut off before the record", startup: empty, sth: Head(0), store: StoredTree(),
            .starts(0)),
        StartCase(
            "empty, cut off before the startup file went", startup: empty, sth: Head(0),
            store: StoredTree(recorded: Head(0)), .starts(0)),
        StartCase(
            "empty, a signed tree", startup: empty, sth: Head(10),
            store: StoredTree(leaves: 10, recorded: Head(10)), .refuses("remove the one that is")),
        StartCase(
            "empty, a signed tree, no store", startup: empty, sth: Head(10),
            .refuses("orders an empty tree, but")),
        StartCase(
            "local-tree", startup: localTree, store: StoredTree(leaves: 300), .starts(300)),
        StartCase(
            "local-tree, after a recorded head", startup: localTree,
            store: StoredTree(leaves: 300, recorded: Head(200)), .starts(300)),
        StartCase(
            "local-tree, cut off before the record", startup: localTree, sth: Head(300),
            store: StoredTree(leaves: 300, recorded: Head(200)), .starts(300)),
        StartCase(
            "local-tree, cut off before the startup file went", startup: localTree, sth: Head(300),
            store: StoredTree(leaves: 300, recorded: Head(300)), .starts(300)),
        StartCase(
            "local-tree, an sth file of less", startup: localTree, sth: Head(299),
            store: StoredTree(leaves: 300), .refuses("remove the sth file or the startup file")),
        StartCase(
            "local-tree, an sth file of more", startup: localTree, sth: Head(301),
            store: StoredTree(leaves: 300), .refuses("it is behind")),
        StartCase("local-tree, no store", startup: localTree, .refuses("there is no store in")),
        StartCase(
            "local-tree, an sth file, no store", startup: localTree, sth: Head(3),
            .refuses("there is no store in")),
        StartCase(
            "a secondary's store, an sth file", sth: Head(10), store: copy(10),
            .refuses("a secondary's, not a primary's: to promote it, run sigsum mktree --mode=loc")),
        StartCase(
            "a secondary's store, empty", startup: empty, store: copy(0),
            .refuses("is a secondary's, not a primary's: to promote it, run")),
        StartCase("a promotion", startup: localTree, store: copy(300), .starts(300)),
        StartCase(
            "a promotion cut off before the store was this log's", startup: localTree,
            sth: Head(300), store: copy(300), .starts(300)),
        StartCase(
            "a promotion, the copy went on meanwhile", startup: localTree, sth: Head(299),
            store: copy(300), .refuses("remove the sth file or the startup file")),
        StartCase(
            "a promotion, the copy is behind", startup: localTree, sth: Head(301),
            store: copy(300), .refuses("it is behind")),
        StartCase(
            "a promotion of nothing", startup: localTree, store: copy(0),
            .refuses("has no leaves: check store-dir")),
    ]

    private static func copy(_ leaves: Int) -> StoredTree {
        StoredTree(leaves: leaves, identity: secondaryIdentity)
    }

    static let further = [
        StartCase(
            "one size, the sth file of another tree", sth: Head(10, rootOf: 9),
            store: StoredTree(leaves: 12, recorded: Head(10)),
            .refuses("the first 10 leaves have root hash \(Golden.roots[10]), ")),
        StartCase(
            "one size, the record of another tree", sth: Head(10),
            store: StoredTree(leaves: 12, recorded: Head(10, rootOf: 9)),
            .refuses("\(Golden.roots[9]) was signed")),
        StartCase(
            "a smaller record of another tree", sth: Head(10),
            store: StoredTree(leaves: 12, recorded: Head(5, rootOf: 4)),
            .refuses("the first 5 leaves have root hash")),
        StartCase(
            "a smaller sth file of another tree", sth: Head(5, rootOf: 4),
            store: StoredTree(leaves: 12, recorded: Head(10)),
            .refuses("the first 5 leaves have root hash")),
        StartCase(
            "the record ahead of the store", sth: Head(5),
            store: StoredTree(leaves: 9, recorded: Head(10)),
            .refuses("the store has a signed tree of 10 leaves, the store only 9")),
        StartCase(
            "an sth file signed by another key", sth: Head(10, by: .other),
            store: StoredTree(leaves: 12), .refuses("was not signed by this log's key")),
        StartCase(
            "a record signed by another key", sth: Head(10),
            store: StoredTree(leaves: 12, recorded: Head(5, by: .other)),
            .refuses("the recorded tree head was not signed by this log's key")),
        StartCase(
            "the key file of another log", sth: Head(10, by: .other),
            store: StoredTree(leaves: 12, recorded: Head(10)), signer: .other,
            .refuses("belongs to the log with key hash \(TestSigner.log.publicKey.keyHash)")),
        StartCase(
            "empty, another log's store", startup: empty, store: StoredTree(), signer: .other,
            .refuses("belongs to the log with key hash")),
        StartCase(
            "local-tree, the record of another tree", startup: localTree,
            store: StoredTree(leaves: 300, recorded: Head(200, rootOf: 199)),
            .refuses("the first 200 leaves have root hash")),
        StartCase(
            "local-tree, the record of a larger tree", startup: localTree,
            store: StoredTree(leaves: 300, recorded: Head(301)), .refuses("it is behind")),
        StartCase(
            "local-tree, the sth file of another tree", startup: localTree,
            sth: Head(300, rootOf: 299), store: StoredTree(leaves: 300),
            .refuses("the first 300 leaves have root hash")),
        StartCase(
            "a promotion, the sth file of another tree", startup: localTree,
            sth: Head(300, rootOf: 299), store: copy(300),
            .refuses("the first 300 leaves have root hash")),
        StartCase(
            "a promotion, the sth file signed by another key", startup: localTree,
            sth: Head(300, by: .other), store: copy(300),
            .refuses("was not signed by this log's key")),
        StartCase(
            "a promotion, no agent", startup: localTree, store: copy(300), signer: .failing,
            .refuses("no signature: the agent is gone")),
        StartCase(
            "a promotion, an agent with another key", startup: localTree, store: copy(300),
            signer: .lying, .refuses("no signature: the signature made is not one of the key")),
        StartCase(
            "local-tree, an empty store", startup: localTree, store: StoredTree(), .starts(0)),
        StartCase(
            "a published head", sth: Head(10),
            store: StoredTree(leaves: 12, recorded: Head(10), published: Head(8)), .starts(10)),
        StartCase(
            "a published head of another tree", sth: Head(10),
            store: StoredTree(leaves: 12, recorded: Head(10), published: Head(8, rootOf: 7)),
            .refuses("the published tree head is not that of the stored leaves")),
        StartCase(
            "a published head ahead of the store", sth: Head(10),
            store: StoredTree(leaves: 12, recorded: Head(10), published: Head(13)),
            .refuses("of a tree of 13 leaves only 12 are stored")),
        StartCase(
            "a published head signed by another key", sth: Head(10),
            store: StoredTree(leaves: 12, recorded: Head(10), published: Head(8, by: .other)),
            .refuses("the published tree head was not signed by this log's key")),
        StartCase(
            "an empty sth file", sthText: "", store: StoredTree(leaves: 12),
            .refuses("sth: line 1: expected \"size=\", found nothing")),
        StartCase(
            "an sth file with a line too many",
            sthText: String(decoding: Head(10).signed.encode(), as: UTF8.self) + "x\n",
            store: StoredTree(leaves: 12), .refuses("sth: line 4: expected the end")),
        StartCase(
            "an sth file cut short",
            sthText: String(decoding: Head(10).signed.encode().dropLast(20), as: UTF8.self),
            store: StoredTree(leaves: 12), .refuses("sth: line 3: expected")),
        StartCase(
            "an unknown order", startup: "startup=saved\n", store: StoredTree(leaves: 12),
            .refuses("sth.startup: expected startup=empty or startup=local-tree")),
        StartCase(
            "an empty order", startup: "", sth: Head(10), store: StoredTree(leaves: 12),
            .refuses("sth.startup: expected startup=empty or startup=local-tree")),
        StartCase("empty, with blanks and CRLF", startup: " startup=empty\r\n", .starts(0)),
        StartCase(
            "local-tree, without a line feed", startup: "\tstartup=local-tree",
            store: StoredTree(leaves: 300), .starts(300)),
        StartCase(
            "local-tree, no agent", startup: localTree, store: StoredTree(leaves: 300),
            signer: .failing, .refuses("no signature: the agent is gone")),
        StartCase(
            "local-tree, an agent with another key", startup: localTree,
            store: StoredTree(leaves: 300), signer: .lying,
            .refuses("no signature: the signature made is not one of the key")),
        StartCase(
            "an sth file, no agent", sth: Head(10), store: StoredTree(leaves: 12),
            signer: .failing, .starts(10)),
    ]
}

/// A start in `folder`.
func start(
    in folder: TemporaryFolder, signer: TestSigner = .log, report: (String) -> Void = { _ in }
) throws(TreeHeadError) -> PrimaryStart {
    try PrimaryStart(
        backend: .lmdb(folder: folder.store), signedTreeHeadPath: folder.sth, signer: signer,
        release: "test", report: report)
}

@Suite struct PrimaryStartTests {
    @Test(arguments: StartCase.table + StartCase.further)
    func startsOrRefuses(case: StartCase) throws {
        let folder = try `case`.make()
        let before = folder.files()
        switch `case`.outcome {
        case .refuses(let expected):
            #expect(words { try start(in: folder, signer: `case`.signer) }.contains(expected))
            #expect(folder.files() == before)
        case .starts(let size):
            try checkStart(in: folder, signer: `case`.signer, size: size)
            let published = `case`.store?.published?.signed
            let again = try checkStart(in: folder, signer: `case`.signer, size: size)
            #expect(again.published?.head.signedTreeHead == published)
            #expect(again.published?.tree.treeHead == published?.treeHead)
        }
    }

    /// Starts, and checks that the sth file, the store and what is answered say the same.
    @discardableResult
    private func checkStart(
        in folder: TemporaryFolder, signer: TestSigner, size: Int
    ) throws -> (published: PublishedTree?, head: SignedTreeHead) {
        let started = try start(in: folder, signer: signer)
        let expected = TestSigner.log.signed(Golden.treeHead(size))
        #expect(started.lastSigned == expected)
        #expect(folder.text(folder.sth) == String(decoding: expected.encode(), as: UTF8.self))
        #expect(folder.text(folder.startup) == nil)
        let recorded = try StoreReader(started.store).read { view throws(StoreError) in
            try view.signedTreeHead()
        }
        #expect(recorded == expected)
        _ = try started.store.audit(heads: [("the sth file", expected.treeHead)])
        #expect(started.store.identity == TestSigner.log.identity)
        // A second start is refused for as long as this one lives.
        let second = words { try start(in: folder, signer: signer) }
        #expect(second.contains("is in use by another process"))
        return withExtendedLifetime(started) { (started.published, started.lastSigned) }
    }

    /// The store is there already when the signer fails; the next start signs and goes on.
    @Test(arguments: [TestSigner.failing, .lying])
    func aFailedSignatureIsMadeUpFor(signer: TestSigner) throws {
        let folder = try TemporaryFolder()
        try folder.write("startup=empty\n", to: folder.startup)
        #expect(words { try start(in: folder, signer: signer) }.hasPrefix("no signature: "))
        #expect(folder.text(folder.startup) == "startup=empty\n")
        #expect(folder.text(folder.sth) == nil)
        try checkStart(in: folder, signer: .log, size: 0)
    }

    @Test func aLeftoverOfTheSthFileIsIgnored() throws {
        let folder = try TemporaryFolder()
        try folder.write("size=99", to: "\(folder.sth).new")
        #expect(words { try start(in: folder) }.contains("run sigsum mktree"))
        try folder.write("startup=empty\n", to: folder.startup)
        try checkStart(in: folder, signer: .log, size: 0)
        #expect(folder.text("\(folder.sth).new") == nil)
    }

    /// A refusal for want of both files leaves not even a lock file.
    @Test func nothingIsMadeWithoutAnOrder() throws {
        let folder = try TemporaryFolder()
        _ = words { try start(in: folder) }
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == [])
    }

    /// The sth file of one log is not to be used by two stores.
    @Test func oneSthFileForOneProcess() throws {
        let folder = try StartCase("", sth: Head(10), store: StoredTree(leaves: 10), .starts(10))
            .make()
        let first = try start(in: folder)
        let said = words {
            try PrimaryStart(
                backend: .lmdb(folder: "\(folder.path)/other"), signedTreeHeadPath: folder.sth,
                signer: TestSigner.log, release: "test")
        }
        #expect(said.contains("the sth file \(folder.sth) is in use by another process"))
        withExtendedLifetime(first) {}
    }

    @Test(arguments: [
        StartCase("an order", startup: "startup=empty\n", .starts(0)),
        StartCase("an sth file of the empty tree", sth: Head(0), .starts(0)),
        StartCase("both", startup: "startup=empty\n", sth: Head(0), .starts(0)),
        StartCase("nothing", .refuses("run sigsum mktree")),
        StartCase("an sth file with leaves", sth: Head(1), .refuses("remove that file and run")),
        StartCase(
            "local-tree", startup: "startup=local-tree", .refuses("\"ephemeral\" has no local")),
    ])
    func ephemeralStarts(case: StartCase) throws {
        let folder = try `case`.make()
        let before = folder.files()
        func start() throws -> PrimaryStart {
            try PrimaryStart(
                backend: .ephemeral, signedTreeHeadPath: folder.sth, signer: TestSigner.log,
                release: "test")
        }
        switch `case`.outcome {
        case .refuses(let expected):
            #expect(words { try start() }.contains(expected))
            #expect(folder.files() == before)
        case .starts:
            for _ in 0..<2 {
                let started = try start()
                #expect(started.lastSigned.treeHead == Golden.treeHead(0))
                #expect(Set(folder.files().keys) == ["sth"])
                #expect(try StoreWriter(started.store).treeHead == Golden.treeHead(0))
            }
        }
    }
}
