// SPDX-License-Identifier: BSD-2-Clause

// How a primary begins, from whatever a crash, an operator or a second instance left: the sth file,
// the startup file, the store, and the signed head in the store's meta table ("recorded").
//
//     startup file   sth file      store           then
//     ------------   -----------   -------------   ------------------------------------------------
//     none           none          any             refused: run mktree
//     none           a head        none            refused: the store is missing
//     none           a head        has it          go on from the larger of sth file and recorded
//     none           a head        shorter         refused: the store is behind
//     empty          none          none or empty   create it, sign the empty tree
//     empty          any           has leaves      refused
//     empty          size 0        none or empty   a start that was cut off: finished
//     empty          size > 0      any             refused: they contradict each other
//     local-tree     none          has leaves      check it, sign its tree
//     local-tree     its head      its tree        a start that was cut off: finished
//     local-tree     other head    any             refused: they contradict each other
//     local-tree     any           none            refused: there is no local tree
//
//     any other      any           a secondary's   refused: says how to promote it
//     local-tree     none          a secondary's   promote it: check all of it, sign its tree
//     local-tree     its head      a secondary's   a promotion that was cut off: finished
//     local-tree     other head    a secondary's   refused: they contradict each other
//     local-tree     any           ... and empty   refused: there is nothing to promote
//
// and in each line the heads' root hashes must be those of the store, and their signatures the log
// key's. The sth file is written first, then the record in the store (with it, in one transaction,
// a secondary's store becomes this log's), then the startup file is removed.

internal import LogCrypto
package import MerkleLog
package import SigsumFormats

/// A primary's state once it was found, or made, sound.
package struct PrimaryStart: Sendable {
    /// The open store.
    package let store: TileStore
    /// The sth file, locked.
    package let files: StateFiles
    /// The last signed tree head, the same in the sth file and in the store.
    package let lastSigned: SignedTreeHead
    /// The tree published last, with its head; nil when none is recorded.
    package let published: PublishedTree?
    /// The tree signed last, for a log that may show it without asking anybody.
    package let signed: PublishedTree
    /// The number of leaves in the store; those that no signature covers are the last ones.
    package let committedSize: TreeSize
    /// What is remembered of the witnesses.
    package let witnesses: [WitnessRecord]
    /// The order of the startup file that was carried out; nil for a log that goes on.
    package let startup: StartupMode?

    /// Carries the startup file's order out, or goes on from the last signed head.
    ///
    /// - Parameter report: hears, in a line, of work that may take a while.
    ///
    /// Throws before anything that exists is changed when what is there must not be used;
    /// ``TreeHeadError/signer(_:)`` when the first head cannot be signed.
    package init(
        backend: TileStore.Backend, signedTreeHeadPath: String, signer: any TreeHeadSigner,
        release: String, report: (String) -> Void = { _ in }
    ) throws(TreeHeadError) {
        do {
            try self.init(
                Opening(
                    backend: backend, signedTreeHeadPath: signedTreeHeadPath, signer: signer,
                    release: release), report)
        } catch let error as TreeHeadError {
            throw error
        } catch let error as StoreError {
            throw .store(error)
        } catch let error as SigningError {
            throw .signer(error)
        } catch {
            preconditionFailure("only these three are thrown: \(error)")
        }
    }

    private init(_ opening: Opening, _ report: (String) -> Void) throws {
        // Without either file there is nothing to lock, and nothing is left behind.
        guard try StateFiles.exist(at: opening.signedTreeHeadPath) else { throw opening.noState }
        let files = try StateFiles(signedTreeHeadPath: opening.signedTreeHeadPath)
        let startup = try files.readStartup()
        let fileHead = try files.readSignedTreeHead()
        if let fileHead { try opening.checkSignature(of: fileHead) }
        let order = try opening.order(startup: startup, fileHead: fileHead)
        let store = try opening.openStore(for: order)
        let writer = try StoreWriter(store)
        let reader = try StoreReader(store)
        let recorded = try reader.read { view throws(StoreError) in try view.signedTreeHead() }
        let last = try opening.lastSigned(
            order: order, fileHead: fileHead, recorded: recorded, writer: writer, reader: reader,
            report)
        let published = try reader.read { view throws(StoreError) in
            try view.publishedTreeHead()
        }.map { head throws(StoreError) in try PublishedTree(head: head, storedIn: reader) }
        if let published, !published.head.signedTreeHead.isValid(for: opening.signer.publicKey) {
            throw StoreError.corrupt("the published tree head was not signed by this log's key")
        }
        // Everything is sound; what follows writes.
        if fileHead != last { try files.write(last) }
        let isPromotion = store.identity.role == .secondary
        if isPromotion {
            let keyHash = opening.signer.publicKey.keyHash
            try writer.record(StoreRecord(signed: last), promotingTo: keyHash)
            report("the store \(store.folder) is now that of the log with key hash \(keyHash)")
        } else if recorded != last {
            try writer.record(StoreRecord(signed: last))
        }
        if startup != nil { try files.removeStartup() }
        self.store = isPromotion ? try store.reidentified() : store
        self.files = files
        self.lastSigned = last
        self.published = published
        self.startup = startup
        committedSize = writer.treeHead.size
        witnesses = try reader.read { view throws(StoreError) in try view.witnessRecords() }
        // Nearly always one and the same, and then the edge is not rebuilt.
        if let published, published.head.signedTreeHead == last {
            self.signed = published
        } else {
            self.signed = try PublishedTree(head: CosignedTreeHead(last), storedIn: reader)
        }
    }
}

/// The decisions of a start, and nothing that writes but the creation of an ordered store.
private struct Opening {
    let backend: TileStore.Backend
    let signedTreeHeadPath: String
    let signer: any TreeHeadSigner
    let release: String

    var startupPath: String { StateFiles.startupPath(besides: signedTreeHeadPath) }

    var noState: StoreError {
        .refused(
            "neither the sth file \(signedTreeHeadPath) nor \(startupPath) exists: run sigsum mktree "
                + "to begin a log or promote a secondary's store, or restore the sth file")
    }

    /// What is to be done, as far as the two files tell.
    enum Order {
        case begin(StartupMode)
        case goOn(SignedTreeHead)
    }

    func checkSignature(of head: SignedTreeHead) throws(StoreError) {
        guard head.isValid(for: signer.publicKey) else {
            throw .refused(
                "the tree head in \(signedTreeHeadPath) was not signed by this log's key "
                    + "(key hash \(signer.publicKey.keyHash))")
        }
    }

    func order(
        startup: StartupMode?, fileHead: SignedTreeHead?
    ) throws(StoreError) -> Order {
        switch (startup, fileHead) {
        case (nil, nil):
            throw noState
        case (nil, let head?):
            return .goOn(head)
        case (.empty, let head?) where head.treeHead.size > .zero:
            throw .refused(
                "\(startupPath) orders an empty tree, but \(signedTreeHeadPath) has a signed tree of "
                    + "\(head.treeHead.size) leaves: remove the one that is wrong")
        case (let mode?, _):
            return .begin(mode)
        }
    }

    func openStore(for order: Order) throws(StoreError) -> TileStore {
        guard case .lmdb(let folder) = backend else {
            return try openEphemeral(for: order)
        }
        let exists = try TileStore.exists(in: folder)
        let store: TileStore
        switch order {
        case .begin(.empty) where !exists:
            return try create()
        case .begin(.localTree) where !exists:
            throw .refused("startup=local-tree, but there is no store in \(folder)")
        case .goOn where !exists:
            throw .refused(
                "the sth file \(signedTreeHeadPath) exists, but no store in \(folder): "
                    + "check store-dir, restore the store, or promote a secondary")
        default:
            store = try TileStore.open(folder: folder)
        }
        guard store.identity.role == .primary else {
            try checkPromotion(of: store, order)
            return store
        }
        guard let keyHash = store.identity.logKeyHash, keyHash == signer.publicKey.keyHash else {
            let found = store.identity.logKeyHash.map(\.description) ?? "none"
            throw .refused(
                "the store \(folder) belongs to the log with key hash \(found), the key file's is "
                    + "\(signer.publicKey.keyHash)")
        }
        return store
    }

    private func checkPromotion(of store: TileStore, _ order: Order) throws(StoreError) {
        guard case .begin(.localTree) = order else {
            throw .refused(
                "the store \(store.folder) is a secondary's, not a primary's: to promote it, run "
                    + "sigsum mktree --mode=local-tree with an sth-file that does not exist yet")
        }
        guard try store.committedTreeHead().size > .zero else {
            throw .refused(
                "startup=local-tree, but the secondary's store \(store.folder) has no leaves: "
                    + "check store-dir; a new log begins with sigsum mktree --mode=empty")
        }
    }

    private func openEphemeral(for order: Order) throws(StoreError) -> TileStore {
        switch order {
        case .goOn(let head) where head.treeHead.size > .zero:
            throw .refused(
                "backend = \"ephemeral\" begins empty, but \(signedTreeHeadPath) has a signed "
                    + "tree of \(head.treeHead.size) leaves: remove that file and run sigsum mktree"
            )
        case .begin(.localTree):
            throw .refused("startup=local-tree, but backend = \"ephemeral\" has no local tree")
        default:
            return try create()
        }
    }

    private func create() throws(StoreError) -> TileStore {
        try TileStore.create(
            backend,
            identity: StoreIdentity(role: .primary, logKeyHash: signer.publicKey.keyHash),
            release: release)
    }

    /// The head to go on from, signed now where a startup file orders a first one.
    func lastSigned(
        order: Order, fileHead: SignedTreeHead?, recorded: SignedTreeHead?, writer: StoreWriter,
        reader: StoreReader, _ report: (String) -> Void
    ) throws -> SignedTreeHead {
        for (name, head) in [("the sth file", fileHead), ("the store", recorded)] {
            guard let head else { continue }
            try checkPrefix(head.treeHead, name, writer: writer, reader: reader)
        }
        if let recorded, !recorded.isValid(for: signer.publicKey) {
            throw StoreError.corrupt("the recorded tree head was not signed by this log's key")
        }
        switch order {
        case .goOn(let fileHead):
            guard let recorded, recorded.treeHead.size > fileHead.treeHead.size else {
                return fileHead
            }
            return recorded
        case .begin(.empty):
            guard writer.treeHead.size == .zero else {
                throw StoreError.refused(
                    "startup=empty, but the store has \(writer.treeHead.size) leaves: if they are "
                        + "this log's, run sigsum mktree --mode=local-tree instead")
            }
        case .begin(.localTree):
            if let fileHead, fileHead.treeHead != writer.treeHead {
                throw StoreError.refused(
                    "startup=local-tree, but the sth file has a signed tree of "
                        + "\(fileHead.treeHead.size) leaves and the store one of "
                        + "\(writer.treeHead.size): remove the sth file or the startup file")
            }
            try rehash(after: recorded, writer: writer, reader: reader, report)
        }
        return try fileHead ?? TreeHeadKeeper.sign(writer.treeHead, with: signer)
    }

    /// `head` must be the head of the first leaves in the store.
    private func checkPrefix(
        _ head: TreeHead, _ name: String, writer: StoreWriter, reader: StoreReader
    ) throws(StoreError) {
        guard head.size <= writer.treeHead.size else {
            throw .refused(
                "\(name) has a signed tree of \(head.size) leaves, the store only "
                    + "\(writer.treeHead.size): it is behind; restore it or promote a secondary")
        }
        var hasher = TreeHasher()
        _ = try TreeHeadKeeper.frontier(of: head, reader, hasher: &hasher)
    }

    /// A tree that is about to be signed as it stands: its leaves that no signature covers are
    /// hashed. Of a copy that is promoted, those are all.
    private func rehash(
        after recorded: SignedTreeHead?, writer: StoreWriter, reader: StoreReader,
        _ report: (String) -> Void
    ) throws(StoreError) {
        var hasher = TreeHasher()
        var frontier = Frontier()
        if let recorded {
            frontier = try TreeHeadKeeper.frontier(of: recorded.treeHead, reader, hasher: &hasher)
        }
        let signedCount = frontier.size.value
        let count = writer.treeHead.size.value - signedCount
        report("reading back the \(count) leaves of the local tree that no signature covers")
        var progress = PacedProgress(total: count, now: ContinuousClock.now)
        _ = try TreeHeadKeeper.extend(frontier, to: writer.treeHead, reader, hasher: &hasher) {
            let done = $0.value - signedCount
            if let line = progress.line(done: done, now: ContinuousClock.now) {
                report("reading back: \(line)")
            }
        }
    }
}
