// SPDX-License-Identifier: BSD-2-Clause

// An open store: what it is, and the doors to it. StoreWriter appends, StoreReader reads,
// StoreAudit walks everything.

internal import LogCrypto
internal import MerkleLog
internal import SigsumFormats

/// The LMDB environment of one tree, locked for this process, found to be of the right kind.
///
/// Shared by all threads; it only holds handles, which do not change.
package final class TileStore: Sendable {
    /// How a store is kept.
    package enum Backend: Hashable, Sendable {
        /// In `folder`, every commit durable.
        case lmdb(folder: String)
        /// In a temporary folder that is gone when the process is, without syncing.
        case ephemeral
    }

    /// The address space that a store may grow into: 1 TiB, about 4.9 billion leaves.
    package static let mapBytes: UInt64 = 1 << 40

    /// The folder that was opened, for messages.
    package let folder: String
    /// What the store says it is.
    package let identity: StoreIdentity
    let environment: LMDBEnvironment
    let tables: StoreTables
    /// Held for as long as the store is open; nil where nobody else can find the folder, and for
    /// an auditor, which may look at a store in use.
    private let lock: HeldLock?

    private init(
        folder: String, identity: StoreIdentity, environment: LMDBEnvironment,
        tables: StoreTables, lock: HeldLock?
    ) {
        self.folder = folder
        self.identity = identity
        self.environment = environment
        self.tables = tables
        self.lock = lock
    }

    /// Whether `folder` holds a store. Throws when it cannot be looked into.
    package static func exists(in folder: String) throws(StoreError) -> Bool {
        try FileSystem.exists(dataFile(in: folder))
    }

    /// Creates an empty store of `identity`; `folder` is made where it is absent. Throws
    /// ``StoreError/refused(_:)`` when it holds a store already.
    ///
    /// - Parameter release: the version that writes it, for the message of an older one.
    package static func create(
        _ backend: Backend, identity: StoreIdentity, release: String
    ) throws(StoreError) -> TileStore {
        switch backend {
        case .lmdb(let folder):
            if try FileSystem.makeFolder(folder) { try DurableFile.syncFolder(of: folder) }
            let lock = HeldLock(try FileLock(path: "\(folder)/lock", of: "the store \(folder)"))
            guard try !exists(in: folder) else { throw .refused("\(folder) holds a store already") }
            // Built beside its place and moved there whole, so that a crash leaves no half store.
            let building = "\(folder)/building"
            try removeEnvironment(building)
            try FileSystem.makeFolder(building)
            _ = try makeEmpty(in: building, mode: .durable, identity: identity, release: release)
            try DurableFile.rename(dataFile(in: building), to: dataFile(in: folder))
            try removeEnvironment(building)
            return try openLocked(folder: folder, mode: .durable, lock: lock)
        case .ephemeral:
            let folder = try FileSystem.makeTemporaryFolder()
            // The open files stay usable; nothing is left behind, whatever ends the process.
            defer { try? removeEnvironment(folder) }
            let made = try makeEmpty(
                in: folder, mode: .ephemeral, identity: identity, release: release)
            return TileStore(
                folder: folder, identity: identity, environment: made.environment,
                tables: made.tables, lock: nil)
        }
    }

    /// Opens the store in `folder` for this process alone. Refuses one of a newer format, a
    /// truncated one, and one that another process has open.
    package static func open(folder: String) throws(StoreError) -> TileStore {
        guard try exists(in: folder) else { throw .refused("there is no store in \(folder)") }
        let lock = HeldLock(try FileLock(path: "\(folder)/lock", of: "the store \(folder)"))
        return try openLocked(folder: folder, mode: .durable, lock: lock)
    }

    /// Opens the store in `folder` for reading only, also while another process writes to it.
    package static func openForAudit(folder: String) throws(StoreError) -> TileStore {
        guard try exists(in: folder) else { throw .refused("there is no store in \(folder)") }
        return try openLocked(folder: folder, mode: .readOnly, lock: nil)
    }

    /// The bytes that the file system of the store still has for us.
    package func freeByteCount() throws(StoreError) -> UInt64 {
        let descriptor = try StoreError.wrap("look at the store \(folder)") {
            () throws(LMDBError) in
            try environment.dataDescriptor
        }
        return try FileSystem.freeByteCount(near: descriptor, folder)
    }

    /// The same open store, whose identity is read again: a promotion has changed it.
    func reidentified() throws(StoreError) -> TileStore {
        let identity = try Self.readIdentity(environment, tables: tables, folder: folder)
        return TileStore(
            folder: folder, identity: identity, environment: environment, tables: tables,
            lock: lock)
    }

    /// Lets go of the mapped pages that were read so far; reading brings them back.
    package func releasePages() {
        // A kernel that refuses advice has lost nobody anything.
        try? environment.releasePages()
    }

    private static func dataFile(in folder: String) -> String { "\(folder)/data.mdb" }
}

// Opening and creating.
extension TileStore {
    private static func openLocked(
        folder: String, mode: LMDBEnvironment.Mode, lock: consuming HeldLock?
    ) throws(StoreError) -> TileStore {
        let lock = lock
        let doing = "open the store \(folder)"
        // LMDB would make an empty file an empty environment.
        guard try FileSystem.byteCount(ofFileAt: dataFile(in: folder)) > 0 else {
            throw .corrupt("\(dataFile(in: folder)) is empty: restore it or promote a secondary")
        }
        let environment = try StoreError.wrap(doing) { () throws(LMDBError) in
            try LMDBEnvironment(folder: folder, mapBytes: mapBytes, mode: mode)
        }
        try refuseTruncated(environment, folder: folder)
        let tables = try StoreError.wrap(doing) { () throws(LMDBError) in
            let transaction = try environment.beginOpening()
            let tables = try StoreTables(openingIn: transaction)
            try transaction.commit()
            return tables
        }
        guard let tables else { throw .corrupt("\(folder) lacks one of its tables") }
        let identity = try readIdentity(environment, tables: tables, folder: folder)
        return TileStore(
            folder: folder, identity: identity, environment: environment, tables: tables,
            lock: lock)
    }

    /// Reading a mapped file past its end kills the process (SIGBUS): look before.
    private static func refuseTruncated(
        _ environment: LMDBEnvironment, folder: String
    ) throws(StoreError) {
        let (descriptor, needed) = try StoreError.wrap("look at \(folder)") {
            () throws(LMDBError) in (try environment.dataDescriptor, try environment.usedByteCount)
        }
        let found = try FileSystem.byteCount(ofFile: descriptor, dataFile(in: folder))
        guard found >= needed else {
            throw .corrupt(
                "\(dataFile(in: folder)) has \(found) bytes of the \(needed) that its "
                    + "pages take: it was truncated; restore it or promote a secondary")
        }
    }

    private static func readIdentity(
        _ environment: LMDBEnvironment, tables: StoreTables, folder: String
    ) throws(StoreError) -> StoreIdentity {
        let transaction = try StoreError.wrap("open the store \(folder)") {
            () throws(LMDBError) in
            let transaction = try environment.makeReadTransaction()
            try transaction.renew()
            return transaction
        }
        defer { transaction.reset() }
        let format = try text(MetaKey.format, transaction, tables)
        let words = format.split(separator: " ", maxSplits: 1)
        guard let first = words.first, let version = UInt64(first) else {
            throw .corrupt("\(folder) says no format version, but \"\(format)\"")
        }
        guard version <= StoreIdentity.formatVersion else {
            let writer = words.count > 1 ? String(words[1]) : "a newer release"
            throw .refused(
                "the store \(folder) has format \(version), written by \(writer); this release "
                    + "reads up to format \(StoreIdentity.formatVersion)")
        }
        let roleName = try text(MetaKey.role, transaction, tables)
        guard let role = StoreIdentity.Role(rawValue: roleName) else {
            throw .corrupt("\(folder) has the unknown role \"\(roleName)\"")
        }
        let keyHash = try StoreError.wrap("read \(folder)") { () throws(LMDBError) in
            try transaction.withValue(of: MetaKey.logKeyHash, in: tables.meta) { bytes in
                guard let bytes, bytes.count == KeyHash.byteCount else { return KeyHash?.none }
                return KeyHash(copying: bytes)
            }
        }
        guard role == .secondary || keyHash != nil else {
            throw .corrupt("\(folder) is a primary's and names no log key")
        }
        return StoreIdentity(role: role, logKeyHash: keyHash)
    }

    private static func text(
        _ key: StaticString, _ transaction: ReadTransaction, _ tables: StoreTables
    ) throws(StoreError) -> String {
        try StoreError.wrap("read \(key)") { () throws(LMDBError) in
            try transaction.withValue(of: key, in: tables.meta) { bytes in
                guard let bytes else { return "" }
                return String(decoding: bytes.indices.map { bytes[$0] }, as: UTF8.self)
            }
        }
    }

    private static func makeEmpty(
        in folder: String, mode: LMDBEnvironment.Mode, identity: StoreIdentity, release: String
    ) throws(StoreError) -> (environment: LMDBEnvironment, tables: StoreTables) {
        try StoreError.wrap("create a store in \(folder)") { () throws(LMDBError) in
            let environment = try LMDBEnvironment(
                folder: folder, mapBytes: mapBytes, mode: mode)
            let transaction = try environment.beginWrite()
            let tables = try StoreTables(creatingIn: transaction)
            var hasher = TreeHasher()
            let empty = TreeHead(size: .zero, rootHash: hasher.emptyRoot())
            let format = Array("\(StoreIdentity.formatVersion) \(release)".utf8)
            try transaction.put(format.span, for: MetaKey.format, in: tables.meta)
            try transaction.put(identity, in: tables.meta)
            try transaction.put(empty.storedBytes.span, for: MetaKey.treeHead, in: tables.meta)
            try transaction.commit()
            return (environment, tables)
        }
    }

    /// Removes a folder with nothing but an environment in it; one that is absent is fine.
    private static func removeEnvironment(_ folder: String) throws(StoreError) {
        for name in ["data.mdb", "lock.mdb"] { try FileSystem.removeFile("\(folder)/\(name)") }
        try FileSystem.removeFolder(folder)
    }
}

/// A file lock that a class can hold.
private final class HeldLock: Sendable {
    private let lock: FileLock
    init(_ lock: consuming FileLock) { self.lock = lock }
}
