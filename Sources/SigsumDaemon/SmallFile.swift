// SPDX-License-Identifier: BSD-2-Clause
//
// Files that an operator writes: short, and read whole.

import SystemPackage

/// A file's bytes and the mode that it had.
struct SmallFile {
    let contents: [UInt8]
    let permissions: FilePermissions

    /// Why a file was not read, to follow its name.
    struct Failure: Error {
        let reason: String
    }

    /// Reads the file at `path`, which must not have more than `bytesMax` bytes.
    ///
    /// - Parameter kind: completes "too large for".
    init(_ path: FilePath, bytesMax: Int, kind: String) throws(Failure) {
        do {
            let file = try FileDescriptor.open(path, .readOnly, options: .closeOnExec)
            defer { try? file.close() }
            // Of the file that is open, whatever the path may be by now.
            permissions = try file.stat().permissions
            var bytes: [UInt8] = []
            var part = [UInt8](repeating: 0, count: min(bytesMax + 1, 64 * 1024))
            while bytes.count <= bytesMax {
                let count = try unsafe part.withUnsafeMutableBytes { buffer in
                    // The kernel writes at most the buffer's length.
                    try unsafe file.read(into: buffer)
                }
                guard count > 0 else { break }
                bytes += part[..<count]
            }
            contents = bytes
        } catch {
            throw Failure(reason: "\(error)")
        }
        guard contents.count <= bytesMax else { throw Failure(reason: "too large for \(kind)") }
    }
}
