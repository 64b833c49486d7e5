// SPDX-License-Identifier: BSD-2-Clause
//
// Switches of a socket. Which of them a socket needs is the business of who opens it.

import CLinux
import Reactor
import SystemPackage

extension OwnedDescriptor {
    /// Switches a socket option on.
    borrowing func setOption(_ level: Int32, _ name: Int32) throws(Errno) {
        var value: Int32 = 1
        let rawValue = rawValue
        let size = socklen_t(MemoryLayout<Int32>.size)
        // The kernel reads an Int32 from a local variable.
        _ = try Syscall.value { unsafe setsockopt(rawValue, level, name, &value, size) }
    }
}
