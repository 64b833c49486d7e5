// SPDX-License-Identifier: BSD-2-Clause
//
// `sigsum mktree`: orders how a primary begins, and audits its store. It writes nothing but the
// startup file; the primary creates what it orders.

import CLinux
import Glibc
import LogCrypto
import MerkleLog
import SigsumFormats
import SystemPackage
import TileStore

/// Does what mktree's mode says, and prints what it did.
func runMktree(_ configuration: MktreeConfiguration) throws {
    for line in try Mktree(configuration).run() { print(line) }
}

/// mktree with what it is told.
struct Mktree {
    private let configuration: MktreeConfiguration
    private let signedTreeHeadPath: String
    private let storeFolder: String

    init(_ configuration: MktreeConfiguration) {
        self.configuration = configuration
        signedTreeHeadPath = configuration.signedTreeHeadFile.string
        storeFolder = configuration.storeDirectory.string
    }

    /// Does what the mode says; returns the lines that say what it did.
    func run() throws -> [String] {
        switch configuration.mode {
        case .empty: [try order(.empty)]
        case .localTree: [try order(.localTree)]
        case .saved: [try checkSaved()]
        case .audit: try audit()
        }
    }

    /// How many leaves are walked before a local tree becomes what a log signs: the work of a
    /// moment, and more than any crash leaves in doubt. A primary's next start hashes the others.
    private static let auditedLeavesMin: UInt64 = 65_536

    private var startupPath: String { StateFiles.startupPath(besides: signedTreeHeadPath) }

    /// Writes the startup file, unless there is anything that it would contradict.
    private func order(_ mode: StartupMode) throws(StoreError) -> String {
        try refuseExisting()
        let files = try StateFiles(signedTreeHeadPath: signedTreeHeadPath)
        // Again, now that nobody else is at it.
        try refuseExisting()
        // Held open until the order is written, so that the tree is the one that was looked at.
        let store = configuration.backend == .lmdb ? try openStore(for: mode) : nil
        let tree = mode == .localTree ? try store.map(auditedTree) : nil
        try files.write(mode)
        withExtendedLifetime(store) {}
        let order = tree.map { "\(mode.rawValue), \($0)" } ?? mode.rawValue
        return "\(startupPath): \(order); the primary's next start carries it out"
    }

    private func refuseExisting() throws(StoreError) {
        if try StateFiles.readSignedTreeHead(signedTreeHeadPath) != nil {
            throw .refused(
                "\(signedTreeHeadPath) exists: this log has begun already. Nothing was changed")
        }
        if try StateFiles.exist(at: signedTreeHeadPath) {
            throw .refused("\(startupPath) exists already. Nothing was changed")
        }
    }

    /// The store that `mode` is about; nil where there is none and none is needed.
    private func openStore(for mode: StartupMode) throws(StoreError) -> TileStore? {
        guard try TileStore.exists(in: storeFolder) else {
            guard mode == .empty else { throw .refused("there is no store in \(storeFolder)") }
            return nil
        }
        let store = try TileStore.open(folder: storeFolder)
        let size = try store.committedTreeHead().size
        switch (mode, store.identity.role) {
        case (.empty, _) where size > .zero:
            throw .refused(
                "the store \(storeFolder) has \(size) leaves: --mode=local-tree goes on with "
                    + "them; for a new log give another store-dir")
        case (.empty, .secondary):
            throw .refused(
                "the store \(storeFolder) is a secondary's: for a new log give another store-dir")
        case (.localTree, .secondary) where size == .zero:
            throw .refused(
                "the secondary's store \(storeFolder) has no leaves: check store-dir; a new log "
                    + "begins with --mode=empty")
        default:
            return store
        }
    }

    /// What the tree in `store` is, after its newest leaves were found to be right.
    private func auditedTree(in store: TileStore) throws(StoreError) -> String {
        let head = try store.audit(newest: Self.auditedLeavesMin).treeHead
        return "\(head.size) leaves in \(storeFolder), root hash \(head.rootHash)"
    }

    /// The state of a log that has been running: a signed tree head, and no order.
    private func checkSaved() throws(StoreError) -> String {
        guard let head = try StateFiles.readSignedTreeHead(signedTreeHeadPath) else {
            throw .refused("the sth file \(signedTreeHeadPath) does not exist")
        }
        guard try DurableFile.read(startupPath) == nil else {
            throw .refused("the startup file \(startupPath) exists beside \(signedTreeHeadPath)")
        }
        return "\(signedTreeHeadPath): a signed tree head of \(head.treeHead.size) leaves"
    }

    private func audit() throws -> [String] {
        // The sth file first: of a log that is running, the store is then not behind it.
        let head = try StateFiles.readSignedTreeHead(signedTreeHeadPath)
        if let head, let keyFile = configuration.keyFile {
            let key = try LoadedSigner.publicKey(ofKeyFile: keyFile)
            guard head.isValid(for: key) else {
                throw StoreError.refused(
                    "the tree head in \(signedTreeHeadPath) was not signed by the key in \(keyFile)"
                )
            }
        }
        let heads = head.map { [(name: signedTreeHeadPath, treeHead: $0.treeHead)] } ?? []
        let store = try TileStore.openForAudit(folder: storeFolder)
        var progress = AuditProgress()
        let report = try store.audit(heads: heads) { progress.show($0, of: $1) }
        progress.end()
        var lines = [
            """
            \(storeFolder): \(report.treeHead.size) leaves, \(report.tileCount) tiles, root hash \
            \(report.treeHead.rootHash): all right
            """
        ]
        if head == nil {
            lines.append("\(signedTreeHeadPath) does not exist, so it was not compared")
        }
        return lines
    }
}

/// A line on standard error that counts, where that is a terminal.
private struct AuditProgress {
    private let isTerminal = isatty(STDERR_FILENO) == 1
    private var shown: UInt64 = 0

    mutating func show(_ done: UInt64, of all: UInt64) {
        let percent = all == 0 ? 100 : done * 100 / all
        guard isTerminal, percent > shown else { return }
        shown = percent
        write("\rauditing: \(done) of \(all) leaves (\(percent) %)")
    }

    func end() {
        if shown > 0 { write("\n") }
    }

    private func write(_ text: String) {
        // Progress that cannot be shown is no reason to end an audit.
        _ = try? FileDescriptor.standardError.writeAll(text.utf8)
    }
}
