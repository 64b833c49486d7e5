// SPDX-License-Identifier: BSD-2-Clause

// What a primary knows of one secondary, and when it asks it again.

package import MerkleLog
internal import SigsumFormats

/// A request for a secondary's tree head.
package struct SecondaryRequest: Hashable, Sendable {
    /// The secondary's number.
    package let secondary: Int
    /// The leaves that it said it has: it may hold the request until it has more. nil: it is asked for
    /// what it has now.
    package let knownSize: TreeSize?
}

/// One secondary, as a primary sees it.
struct SecondaryState<Instant: InstantProtocol>: Sendable
where Instant: Sendable, Instant.Duration == Swift.Duration {
    /// The size of its last tree head that was found to be that of our first leaves; nil before the
    /// first, and after one that was not.
    private(set) var heldSize: TreeSize?
    /// The largest of all such sizes.
    private var heldSizeMax: TreeSize?
    /// `heldSize`, if its last answer was that. Else it may have begun anew, with less than it had: it
    /// would hold a request that names the old size, and what it lost would count meanwhile.
    private(set) var knownSize: TreeSize?
    /// Requests in a row without an answer that could be used.
    private(set) var failureCount = 0
    /// Why the last answer, lost connections not counted, could not be used.
    private(set) var trouble: Trouble?
    /// Whether a request is on its way.
    private(set) var isAsked = false
    private var askedAt: Instant?
    /// The next request is made then; nil: at once.
    private(set) var notBefore: Instant?

    /// What is wrong with a secondary.
    enum Trouble: Sendable {
        case failed
        case rejected(SecondaryRejection)
    }

    /// While leaves come all the time each secondary is asked so often, which costs a verification
    /// each time.
    private static var askSpacing: Swift.Duration { .milliseconds(2) }
    /// A secondary that says it holds requests, and answers at once that it has nothing new, is
    /// asked no more often than this.
    private static var pauseMin: Swift.Duration { .milliseconds(100) }
    /// Failed requests are tried again after this, then twice as late each time.
    private static var retryMin: Swift.Duration { .milliseconds(50) }
    private static var retryMax: Swift.Duration { .milliseconds(250) }

    mutating func asked(now: Instant) {
        isAsked = true
        askedAt = now
    }

    mutating func answered(
        _ answer: SecondaryAnswer, settings: Replication<Instant>.Settings, now: Instant
    ) {
        isAsked = false
        let begun = askedAt ?? now
        knownSize = nil
        switch answer {
        case .holds(let treeHead, let isWaitHonored):
            // More than ever before: one that loses leaves and gets them again, or several nodes that
            // answer under one address, would be asked without a pause.
            let isNew = heldSizeMax.map { treeHead.size > $0 } ?? true
            if isNew { heldSizeMax = treeHead.size }
            heldSize = treeHead.size
            knownSize = treeHead.size
            failureCount = 0
            trouble = nil
            let pause =
                isWaitHonored ? (isNew ? Self.askSpacing : Self.pauseMin) : settings.interval
            notBefore = begun.advanced(by: min(pause, settings.interval))
        case .rejected(let rejection):
            heldSize = nil
            failureCount += 1
            trouble = .rejected(rejection)
            notBefore = now.advanced(by: settings.interval)
        case .failed:
            failureCount += 1
            trouble = .failed
            let delay = Self.retryMin * (1 << min(failureCount - 1, 10))
            notBefore = now.advanced(by: min(delay, Self.retryMax, settings.interval))
        case .connectionGone:
            // Nothing is known against it; asked again at once, on a new connection.
            notBefore = nil
        }
    }
}
