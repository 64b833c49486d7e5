// SPDX-License-Identifier: BSD-2-Clause
//
// A point of time on the clock that deadlines are measured by: CLOCK_MONOTONIC, the one that
// epoll_wait counts its timeout on. Eight bytes, so that moving a deadline costs one addition;
// `ContinuousClock.Instant` has sixteen and another clock.

import CLinux

/// Nanoseconds since some unspecified start, never going back.
package struct MonotonicInstant: InstantProtocol, Sendable {
    /// Nanoseconds since the start of the clock.
    package let nanoseconds: Int64

    /// The instant so many nanoseconds after the start of the clock.
    package init(nanoseconds: Int64) {
        self.nanoseconds = nanoseconds
    }

    /// The kernel's clock, read through the vDSO without entering the kernel.
    package static func now() -> MonotonicInstant {
        var time = timespec()
        // The call writes one timespec at the address given; it cannot fail for this clock.
        unsafe clock_gettime(CLOCK_MONOTONIC, &time)
        return MonotonicInstant(
            nanoseconds: Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec))
    }

    /// Later by a duration; a sum past the end of the clock (292 years) is its end.
    package func advanced(by duration: Duration) -> MonotonicInstant {
        advanced(byNanoseconds: duration.nanosecondsClamped)
    }

    /// As `advanced(by:)` with the duration already converted, for callers that do it per request.
    package func advanced(byNanoseconds count: Int64) -> MonotonicInstant {
        let (sum, overflow) = nanoseconds.addingReportingOverflow(count)
        return MonotonicInstant(nanoseconds: overflow ? (count < 0 ? .min : .max) : sum)
    }

    /// The time from this instant to `other`; negative when that is earlier.
    package func duration(to other: MonotonicInstant) -> Duration {
        .nanoseconds(other.nanoseconds) - .nanoseconds(nanoseconds)
    }

    package static func < (left: MonotonicInstant, right: MonotonicInstant) -> Bool {
        left.nanoseconds < right.nanoseconds
    }
}

extension Duration {
    /// Whole nanoseconds, cut to what 64 bits hold.
    package var nanosecondsClamped: Int64 {
        let (seconds, attoseconds) = components
        let (whole, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
        if overflow { return seconds < 0 ? .min : .max }
        let (sum, overflowing) = whole.addingReportingOverflow(attoseconds / 1_000_000_000)
        return overflowing ? (seconds < 0 ? .min : .max) : sum
    }
}
