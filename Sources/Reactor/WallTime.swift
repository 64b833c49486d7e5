// SPDX-License-Identifier: BSD-2-Clause
//
// The time of day, for what others read: dates and timestamps. Deadlines are measured by
// MonotonicInstant, since this clock is set by people and by NTP.

import CLinux

/// A time since 1970-01-01 00:00:00 UTC, without leap seconds (CLOCK_REALTIME).
package struct WallTime: Sendable, Hashable {
    /// Whole seconds.
    package let seconds: Int64
    /// And nanoseconds, below 10^9.
    package let nanoseconds: Int64

    /// The system's clock.
    package static func now() -> WallTime {
        var time = timespec()
        // The call writes one timespec at the address given; it cannot fail for this clock.
        unsafe clock_gettime(CLOCK_REALTIME, &time)
        return WallTime(seconds: Int64(time.tv_sec), nanoseconds: Int64(time.tv_nsec))
    }
}
