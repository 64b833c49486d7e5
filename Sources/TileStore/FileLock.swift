// SPDX-License-Identifier: BSD-2-Clause

// One process per store and per sth file: SO_REUSEPORT would let a second instance bind in silence.

/// A lock file, locked (flock) for as long as this value lives; the kernel lets go when the process
/// ends in any way. The file stays behind, empty.
package struct FileLock: ~Copyable, Sendable {
    private let descriptor: Int32

    /// Locks `path`, creating it where it is absent; throws ``StoreError/refused(_:)`` when another
    /// process holds it.
    package init(path: String, of what: String) throws(StoreError) {
        guard let descriptor = try FileSystem.openLocked(path) else {
            throw .refused("\(what) is in use by another process, which holds \(path)")
        }
        self.descriptor = descriptor
    }

    deinit { FileSystem.closeDescriptor(descriptor) }
}
