// SPDX-License-Identifier: BSD-2-Clause

// Lines about work that may take minutes: how far it is and when it will be done. It is told the
// time and the count; whoever works has the clock.

/// Has a line to say every few seconds, for work on a known number of leaves.
struct PacedProgress<Instant: InstantProtocol<Duration>>: Sendable where Instant: Sendable {
    /// The time between two lines, and before the first.
    static var interval: Duration { .seconds(5) }

    private let total: UInt64
    private let begin: Instant
    private var lastLine: Instant

    /// Work on `total` leaves that begins now.
    init(total: UInt64, now: Instant) {
        self.total = total
        begin = now
        lastLine = now
    }

    /// What to say after `done` leaves; nil when the last line was a moment ago.
    ///
    ///     1500000 of 4000000 leaves, 300000 leaves a second, 9 s left
    mutating func line(done: UInt64, now: Instant) -> String? {
        guard lastLine.duration(to: now) >= Self.interval, done > 0 else { return nil }
        lastLine = now
        let seconds = begin.duration(to: now) / .seconds(1)
        let rate = Double(done) / seconds
        let left = Double(total - done) / rate
        return "\(done) of \(total) leaves, \(UInt64(rate)) leaves a second, "
            + "\(UInt64(left.rounded(.up))) s left"
    }
}
