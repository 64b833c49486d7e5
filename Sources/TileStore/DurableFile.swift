// SPDX-License-Identifier: BSD-2-Clause

// Small files that must be whole and on disk, or not there at all.
//
// To write: open <path>.new, write, fsync, close, rename to <path>, fsync the folder. A crash
// before the rename leaves the old file and perhaps a <path>.new, which the next write replaces;
// after it, the new file. BUG, known and accepted: when the fsync of the folder fails, the new file
// may or may not be there after a crash; the caller treats that as a failed device and ends the
// process.

internal import SystemPackage

/// Reading, writing and removing such files.
package enum DurableFile {
    /// The largest file read: they have a few hundred bytes.
    private static let byteCountMax = 64 * 1024

    /// The contents of `path`; nil where there is no such file.
    package static func read(_ path: String) throws(StoreError) -> [UInt8]? {
        do {
            let file = try FileDescriptor.open(FilePath(path), .readOnly, options: .closeOnExec)
            defer { try? file.close() }
            var contents: [UInt8] = []
            var chunk = [UInt8](repeating: 0, count: 4096)
            while true {
                // The buffer is the array's own, and lives through the call.
                let count = try unsafe chunk.withUnsafeMutableBytes {
                    try unsafe file.read(into: $0)
                }
                guard count > 0 else { return contents }
                contents += chunk[..<count]
                guard contents.count <= byteCountMax else {
                    throw StoreError.refused("\(path) is too large for what it should be")
                }
            }
        } catch Errno.noSuchFileOrDirectory {
            return nil
        } catch {
            throw failure(error, doing: "read \(path)")
        }
    }

    /// Writes `contents` to `path`, in place of what was there; durable when it returns.
    package static func write(_ contents: [UInt8], to path: String) throws(StoreError) {
        let building = "\(path).new"
        do {
            let file = try FileDescriptor.open(
                FilePath(building), .writeOnly, options: [.create, .truncate, .closeOnExec],
                permissions: [.ownerReadWrite, .groupRead, .otherRead])
            do {
                _ = try file.writeAll(contents)
                try FileSystem.sync(file, building)
            } catch {
                try? file.close()
                throw error
            }
            try file.close()
        } catch {
            throw failure(error, doing: "write \(building)")
        }
        try rename(building, to: path)
    }

    /// Renames a file whose contents are durable, durably.
    static func rename(_ old: String, to new: String) throws(StoreError) {
        try FileSystem.rename(old, to: new)
        try syncFolder(of: new)
        if folder(of: old) != folder(of: new) { try syncFolder(of: old) }
    }

    /// Removes a file, durably; one that is absent is fine.
    package static func remove(_ path: String) throws(StoreError) {
        try FileSystem.removeFile(path)
        try syncFolder(of: path)
    }

    private static func folder(of path: String) -> String {
        let path = path.count > 1 && path.hasSuffix("/") ? path.dropLast() : path[...]
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }

    /// Waits until the entry of `path` in its folder is on the device.
    static func syncFolder(of path: String) throws(StoreError) {
        let folder = folder(of: path)
        do {
            let descriptor = try FileDescriptor.open(
                FilePath(folder), .readOnly, options: [.directory, .closeOnExec])
            defer { try? descriptor.close() }
            try FileSystem.sync(descriptor, folder)
        } catch {
            throw failure(error, doing: "sync the folder \(folder)")
        }
    }

    /// swift-system's calls throw untyped, and nothing but an Errno.
    private static func failure(_ error: any Error, doing: String) -> StoreError {
        if let error = error as? StoreError { return error }
        return .system(error as? Errno ?? .ioError, doing: doing)
    }
}
