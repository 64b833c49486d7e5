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
    let mktree = Mktree(configuration)
    switch configuration.mode {
    case .empty: try mktree.order(.empty)
    case .localTree: try mktree.order(.localTree)
    case .saved: try mktree.checkSaved()
    case .audit: try mktree.audit()
    }
}

private struct Mktree {
    let configuration: MktreeConfiguration
    let signedTreeHeadPath: String
    let storeFolder: String

    init(_ configuration: MktreeConfiguration) {
        self.configuration = configuration
        signedTreeHeadPath = configuration.signedTreeHeadFile.string
        storeFolder = configuration.storeDirectory.string
    }

    var startupPath: String { StateFiles.startupPath(besides: signedTreeHeadPath) }

    /// Writes the startup file, unless there is anything that it would contradict.
    func order(_ mode: StartupMode) throws(StoreError) {
        try refuseExisting()
        let files = try StateFiles(signedTreeHeadPath: signedTreeHeadPath)
        // Again, now that nobody else is at it.
        try refuseExisting()
        if configuration.backend == .lmdb { try checkStore(for: mode) }
        try files.write(mode)
        print("\(startupPath): \(mode.rawValue); the primary's next start carries it out")
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

    private func checkStore(for mode: StartupMode) throws(StoreError) {
        let exists = try TileStore.exists(in: storeFolder)
        switch mode {
        case .empty where exists:
            let size = try TileStore.open(folder: storeFolder).committedTreeHead().size
            guard size == .zero else {
                throw .refused(
                    "the store \(storeFolder) has \(size) leaves: --mode=local-tree goes on with "
                        + "them; for a new log give another store-dir")
            }
        case .localTree where !exists:
            throw .refused("there is no store in \(storeFolder)")
        default: break
        }
    }

    /// The state of a log that has been running: a signed tree head, and no order.
    func checkSaved() throws(StoreError) {
        guard let head = try StateFiles.readSignedTreeHead(signedTreeHeadPath) else {
            throw .refused("the sth file \(signedTreeHeadPath) does not exist")
        }
        guard try DurableFile.read(startupPath) == nil else {
            throw .refused("the startup file \(startupPath) exists beside \(signedTreeHeadPath)")
        }
        print("\(signedTreeHeadPath): a signed tree head of \(head.treeHead.size) leaves")
    }

    func audit() throws {
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
        print(
            """
            \(storeFolder): \(report.treeHead.size) leaves, \(report.tileCount) tiles, root hash \
            \(report.treeHead.rootHash): all right
            """)
        if head == nil { print("\(signedTreeHeadPath) does not exist, so it was not compared") }
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
