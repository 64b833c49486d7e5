// SPDX-License-Identifier: BSD-2-Clause

// How many leaves the secondaries hold. A value, as the publisher is: what happened and the time go
// in, the next request comes out.
//
//     a secondary     has so many leaves, by the last tree head of its own that was found to be that of
//                     our first leaves; also while it is silent. One that says otherwise has none
//                     until it is found right again
//     replicated      what `quorum` of them have, so the quorum's smallest of the largest sizes; with
//                     no secondaries, what is committed. It never goes back: whoever was told that a
//                     leaf is logged was told so for good. Also not over a restart, of which nothing
//                     is remembered but what was signed: so before anything counts that was not, they
//                     must have all that was committed then

internal import DequeModule
package import MerkleLog
internal import SigsumFormats

/// Decides when to ask which secondary for its tree head, and what their answers come to.
package struct Replication<Instant: InstantProtocol>: Sendable
where Instant: Sendable, Instant.Duration == Swift.Duration {
    /// What is to be done.
    package enum Step: Sendable {
        /// Send a request to a secondary: ``answered(_:_:now:)``.
        case ask(SecondaryRequest)
        /// Nothing, before that time or until something happens.
        case wait(until: Instant?)
    }

    /// What the configuration says.
    package struct Settings: Sendable {
        let quorum: Int
        let interval: Swift.Duration
        let patience: Swift.Duration

        /// - Parameters:
        ///   - quorum: how many secondaries must hold a leaf; 0 only when there are none.
        ///   - interval: how often a secondary is asked that does not hold requests.
        ///   - patience: leaves that wait for longer are worth a warning.
        package init(quorum: Int, interval: Swift.Duration, patience: Swift.Duration) {
            self.quorum = quorum
            self.interval = interval
            self.patience = patience
        }
    }

    private let settings: Settings
    private var secondaries: [SecondaryState<Instant>]
    /// The leaves that were committed at the start: any of them may have been said to be logged.
    private let firstSize: TreeSize
    private var committedSize: TreeSize
    /// The leaves that count as logged.
    package private(set) var size: TreeSize

    /// Commits that are not replicated yet: the size that each led to, and when. Without any, all is
    /// replicated.
    private var commits: Deque<(size: TreeSize, at: Instant)> = []
    private var isStalled = false
    private var isHalted = false
    /// What an operator may want to know of; whoever drives this takes them out.
    package var notices: [ReplicationNotice] = []

    /// More commits than these are not told apart: without a secondary they come and do not go.
    private static var timedCommitsMax: Int { 4096 }

    /// Begins without knowing anything of the secondaries.
    ///
    /// - Parameters:
    ///   - secondaryCount: they are known by their position, 0 and up.
    ///   - committedSize: the leaves in the store.
    ///   - signedSize: those that the last signed tree head has, which are logged whatever the
    ///     secondaries say.
    package init(
        _ settings: Settings, secondaryCount: Int, committedSize: TreeSize, signedSize: TreeSize,
        now: Instant
    ) {
        precondition((secondaryCount == 0) == (settings.quorum == 0))
        precondition(settings.quorum <= secondaryCount && signedSize <= committedSize)
        self.settings = settings
        self.committedSize = committedSize
        firstSize = committedSize
        secondaries = Array(repeating: SecondaryState(), count: secondaryCount)
        size = secondaryCount == 0 ? committedSize : signedSize
        if size < committedSize { commits.append((committedSize, now)) }
    }

    // MARK: What happens

    /// The committed tree has grown.
    package mutating func committed(_ size: TreeSize, now: Instant) {
        guard size > committedSize else { return }
        committedSize = size
        if commits.count < Self.timedCommitsMax {
            commits.append((size, now))
        } else {
            commits[commits.count - 1].size = size
        }
        reckon(now: now)
    }

    /// Takes what came of a request.
    package mutating func answered(
        _ request: SecondaryRequest, _ answer: SecondaryAnswer, now: Instant
    ) {
        // It was cut off, which says nothing of the secondary.
        if isHalted { return }
        let number = request.secondary
        let old = secondaries[number]
        secondaries[number].answered(answer, settings: settings, now: now)
        switch answer {
        case .holds(let treeHead, _):
            if old.failureCount > 0 {
                notices.append(.recovered(number, failureCount: old.failureCount))
            }
            if let known = old.heldSize, treeHead.size < known {
                notices.append(.shrank(number, from: known, to: treeHead.size))
            }
        case .rejected(let rejection):
            var isFirst = true
            if case .rejected(let before) = old.trouble { isFirst = !rejection.isLike(before) }
            notices.append(.rejected(number, rejection, isFirst: isFirst))
        case .failed(let reason):
            var isFirst = true
            if case .failed = old.trouble { isFirst = false }
            notices.append(.failed(number, reason: reason, isFirst: isFirst))
        case .connectionGone:
            break
        }
        reckon(now: now)
    }

    /// Nothing is to be asked from now on.
    package mutating func halt() { isHalted = true }

    // MARK: The next step

    /// What to do now. To be asked again after each step but ``Step/wait(until:)``, and after
    /// everything that happens.
    package mutating func next(now: Instant) -> Step {
        if isHalted { return .wait(until: nil) }
        var earliest: Instant?
        for number in secondaries.indices where !secondaries[number].isAsked {
            guard let due = secondaries[number].notBefore, due > now else {
                secondaries[number].asked(now: now)
                return .ask(
                    SecondaryRequest(secondary: number, knownSize: secondaries[number].knownSize))
            }
            earliest = min(earliest ?? due, due)
        }
        noticeStall(now: now)
        if !isStalled, let patienceEnd { earliest = min(earliest ?? patienceEnd, patienceEnd) }
        return .wait(until: earliest)
    }

    /// The leaves that a secondary was last found to hold; 0 when it is not known to hold any.
    package func heldSize(_ secondary: Int) -> TreeSize {
        secondaries[secondary].heldSize ?? .zero
    }

    // MARK: What it comes to

    /// The leaves that `quorum` secondaries have now.
    private var quorumSize: TreeSize {
        guard settings.quorum > 0 else { return committedSize }
        let sizes = secondaries.map { $0.heldSize ?? .zero }.sorted(by: >)
        return min(sizes[settings.quorum - 1], committedSize)
    }

    private mutating func reckon(now: Instant) {
        let quorumSize = quorumSize
        // Some of the quorum may have less than those had who were counted before the start.
        if quorumSize >= firstSize { size = max(size, quorumSize) }
        while let first = commits.first, first.size <= size {
            commits.removeFirst()
            guard !secondaries.isEmpty else { continue }
            notices.append(.replicated(after: first.at.duration(to: now)))
        }
        // On a busy log there is always one that waits.
        if isStalled, patienceEnd.map({ $0 > now }) ?? true {
            isStalled = false
            notices.append(.resumed(size: size))
        }
    }

    /// When the oldest leaf that waits has waited for long.
    private var patienceEnd: Instant? {
        commits.first?.at.advanced(by: settings.patience)
    }

    private mutating func noticeStall(now: Instant) {
        guard !isStalled, let patienceEnd, patienceEnd <= now else { return }
        isStalled = true
        notices.append(.stalled(size: size, committedSize: committedSize))
    }
}
