// SPDX-License-Identifier: BSD-2-Clause
//
// Bytes in and out of a connected socket, and half-closing it. One call of ours is one system call
// of the kernel's (unless a signal cut it off): how often to try is the caller's decision.

import CLinux

extension OwnedDescriptor {
    /// Receives what is there into the elements of `buffer` from `offset` on, as many as there are.
    package borrowing func receive(into buffer: inout [UInt8], from offset: Int) -> IOOutcome {
        precondition(offset >= 0 && offset < buffer.count)
        let rawValue = rawValue
        return unsafe buffer.withUnsafeMutableBytes { bytes in
            // The kernel writes at most `free.count` bytes at its beginning; both are the array's,
            // held exclusively for the duration of the closure.
            let free = unsafe UnsafeMutableRawBufferPointer(rebasing: bytes[offset...])
            return Syscall.attempt { unsafe recv(rawValue, free.baseAddress, free.count, 0) }
        }
    }

    /// Sends as much of `bytes` as the socket's buffer takes.
    ///
    /// MSG_NOSIGNAL: a vanished peer is an errno (EPIPE) here, never a signal to the process.
    package borrowing func send(_ bytes: Span<UInt8>) -> IOOutcome {
        let rawValue = rawValue
        // The kernel reads `count` bytes at `baseAddress`, which the span keeps alive.
        return unsafe bytes.withUnsafeBufferPointer { bytes in
            let (base, count) = (bytes.baseAddress, bytes.count)
            return Syscall.attempt {
                unsafe CLinux.send(rawValue, base, count, Int32(MSG_NOSIGNAL))
            }
        }
    }

    /// Tells the peer that nothing more will be sent, while it may still send.
    ///
    /// The only failure is a connection that is gone already (ENOTCONN), which the caller notices
    /// at its next receive.
    package borrowing func shutdownSending() {
        _ = shutdown(rawValue, Int32(SHUT_WR))
    }
}
