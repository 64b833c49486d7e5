// SPDX-License-Identifier: BSD-2-Clause
//
// One question to a name server over TCP, on the calling thread, which waits. Other than the C
// library's own way of doing it, this one ends when its time is over.

import CLinux
import Reactor
import SystemPackage

/// A connection to a name server, whose every call fails with ETIMEDOUT after the deadline.
struct NameServerStream: ~Copyable {
    private let socket: OwnedDescriptor
    private let deadline: MonotonicInstant

    init(to server: SocketAddress, until deadline: MonotonicInstant) throws(Errno) {
        let type = Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
        let socket = try OwnedDescriptor { CLinux.socket(server.family, type, 0) }
        let rawValue = socket.rawValue
        do throws(Errno) {
            _ = try Syscall.value {
                unsafe server.withPointer { pointer, byteCount in
                    // The kernel reads the address while the closure runs.
                    unsafe connect(rawValue, pointer, byteCount)
                }
            }
        } catch {
            // EALREADY: a signal had cut the first call off. Whether it comes to a connection, the
            // first attempt to send will say.
            guard error == .nowInProgress || error == .alreadyInProcess else { throw error }
        }
        self.socket = socket
        self.deadline = deadline
    }

    /// Sends a message and receives one, each behind its length (RFC 1035 section 4.2.2).
    func exchange(_ message: [UInt8]) throws(Errno) -> [UInt8] {
        // The length goes out with what it is the length of (RFC 7766 section 8).
        try send([UInt8(message.count >> 8), UInt8(message.count & 0xff)] + message)
        let length = try receive(2)
        return try receive(Int(length[0]) << 8 | Int(length[1]))
    }

    private func send(_ bytes: [UInt8]) throws(Errno) {
        var sent = 0
        while sent < bytes.count {
            try wait(for: Int16(POLLOUT))
            switch socket.send(bytes.span.extracting(sent...)) {
            case .moved(let count): sent += count
            case .wouldBlock: continue
            case .failed(let error): throw error
            }
        }
    }

    private func receive(_ count: Int) throws(Errno) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        var received = 0
        while received < count {
            try wait(for: Int16(POLLIN))
            switch socket.receive(into: &bytes, from: received) {
            case .moved(0): throw .connectionReset
            case .moved(let count): received += count
            case .wouldBlock: continue
            case .failed(let error): throw error
            }
        }
        return bytes
    }

    /// Waits until the socket is ready, or has failed, which the next call on it says.
    private func wait(for events: Int16) throws(Errno) {
        let rawValue = socket.rawValue
        let readyCount = try Syscall.value { () -> Int32 in
            var entry = pollfd(fd: rawValue, events: events, revents: 0)
            let left = MonotonicInstant.now().duration(to: deadline)
            // The kernel reads and writes one entry, a local variable. A part of a millisecond is
            // waited for whole, or the last one would be spent in a loop.
            let milliseconds = max(0, left.nanosecondsClamped.advanced(by: 999_999) / 1_000_000)
            return unsafe poll(&entry, 1, Int32(clamping: milliseconds))
        }
        guard readyCount > 0 else { throw .timedOut }
    }
}
