// SPDX-License-Identifier: BSD-2-Clause

// LMDB as owned Swift values; the only file that names its C symbols. What lmdb.h's caveats demand
// is held here: one writer thread, no read transaction across a wait, no second open in one
// process, and mapped bytes that stay inside a closure.

internal import CLMDB
internal import Glibc

/// A result code of LMDB that is not success, and what was being done.
struct LMDBError: Error, Hashable, CustomStringConvertible {
    /// LMDB's code, or an errno.
    let code: Int32
    /// The LMDB function.
    let function: StaticString

    /// The code for contents that contradict themselves.
    static var corrupted: Int32 { MDB_CORRUPTED }

    static func == (left: Self, right: Self) -> Bool { left.code == right.code }
    func hash(into hasher: inout Hasher) { hasher.combine(code) }

    /// LMDB's own words.
    var description: String {
        // mdb_strerror answers a static string for every code.
        guard let text = unsafe mdb_strerror(code) else { return "LMDB error \(code)" }
        return unsafe "\(String(cString: text)) (\(function))"
    }

    /// Throws unless `code` is success.
    static func check(_ code: Int32, _ function: StaticString) throws(LMDBError) {
        guard code != MDB_SUCCESS else { return }
        throw LMDBError(code: code, function: function)
    }
}

/// A named table whose keys are native 64-bit integers.
struct IntegerTable: Sendable {
    fileprivate let handle: MDB_dbi
}

/// A table whose keys are short texts.
struct TextTable: Sendable {
    fileprivate let handle: MDB_dbi
}

/// An open environment: the folder with data.mdb and lock.mdb.
///
/// Sendable: LMDB lets any thread use an MDB_env; it is closed when the last reference goes, and
/// every transaction's owner holds one.
@safe
final class LMDBEnvironment: @unchecked Sendable {
    private let environment: OpaquePointer

    /// How an environment is opened.
    enum Mode: Sendable {
        /// Commits are durable.
        case durable
        /// Commits are not synced: for a store that lives no longer than the process.
        case ephemeral
        /// Nothing is written: for a look at the store of a process that may be running.
        case readOnly
    }

    /// Slots in the reader table, 64 bytes each: one for each of up to 1024 threads that serve
    /// requests, a few for the other threads, and one for each audit.
    private static let readersMax: UInt32 = 2048

    /// Opens the environment in `folder`, which must exist. `mapBytes` is address space, not
    /// memory.
    init(folder: String, mapBytes: UInt64, mode: Mode) throws(LMDBError) {
        var created: OpaquePointer?
        // The out parameter is a local; on success it holds an environment that is ours to close.
        try unsafe LMDBError.check(mdb_env_create(&created), "mdb_env_create")
        guard let environment = unsafe created else {
            throw LMDBError(code: MDB_PANIC, function: "mdb_env_create")
        }
        unsafe self.environment = environment
        // From here on deinit closes the environment, also after a throw.
        try unsafe LMDBError.check(
            mdb_env_set_mapsize(environment, Int(mapBytes)), "mdb_env_set_mapsize")
        try unsafe LMDBError.check(mdb_env_set_maxdbs(environment, 8), "mdb_env_set_maxdbs")
        try unsafe LMDBError.check(
            mdb_env_set_maxreaders(environment, Self.readersMax), "mdb_env_set_maxreaders")
        // MDB_NOTLS: a read transaction belongs to its reader, not to a thread. MDB_NORDAHEAD:
        // reads are of single pages all over the file.
        var flags = UInt32(MDB_NOTLS | MDB_NORDAHEAD)
        switch mode {
        case .durable: break
        case .ephemeral: flags |= UInt32(MDB_NOSYNC)
        case .readOnly: flags |= UInt32(MDB_RDONLY)
        }
        try unsafe LMDBError.check(mdb_env_open(environment, folder, flags, 0o640), "mdb_env_open")
        try forgetDeadReaders()
    }

    deinit {
        // Created in init; every transaction holds a reference to self, so none is open now.
        unsafe mdb_env_close(environment)
    }

    /// The descriptor of data.mdb, for fstat only: closing any other descriptor of that file would
    /// drop LMDB's locks (fcntl).
    var dataDescriptor: Int32 {
        get throws(LMDBError) {
            var descriptor: Int32 = -1
            try unsafe LMDBError.check(
                mdb_env_get_fd(environment, &descriptor), "mdb_env_get_fd")
            return descriptor
        }
    }

    /// The number of bytes that data.mdb must have for the pages that are in use.
    ///
    /// LMDB writes all pages up to the last one before it writes the meta page, except those that
    /// one transaction both allocated and set free. Deletions leave such pages ("loose" ones), and
    /// this store deletes no single key; values of more than a page do when they grow within one
    /// transaction, and here only LMDB's own list of free pages could. Tests/TileStoreTests holds
    /// the file to this length; a shorter one is a truncated one.
    var usedByteCount: Int64 {
        get throws(LMDBError) {
            var info = unsafe MDB_envinfo()
            var stat = MDB_stat()
            try unsafe LMDBError.check(mdb_env_info(environment, &info), "mdb_env_info")
            try unsafe LMDBError.check(mdb_env_stat(environment, &stat), "mdb_env_stat")
            return unsafe (Int64(info.me_last_pgno) + 1) * Int64(stat.ms_psize)
        }
    }

    /// Lets go of the pages that were read so far: they stay in the system's cache, and leave this
    /// process's resident set until they are read again.
    func releasePages() throws(LMDBError) {
        var info = unsafe MDB_envinfo()
        try unsafe LMDBError.check(mdb_env_info(environment, &info), "mdb_env_info")
        let mapBytes = unsafe info.me_mapsize
        // A map that is found is of a file, shared and never written through: pages that are
        // dropped come back from the file with the same contents.
        guard let start = FileSystem.sharedReadOnlyMap(byteCount: mapBytes) else { return }
        unsafe madvise(UnsafeMutableRawPointer(bitPattern: start), mapBytes, MADV_DONTNEED)
    }

    /// Begins the one write transaction. Only ever called on the writer's thread.
    func beginWrite() throws(LMDBError) -> WriteTransaction {
        try forgetDeadReaders()
        return try unsafe WriteTransaction(handle: begin(flags: 0))
    }

    /// Frees the slots of readers whose process is gone, such as an audit that was interrupted: the
    /// pages that they saw would never be used again, and each commit would make the file longer.
    /// Costs a walk over the slots in use, and a system call for each other process.
    private func forgetDeadReaders() throws(LMDBError) {
        var dead: Int32 = 0
        // The out parameter is a local.
        try unsafe LMDBError.check(mdb_reader_check(environment, &dead), "mdb_reader_check")
    }

    /// Begins the transaction in which the tables of an environment that is there are opened.
    func beginOpening() throws(LMDBError) -> OpeningTransaction {
        try unsafe OpeningTransaction(handle: begin(flags: UInt32(MDB_RDONLY)))
    }

    /// A read transaction, already reset: ``ReadTransaction/renew()`` begins it.
    func makeReadTransaction() throws(LMDBError) -> ReadTransaction {
        let handle = try unsafe begin(flags: UInt32(MDB_RDONLY))
        unsafe mdb_txn_reset(handle)
        return unsafe ReadTransaction(handle: handle, environment: self)
    }

    private func begin(flags: UInt32) throws(LMDBError) -> OpaquePointer {
        var handle: OpaquePointer?
        let code = unsafe mdb_txn_begin(environment, nil, flags, &handle)
        try LMDBError.check(code, "mdb_txn_begin")
        guard let handle = unsafe handle else {
            throw LMDBError(code: MDB_PANIC, function: "mdb_txn_begin")
        }
        return unsafe handle
    }
}

/// What a read and a write transaction have in common.
protocol Transaction: ~Copyable {
    /// The MDB_txn, which is active while a value is read.
    var handle: OpaquePointer { get }
}

extension Transaction where Self: ~Copyable {
    /// Calls `body` with the value of `key`, or with nil where there is none. The bytes are LMDB's
    /// own, mapped from the file; the span cannot leave the closure.
    borrowing func withValue<Result>(
        of key: UInt64, in table: IntegerTable, _ body: (Span<UInt8>?) -> Result
    ) throws(LMDBError) -> Result {
        var key = key
        // LMDB reads the key's eight bytes during the call.
        return try unsafe withUnsafeMutableBytes(of: &key) { bytes throws(LMDBError) in
            try unsafe withValue(of: bytes, in: table.handle, body)
        }
    }

    /// The same for a text key.
    borrowing func withValue<Result>(
        of key: StaticString, in table: TextTable, _ body: (Span<UInt8>?) -> Result
    ) throws(LMDBError) -> Result {
        // A static string lives for ever, and LMDB does not write to keys.
        let bytes = unsafe UnsafeMutableRawBufferPointer(
            start: UnsafeMutableRawPointer(mutating: key.utf8Start), count: key.utf8CodeUnitCount)
        return try unsafe withValue(of: bytes, in: table.handle, body)
    }

    private borrowing func withValue<Result>(
        of key: UnsafeMutableRawBufferPointer, in table: MDB_dbi, _ body: (Span<UInt8>?) -> Result
    ) throws(LMDBError) -> Result {
        var key = unsafe MDB_val(mv_size: key.count, mv_data: key.baseAddress)
        var value = unsafe MDB_val()
        let code = unsafe mdb_get(handle, table, &key, &value)
        guard code != MDB_NOTFOUND else { return body(nil) }
        try LMDBError.check(code, "mdb_get")
        // The value is valid until the transaction ends or writes, which the borrow excludes.
        let bytes = unsafe UnsafeRawBufferPointer(start: value.mv_data, count: value.mv_size)
        return unsafe body(Span<UInt8>(_unsafeBytes: bytes))
    }

    /// Calls `body` with each value of `table`, in the order of their keys. The bytes are LMDB's own,
    /// mapped from the file; the span cannot leave the closure.
    borrowing func forEachValue(
        in table: TextTable, _ body: (Span<UInt8>) -> Void
    ) throws(LMDBError) {
        var opened: OpaquePointer?
        // The out parameter is a local; on success it holds a cursor that is ours to close.
        try unsafe LMDBError.check(
            mdb_cursor_open(handle, table.handle, &opened), "mdb_cursor_open")
        guard let cursor = unsafe opened else {
            throw LMDBError(code: MDB_PANIC, function: "mdb_cursor_open")
        }
        // Closed before its transaction ends, which the borrow excludes until then.
        defer { unsafe mdb_cursor_close(cursor) }
        var key = unsafe MDB_val()
        var value = unsafe MDB_val()
        var position = MDB_FIRST
        while true {
            let code = unsafe mdb_cursor_get(cursor, &key, &value, position)
            guard code != MDB_NOTFOUND else { return }
            try LMDBError.check(code, "mdb_cursor_get")
            // The value is valid until the transaction ends or writes, which the borrow excludes.
            let bytes = unsafe UnsafeRawBufferPointer(start: value.mv_data, count: value.mv_size)
            unsafe body(Span<UInt8>(_unsafeBytes: bytes))
            position = MDB_NEXT
        }
    }

    /// The number of entries of `table`.
    borrowing func entryCount(of table: IntegerTable) throws(LMDBError) -> UInt64 {
        var stat = MDB_stat()
        // The handle is active and the out parameter a local.
        try unsafe LMDBError.check(mdb_stat(handle, table.handle, &stat), "mdb_stat")
        return UInt64(stat.ms_entries)
    }
}

/// A transaction in which tables may be opened: one that ends with a commit. LMDB closes what was
/// opened in a transaction that is aborted, and a reset is an abort in this.
protocol TableOpener: Transaction, ~Copyable {}

extension TableOpener where Self: ~Copyable {
    /// Opens a table that exists; nil where it does not.
    borrowing func openTable(_ name: String) throws(LMDBError) -> IntegerTable? {
        try openTable(name, flags: UInt32(MDB_INTEGERKEY)).map { IntegerTable(handle: $0) }
    }

    /// Opens a text table that exists; nil where it does not.
    borrowing func openTextTable(_ name: String) throws(LMDBError) -> TextTable? {
        try openTable(name, flags: 0).map { TextTable(handle: $0) }
    }

    fileprivate borrowing func openTable(
        _ name: String, flags: UInt32
    ) throws(LMDBError) -> MDB_dbi? {
        var table = MDB_dbi()
        // The name is copied by LMDB and the out parameter a local.
        let code = unsafe mdb_dbi_open(handle, name, flags, &table)
        guard code != MDB_NOTFOUND else { return nil }
        try LMDBError.check(code, "mdb_dbi_open")
        return table
    }
}

/// The write transaction: what is put shows only after ``commit()``; its end without one is an
/// abort.
@safe
struct WriteTransaction: ~Copyable, TableOpener {
    // Whoever begins a write transaction holds the environment until it has ended; a reference here
    // would forbid `discard self`.
    let handle: OpaquePointer

    fileprivate init(handle: OpaquePointer) { unsafe self.handle = handle }

    deinit {
        // Not committed, so still active.
        unsafe mdb_txn_abort(handle)
    }

    /// Makes everything put durable. When it throws, nothing was changed, or the device failed: the
    /// caller must not go on with this environment.
    consuming func commit() throws(LMDBError) {
        let handle = unsafe self.handle
        // mdb_txn_commit frees the transaction on success and on failure.
        discard self
        try unsafe LMDBError.check(mdb_txn_commit(handle), "mdb_txn_commit")
    }

    /// Opens or creates an integer table.
    borrowing func createTable(_ name: String) throws(LMDBError) -> IntegerTable {
        guard let handle = try openTable(name, flags: UInt32(MDB_CREATE | MDB_INTEGERKEY)) else {
            throw LMDBError(code: MDB_NOTFOUND, function: "mdb_dbi_open")
        }
        return IntegerTable(handle: handle)
    }

    /// Opens or creates a text table.
    borrowing func createTextTable(_ name: String) throws(LMDBError) -> TextTable {
        guard let handle = try openTable(name, flags: UInt32(MDB_CREATE)) else {
            throw LMDBError(code: MDB_NOTFOUND, function: "mdb_dbi_open")
        }
        return TextTable(handle: handle)
    }

    /// Sets the value of `key`. With `appending` the key must be the largest of its table, which
    /// fills pages to the brim and is checked by LMDB.
    borrowing func put(
        _ value: Span<UInt8>, for key: UInt64, in table: IntegerTable, appending: Bool = false
    ) throws(LMDBError) {
        var key = key
        let flags = appending ? UInt32(MDB_APPEND) : 0
        // LMDB copies the eight bytes of the key and the value during the call.
        try unsafe withUnsafeMutableBytes(of: &key) { bytes throws(LMDBError) in
            try unsafe put(value, for: bytes, in: table.handle, flags: flags)
        }
    }

    /// Sets the value of a text key.
    borrowing func put(
        _ value: Span<UInt8>, for key: StaticString, in table: TextTable
    ) throws(LMDBError) {
        // A static string lives for ever, and LMDB does not write to keys.
        let bytes = unsafe UnsafeMutableRawBufferPointer(
            start: UnsafeMutableRawPointer(mutating: key.utf8Start), count: key.utf8CodeUnitCount)
        try unsafe put(value, for: bytes, in: table.handle, flags: 0)
    }

    /// The same for a key that is made at run time, of 1 to 511 bytes.
    borrowing func put(
        _ value: Span<UInt8>, for key: Span<UInt8>, in table: TextTable
    ) throws(LMDBError) {
        // LMDB copies the key during the call, and does not write to it.
        try unsafe key.withUnsafeBytes { bytes throws(LMDBError) in
            let bytes = unsafe UnsafeMutableRawBufferPointer(mutating: bytes)
            try unsafe put(value, for: bytes, in: table.handle, flags: 0)
        }
    }

    private borrowing func put(
        _ value: Span<UInt8>, for key: UnsafeMutableRawBufferPointer, in table: MDB_dbi,
        flags: UInt32
    ) throws(LMDBError) {
        var key = unsafe MDB_val(mv_size: key.count, mv_data: key.baseAddress)
        // LMDB copies the value and does not write to it without MDB_RESERVE.
        let code = unsafe value.withUnsafeBufferPointer { buffer in
            var value = unsafe MDB_val(
                mv_size: buffer.count,
                mv_data: UnsafeMutableRawPointer(mutating: buffer.baseAddress))
            return unsafe mdb_put(handle, table, &key, &value, flags)
        }
        try LMDBError.check(code, "mdb_put")
    }

    /// Removes all entries of `table`.
    borrowing func clear(_ table: IntegerTable) throws(LMDBError) {
        try clear(table.handle)
    }

    /// Removes all entries of `table`.
    borrowing func clear(_ table: TextTable) throws(LMDBError) {
        try clear(table.handle)
    }

    private borrowing func clear(_ table: MDB_dbi) throws(LMDBError) {
        try unsafe LMDBError.check(mdb_drop(handle, table, 0), "mdb_drop")
    }
}

/// A read transaction for opening tables, which stay open after ``commit()``.
@safe
struct OpeningTransaction: ~Copyable, TableOpener {
    let handle: OpaquePointer

    fileprivate init(handle: OpaquePointer) { unsafe self.handle = handle }

    deinit {
        // Not committed, so still active.
        unsafe mdb_txn_abort(handle)
    }

    /// Ends, and keeps the tables open. Writes nothing.
    consuming func commit() throws(LMDBError) {
        let handle = unsafe self.handle
        // mdb_txn_commit frees the transaction on success and on failure.
        discard self
        try unsafe LMDBError.check(mdb_txn_commit(handle), "mdb_txn_commit")
    }
}

/// A read transaction that is begun and ended many times: its slot in the reader table is kept.
@safe
final class ReadTransaction: Transaction {
    let handle: OpaquePointer
    private let environment: LMDBEnvironment
    private var isActive = false

    fileprivate init(handle: OpaquePointer, environment: LMDBEnvironment) {
        unsafe self.handle = handle
        self.environment = environment
    }

    deinit {
        // Made in makeReadTransaction, ended nowhere else.
        unsafe mdb_txn_abort(handle)
    }

    /// Begins: what is committed now is what is read until ``reset()``. It must not stay open
    /// across a wait, since pages that it can see are not used again.
    func renew() throws(LMDBError) {
        precondition(!isActive, "a read transaction inside another")
        // Reset before, so it can be renewed.
        try unsafe LMDBError.check(mdb_txn_renew(handle), "mdb_txn_renew")
        isActive = true
    }

    /// Ends.
    func reset() {
        precondition(isActive)
        unsafe mdb_txn_reset(handle)
        isActive = false
    }
}
