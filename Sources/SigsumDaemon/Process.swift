// SPDX-License-Identifier: BSD-2-Clause
//
// What the process has, and its end when it must not go on.

import Glibc
import Logging
import Reactor
import Synchronization

enum Fatal {
    /// Logs `message` and ends the process at once, with status 1, from any thread. Nothing is
    /// tidied up: every state that this can leave is one that the next start knows.
    static func end(_ message: String) -> Never {
        Logger(label: "fatal").critical("\(message)")
        _exit(1)
    }
}

enum UnixTime {
    /// Seconds since 1970.
    static func now() -> UInt64 {
        UInt64(max(0, time(nil)))
    }

    /// Milliseconds since 1970.
    static func milliseconds() -> UInt64 {
        let time = WallTime.now()
        return UInt64(max(0, time.seconds * 1000 + time.nanoseconds / 1_000_000))
    }
}

enum Processors {
    /// The number of processors that are online, at least 1.
    static var count: Int { max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN))) }
}

enum DescriptorLimit {
    /// Raises the number of descriptors that this process may have open to what it is allowed to
    /// raise it to, and returns it.
    static func raise() -> Int {
        let resource = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
        var limit = rlimit()
        // Both calls are given a local.
        guard unsafe getrlimit(resource, &limit) == 0 else { return 1024 }
        let before = limit.rlim_cur
        limit.rlim_cur = limit.rlim_max
        let isRaised = unsafe setrlimit(resource, &limit) == 0
        return Int(clamping: isRaised ? limit.rlim_max : before)
    }
}

/// A reference that is set once, after the parts that hold this box were made: for parts that refer
/// to each other in a circle.
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
