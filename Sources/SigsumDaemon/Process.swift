// SPDX-License-Identifier: BSD-2-Clause
//
// What the process has, and its end when it must not go on.

import Glibc
import Logging
import Synchronization

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

enum Processors {
    /// The number of processors that this process may run on, at least 1.
    static var count: Int {
        var set = cpu_set_t()
        // The set is a local of the size given.
        guard unsafe sched_getaffinity(0, MemoryLayout<cpu_set_t>.size, &set) == 0 else {
            return max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN)))
        }
        // A CPU set is nothing but its bits.
        let bitCount = unsafe withUnsafeBytes(of: &set) { unsafe $0.reduce(0) { $0 + $1.nonzeroBitCount } }
        return max(1, bitCount)
    }
}

/// A reference that is set once, after the parts that hold this box were made: for parts that refer to
/// each other in a circle.
final class Late<Value: Sendable>: Sendable {
    private let box = Mutex<Value?>(nil)

    /// The value; nil before it is set.
    var value: Value? { box.withLock { $0 } }

    func set(_ value: Value) {
        box.withLock { box in
            precondition(box == nil, "set once")
            box = value
        }
    }
}
