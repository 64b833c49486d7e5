// SPDX-License-Identifier: BSD-2-Clause
//
// Memory that ends in a page nobody may read, so that a read past the end is not luck but a crash.

import Glibc
import HTTPWire

/// One readable page followed by an unreadable one. Safe, because `start` never leaves it and lives
/// as long as the value.
@safe struct GuardedPage: ~Copyable {
    private let start: UnsafeMutableRawPointer
    private let pageByteCount: Int

    struct Failure: Error {
        let code: Int32
    }

    init() throws {
        let pageByteCount = sysconf(Int32(_SC_PAGESIZE))
        // An anonymous mapping at an address of the kernel's choice touches no memory of ours.
        let mapping = unsafe mmap(
            nil, 2 * pageByteCount, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
        guard let mapping = unsafe mapping, unsafe mapping != MAP_FAILED else {
            throw Failure(code: errno)
        }
        // The second of the two pages just mapped, which nothing else uses.
        guard unsafe mprotect(mapping + pageByteCount, pageByteCount, PROT_NONE) == 0 else {
            throw Failure(code: errno)
        }
        unsafe start = mapping
        self.pageByteCount = pageByteCount
    }

    deinit {
        // The mapping is this value's own, and no span into it outlives withBytesAtItsEnd.
        unsafe munmap(start, 2 * pageByteCount)
    }

    /// Gives `use` a copy of `bytes` whose last byte is the last one before the unreadable page.
    func withBytesAtItsEnd<Result>(_ bytes: [UInt8], _ use: (Span<UInt8>) -> Result) -> Result {
        precondition(bytes.count <= pageByteCount)
        // Within the first page by the precondition; bytes have no alignment and are all
        // initialised by the copy.
        let target = unsafe UnsafeMutableRawBufferPointer(
            start: start + (pageByteCount - bytes.count), count: bytes.count)
        unsafe target.copyBytes(from: bytes)
        let copy = unsafe UnsafeBufferPointer<UInt8>(target.bindMemory(to: UInt8.self))
        return unsafe use(copy.span)
    }
}
