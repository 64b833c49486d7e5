// SPDX-License-Identifier: BSD-2-Clause
//
// One file descriptor and the right to close it. A descriptor number that is closed twice closes
// somebody else's file, so the number travels in a type that cannot be copied. What is done with
// the descriptor stands elsewhere: Socket input and output in SocketIO.swift.

import CLinux
package import SystemPackage

/// A file descriptor that is closed when its owner's life ends.
package struct OwnedDescriptor: ~Copyable, Sendable {
    /// The kernel's number, valid as long as this value lives.
    package let rawValue: Int32

    /// Takes over the duty to close `rawValue`, an open descriptor that nobody else closes.
    package init(adopting rawValue: Int32) {
        precondition(rawValue >= 0, "not a descriptor: \(rawValue)")
        self.rawValue = rawValue
    }

    /// Adopts what a system call answered, or throws the call's errno if it answered -1.
    ///
    /// The call is made again when a signal cut it off.
    package init(opening call: () -> Int32) throws(Errno) {
        self.init(adopting: try Syscall.value(call))
    }

    deinit {
        Self.close(rawValue)
    }

    /// Closes now, where the reader of the code can see it.
    package consuming func close() {}

    /// Ends this value without closing: the caller has the duty from here on.
    package consuming func take() -> Int32 {
        let rawValue = rawValue
        discard self
        return rawValue
    }

    /// close(2) is never repeated: Linux has released the number even when it reports EINTR, and
    /// by the second call another thread may own it. EBADF means that somebody closed what is ours.
    private static func close(_ rawValue: Int32) {
        guard CLinux.close(rawValue) == -1 else { return }
        precondition(Errno(rawValue: clinux_errno()) != .badFileDescriptor, "closed twice")
    }
}
