// SPDX-License-Identifier: BSD-2-Clause

// When the next tree head is due.

/// The times between publications: soon after a new leaf, but not more often than `minInterval`;
/// after `interval` in any case, so that cosignatures stay fresh.
package struct PublicationSchedule<Instant: InstantProtocol>
where Instant.Duration == Swift.Duration {
    private let interval: Swift.Duration
    private let minInterval: Swift.Duration
    private var last: Instant?
    private var notBefore: Instant?

    /// A schedule whose first publication is due at once.
    package init(interval: Swift.Duration, minInterval: Swift.Duration) {
        self.interval = interval
        self.minInterval = min(minInterval, interval)
    }

    /// When to publish: never before a time already past, when nothing hurries.
    ///
    /// - Parameter hasNewLeaves: whether the tree has leaves that the published one has not.
    package func due(hasNewLeaves: Bool, now: Instant) -> Instant {
        guard let last else { return max(now, notBefore ?? now) }
        let due = last.advanced(by: hasNewLeaves ? minInterval : interval)
        return max(due, notBefore ?? due)
    }

    /// A publication was made, or begun, at `now`.
    package mutating func published(at now: Instant) {
        last = now
        notBefore = nil
    }

    /// A publication failed at `now`: the next try waits `minInterval` too.
    package mutating func failed(at now: Instant) {
        notBefore = now.advanced(by: max(minInterval, .milliseconds(100)))
    }
}
