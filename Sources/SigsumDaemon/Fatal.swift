// SPDX-License-Identifier: BSD-2-Clause
//
// The end of a process that must not go on.

import Glibc
import Logging

enum Fatal {
    /// Logs `message` and ends the process at once, with status 1, from any thread. Nothing is tidied
    /// up: every state that this can leave is one that the next start knows.
    static func end(_ message: String) -> Never {
        Logger(label: "fatal").critical("\(message)")
        _exit(1)
    }
}

enum UnixTime {
    /// Seconds since 1970.
    static func now() -> UInt64 {
        // No pointer is given.
        UInt64(max(0, unsafe time(nil)))
    }
}
