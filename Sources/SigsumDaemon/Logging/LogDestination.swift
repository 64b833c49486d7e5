// SPDX-License-Identifier: BSD-2-Clause
//
// Where log lines go: standard error or a file. Logging must never be what stops a log server, so a
// line that cannot be written in good time is dropped and counted; what a line contains is
// LineLogHandler's business.

import Glibc
import Synchronization
import SystemPackage

/// A descriptor to which whole lines are written, from any thread. A reader that has gone away is
/// an error like others only in a process that ignores SIGPIPE, as the daemon does.
final class LogDestination: Sendable {
    /// PIPE_BUF: up to here a write to a pipe is not mixed with those of other processes, and goes
    /// through at once when poll says so. Longer lines are cut.
    static let lineBytesMax = 4096

    /// How long a full pipe or a stopped terminal is waited for, once.
    private let patienceMilliseconds: Int32

    private struct State {
        var descriptor: FileDescriptor
        /// The last line was not taken: do not wait again until one is.
        var isStalled = false
        /// The last line was written in part, for want of space, and has no end.
        var isMidLine = false
        var droppedLineCount = 0
    }

    /// Guards the descriptor against being closed by `reopen` while it is written to.
    private let state: Mutex<State>
    private let file: FilePath?

    /// Standard error.
    static let standardError = LogDestination(.standardError, file: nil)

    /// Appends to the file, which is made when it is not there, readable for all as log-go's is.
    /// Throws what opening it says.
    convenience init(appendingTo file: FilePath) throws(Errno) {
        self.init(try Self.open(file), file: file)
    }

    /// Writes to a descriptor that the caller keeps open for as long.
    convenience init(_ descriptor: FileDescriptor, patienceMilliseconds: Int32) {
        self.init(descriptor, file: nil, patienceMilliseconds: patienceMilliseconds)
    }

    private init(
        _ descriptor: FileDescriptor, file: FilePath?, patienceMilliseconds: Int32 = 1000
    ) {
        state = Mutex(State(descriptor: descriptor))
        self.patienceMilliseconds = patienceMilliseconds
        self.file = file
    }

    deinit {
        guard file != nil else { return }
        // An error of close changes nothing any more.
        state.withLock { state in try? state.descriptor.close() }
    }

    /// Opens the file anew, after it has been renamed, say. Without a file nothing happens. On an
    /// error the old descriptor stays in use.
    func reopen() throws(Errno) {
        guard let file else { return }
        let fresh = try Self.open(file)
        let old = state.withLock { state in
            defer { state.descriptor = fresh }
            return state.descriptor
        }
        // What was written has been written; an error of close is not one of the new file.
        try? old.close()
    }

    /// Lines that could not be written so far.
    var droppedLineCount: Int {
        state.withLock(\.droppedLineCount)
    }

    /// Writes one line with one system call. The line has no line feed of its own.
    func write(line: String) {
        state.withLock { state in
            guard isWritable(&state) else {
                state.droppedLineCount += 1
                return
            }
            let bytes = Self.bytes(line, afterPart: state.isMidLine)
            do {
                // The array's own bytes, for the length of the call.
                let count = try unsafe bytes.withUnsafeBytes { bytes in
                    try unsafe state.descriptor.write(bytes)
                }
                state.isMidLine = count < bytes.count
                if state.isMidLine { state.droppedLineCount += 1 }
            } catch {
                // A full disk, a reader that is gone: there is nowhere to report it.
                state.droppedLineCount += 1
            }
        }
    }

    private static func bytes(_ line: String, afterPart isMidLine: Bool) -> [UInt8] {
        var bytes: [UInt8] = isMidLine ? [0x0A] : []
        bytes += line.utf8
        if bytes.count >= lineBytesMax {
            var end = lineBytesMax - 4
            // Back to the start of a character: a continuation byte is 10xxxxxx.
            while bytes[end] & 0xC0 == 0x80 { end -= 1 }
            bytes.removeSubrange(end...)
            bytes += "...".utf8
        }
        bytes.append(0x0A)
        return bytes
    }

    /// Waits for room, but not for ever, and only for the first line that finds none.
    private func isWritable(_ state: inout State) -> Bool {
        var poll = pollfd(
            fd: state.descriptor.rawValue, events: Int16(POLLOUT), revents: 0)
        // One structure, as the count says, which lives for the call.
        let count = unsafe Glibc.poll(&poll, 1, state.isStalled ? 0 : patienceMilliseconds)
        // Interrupted, or no memory: neither says that the write would block.
        state.isStalled = count == 0
        return !state.isStalled
    }

    private static func open(_ file: FilePath) throws(Errno) -> FileDescriptor {
        do {
            return try FileDescriptor.open(
                file, .writeOnly, options: [.append, .create, .closeOnExec],
                permissions: [.ownerReadWrite, .groupRead, .otherRead])
        } catch let error as Errno {
            throw error
        } catch {
            preconditionFailure("swift-system throws Errno only, not \(error)")
        }
    }
}
