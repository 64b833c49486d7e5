// SPDX-License-Identifier: BSD-2-Clause
//
// The one place where the result of a system call is judged: interrupted calls are made again,
// "would block" is parted from failure, and an errno that only a bug in this program can cause ends
// the process. Which calls are made is the business of the files around.

import CLinux
package import SystemPackage

/// What became of one attempt to move bytes over a non-blocking descriptor.
package enum IOOutcome: Equatable, Sendable {
    /// So many bytes were moved. Zero from a receive is the end of the peer's stream.
    case moved(Int)
    /// Nothing can be moved now; readiness will be reported.
    case wouldBlock
    /// The descriptor is of no further use.
    case failed(Errno)
}

/// Calls the kernel and judges the answer.
package enum Syscall {
    /// The value of a call that answers -1 for failure, made again while signals cut it off.
    @inline(__always)
    package static func value<Value: SignedInteger>(
        _ call: () -> Value
    ) throws(Errno) -> Value {
        while true {
            let value = call()
            guard value == -1 else { return value }
            let error = Errno(rawValue: clinux_errno())
            if error == .interrupted { continue }
            trapOnBug(error)
            throw error
        }
    }

    /// As `value(_:)`, for calls on non-blocking descriptors.
    @inline(__always)
    package static func attempt(_ call: () -> Int) -> IOOutcome {
        while true {
            let count = call()
            guard count == -1 else { return .moved(count) }
            let error = Errno(rawValue: clinux_errno())
            if error == .interrupted { continue }
            // EWOULDBLOCK has the same value on Linux.
            if error == .resourceTemporarilyUnavailable { return .wouldBlock }
            trapOnBug(error)
            return .failed(error)
        }
    }

    /// A closed or foreign descriptor and a bad address are never the peer's doing. Going on would
    /// mean to read or write on whatever else got that number.
    private static func trapOnBug(_ error: Errno) {
        precondition(error != .badFileDescriptor, "system call on a closed descriptor")
        precondition(error != .badAddress, "system call on a bad address")
    }
}
