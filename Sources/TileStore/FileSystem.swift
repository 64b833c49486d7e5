// SPDX-License-Identifier: BSD-2-Clause

// The system calls on files and folders that swift-system does not have, as functions that throw:
// the only file here, but for LMDB.swift, that names C symbols.

internal import CLinux
internal import Glibc
internal import SystemPackage

enum FileSystem {
    /// Whether anything is at `path`. Not being allowed to look is an error: whoever took it for
    /// absence would go on to advise the wrong thing.
    static func exists(_ path: String) throws(StoreError) -> Bool {
        // The string is NUL-terminated for the call, as in all calls below.
        guard unsafe access(path, F_OK) != 0 else { return true }
        guard errno == ENOENT else { throw failed("look for \(path)") }
        return false
    }

    /// Makes `folder` and answers true; one that is there is fine, the answer is false then.
    @discardableResult
    static func makeFolder(_ folder: String) throws(StoreError) -> Bool {
        guard unsafe mkdir(folder, 0o750) != 0 else { return true }
        guard errno == EEXIST else { throw failed("create the folder \(folder)") }
        return false
    }

    /// Makes a folder of its own name below $TMPDIR or /tmp.
    static func makeTemporaryFolder() throws(StoreError) -> String {
        // getenv's string is copied at once; nothing in the process sets variables.
        let base = unsafe getenv("TMPDIR").map { unsafe String(cString: $0) } ?? "/tmp"
        var template = Array("\(base)/sigsum-XXXXXX".utf8CString)
        // mkdtemp writes its six characters inside the NUL-terminated array.
        let made = unsafe template.withUnsafeMutableBufferPointer { buffer in
            unsafe buffer.baseAddress.map { unsafe mkdtemp($0) != nil } ?? false
        }
        guard made else { throw failed("create a temporary folder in \(base)") }
        return String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// Renames a file over another.
    static func rename(_ old: String, to new: String) throws(StoreError) {
        guard unsafe Glibc.rename(old, new) == 0 else { throw failed("rename \(old) to \(new)") }
    }

    /// Removes a file; one that is absent is fine.
    static func removeFile(_ path: String) throws(StoreError) {
        guard unsafe unlink(path) == 0 || errno == ENOENT else { throw failed("remove \(path)") }
    }

    /// Removes an empty folder; one that is absent is fine.
    static func removeFolder(_ path: String) throws(StoreError) {
        guard unsafe rmdir(path) == 0 || errno == ENOENT else { throw failed("remove \(path)") }
    }

    /// Waits until what was written to the file or folder is on the device.
    static func sync(_ descriptor: FileDescriptor, _ path: String) throws(StoreError) {
        guard fsync(descriptor.rawValue) == 0 else { throw failed("sync \(path)") }
    }

    /// The length of the file at `path`, which is not opened for it.
    static func byteCount(ofFileAt path: String) throws(StoreError) -> Int64 {
        var status = stat()
        // The out parameter is a local.
        guard unsafe stat(path, &status) == 0 else { throw failed("look at \(path)") }
        return Int64(status.st_size)
    }

    /// The length of an open file.
    static func byteCount(ofFile descriptor: Int32, _ path: String) throws(StoreError) -> Int64 {
        var status = stat()
        // The out parameter is a local.
        guard unsafe fstat(descriptor, &status) == 0 else { throw failed("look at \(path)") }
        return Int64(status.st_size)
    }

    /// The bytes that the file system of an open file still has for this process.
    static func freeByteCount(near descriptor: Int32, _ path: String) throws(StoreError) -> UInt64 {
        var status = statvfs()
        // The out parameter is a local.
        guard unsafe fstatvfs(descriptor, &status) == 0 else {
            throw failed("ask for the free space of \(path)")
        }
        return UInt64(status.f_bavail) * UInt64(status.f_frsize)
    }

    /// The address of this process's first map of a file that is shared, read only and `byteCount`
    /// bytes long (proc(5), /proc/pid/maps); nil when there is none. LMDB tells the address of its
    /// map only when it was fixed beforehand (MDB_FIXEDMAP).
    ///
    ///     7e1011e00000-7f1011e00000 r--s 00000000 fe:00 1310734    /var/lib/sigsum-log/store/data.mdb
    static func sharedReadOnlyMap(byteCount: Int) -> UInt? {
        guard let maps = try? DurableFile.read("/proc/self/maps") else { return nil }
        for line in maps.split(separator: UInt8(ascii: "\n")) {
            let words = line.split(separator: UInt8(ascii: " "), maxSplits: 2)
            guard words.count == 3, words[1].elementsEqual("r--s".utf8) else { continue }
            let bounds = words[0].split(separator: UInt8(ascii: "-")).compactMap {
                UInt(String(decoding: $0, as: UTF8.self), radix: 16)
            }
            if bounds.count == 2, bounds[1] - bounds[0] == UInt(byteCount) { return bounds[0] }
        }
        return nil
    }

    /// Opens `path`, creating it where it is absent, and takes its exclusive lock (flock); nil when
    /// another process has it. The lock lasts as long as the descriptor.
    static func openLocked(_ path: String) throws(StoreError) -> Int32? {
        let descriptor = unsafe clinux_open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o640)
        guard descriptor >= 0 else { throw failed("open the lock file \(path)") }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            let isHeld = errno == EWOULDBLOCK
            let error = failed("lock \(path)")
            closeDescriptor(descriptor)
            guard isHeld else { throw error }
            return nil
        }
        return descriptor
    }

    /// Unlocks and closes a descriptor that ``openLocked(_:)`` gave. Closing alone would leave the
    /// lock to a child that is just being started: until its exec it has a copy of the descriptor.
    static func closeDescriptor(_ descriptor: Int32) {
        flock(descriptor, LOCK_UN)
        close(descriptor)
    }

    /// The error of the call that just failed. `doing` is composed after errno was read, since that
    /// allocates.
    private static func failed(_ doing: @autoclosure () -> String) -> StoreError {
        let error = Errno(rawValue: errno)
        return .system(error, doing: doing())
    }
}
