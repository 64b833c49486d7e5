// SPDX-License-Identifier: BSD-2-Clause

// What a secondary asks its primary for, and when, and which leaves go to the store. A value: what
// happened and the time go in, the next step comes out. Whoever drives it sends and stores.
//
//     compare   after the start or a failure: the primary's leaf at the place of the last one here must
//               be that one, before anything is appended
//     confirm   the primary seems to have fewer leaves than there are here: is it a log at all, and
//     recheck   does it stay with that, or was that answer another server's, or about another thing?
//     copy      leaves from the end of what is here on. Far behind on several lanes at once, as far
//               as the primary is known to go; else one request, which the primary may hold until
//               there is more
//     halt      the primary's tree is another one, or shorter. Nothing is ever rolled back, so there
//               is nothing left to do in this process
//
// Whatever fails begins again with `compare`, and answers to earlier requests do not count any more.
//
// Between any two requests the primary may be replaced by another one, with another tree, and nothing
// fails: a connection that was closed meanwhile is opened again unnoticed. So leaves are only taken
// that follow, in one answer or on one connection, on the leaf before them:
//
//     overlap   a request begins with the leaf before those that are wanted, and so must its answer.
//               Each shows by itself that it is of this tree, whatever the connections are
//     at end    after an answer with that leaf alone, what follows is asked for without it, since a
//               primary holds no other requests. It is asked for on the same lane, and its answer's
//               leaves count if that had no new connection meanwhile; else they are asked for again,
//               with overlap. Once it has been held, or polled, the next request overlaps again

package import MerkleLog
package import SigsumFormats

/// Decides what to ask the primary for and what to append to the store.
package struct Replicator<Instant: InstantProtocol>: Sendable
where Instant: Sendable, Instant.Duration == Swift.Duration {
    /// What is to be done. Each step is told back to the replicator when it is done.
    package enum Step: Sendable {
        /// Send a request to the primary: ``answered(_:_:isNewConnection:now:)``.
        case fetch(LeafRequest)
        /// Append the leaves, which the tree of that size does not have, in order and durably:
        /// ``appended(now:)``, ``appendRepeated(at:knownAt:)`` or ``appendPostponed(reason:now:)``.
        case append([Leaf], at: TreeSize)
        /// Nothing, before that time or until something happens.
        case wait(until: Instant?)
    }

    /// What the configuration says.
    package struct Settings: Sendable {
        let interval: Swift.Duration
        let timeout: Swift.Duration
        let laneCount: Int

        /// - Parameters:
        ///   - interval: how often a primary is asked that does not hold requests.
        ///   - timeout: how long an answer may take.
        ///   - laneCount: how many requests may be out at once, at least 2: one to copy, and one to
        ///     look ahead.
        package init(interval: Swift.Duration, timeout: Swift.Duration, laneCount: Int = 4) {
            precondition(laneCount > 1)
            self.interval = max(interval, .milliseconds(10))
            self.timeout = timeout
            self.laneCount = laneCount
        }
    }

    enum Phase: Sendable {
        case compare
        case confirm
        case recheck
        case copy
    }

    /// A request on its way.
    struct Lane: Sendable {
        let request: LeafRequest
        let begun: Instant
    }

    /// What was seen last of the primary's tree, when nothing was missing before it.
    struct Tip: Sendable {
        /// The leaf before this index came on the connection that the lane has.
        let end: UInt64
        let lane: Int
        /// Whether the primary gave nothing after it.
        let isLast: Bool
    }

    /// Leaves on their way to the store, taken from the window of that attempt.
    struct Appending: Sendable {
        let leaves: [Leaf]
        let attempt: Int
    }

    /// New requests are made up to so many leaves after the store's last. Their answers add one
    /// request's leaves at most: 24 MiB of leaves in all.
    static var windowLeavesMax: UInt64 { 2 * LeafRequest.leafCountMax }
    static var windowPiecesMax: Int { 64 }
    /// Answers are joined up to so many leaves for one append.
    static var appendLeavesMax: Int { 16_384 }
    /// A primary that holds requests, and has nothing, is not asked more often than that, each time
    /// with two requests.
    static var heldRequestSpacing: Swift.Duration { .milliseconds(200) }

    /// Fewer are not asked for, however slow the way to the primary is.
    static var askedCountMin: UInt64 { 64 }
    /// What most primaries give, where it is not known.
    static var usualBatchCount: UInt64 { 4096 }

    let settings: Settings
    /// The number of leaves that are durable here.
    package internal(set) var size: TreeSize
    var lastLeaf: Leaf?
    var phase = Phase.compare
    /// Counts the beginnings with ``Phase/compare``.
    var attempt = 0
    var lanes: [Lane?]
    var window: LeafWindow
    var appending: Appending?
    var tip: Tip?

    /// How many leaves are asked for: fewer after answers that were late.
    var askedCount = LeafRequest.leafCountMax
    /// In this attempt: the primary has at least so many leaves,
    var knownSize: UInt64 = 0
    /// gives so many at most in an answer, if that is known,
    var batchCount: UInt64?
    /// and has said where its tree ends.
    var hasReachedEnd = false
    var search: EndSearch?
    var hasSearched = false
    /// What the last search found, in whatever attempt: the primary had about so many leaves.
    var estimatedSize: UInt64 = 0

    /// Nothing is asked before that time, and nothing appended before that.
    var askNotBefore: Instant?
    var appendNotBefore: Instant?
    /// When the end of the tree is to be asked for again.
    var pollAt: Instant?
    /// Failures since there was something of use, and refusals of the store since it took leaves.
    var failureCount = 0
    var postponedCount = 0
    /// Whether one attempt may end without counting as a failure.
    var isExcused = true
    var isCaughtUpDue = true
    var progressMark: (size: TreeSize, at: Instant)

    /// Nothing is copied any more, for as long as the process lives.
    package internal(set) var isHalted = false
    /// What an operator may want to know of; whoever drives the replicator takes them out.
    package var notices: [ReplicatorNotice] = []

    /// Begins with comparing the last leaf.
    ///
    /// - Parameters:
    ///   - size: the number of leaves in the store.
    ///   - lastLeaf: the last of them, nil exactly when there is none.
    package init(_ settings: Settings, size: TreeSize, lastLeaf: Leaf?, now: Instant) {
        precondition((lastLeaf == nil) == (size == .zero))
        self.settings = settings
        self.size = size
        self.lastLeaf = lastLeaf
        lanes = Array(repeating: nil, count: settings.laneCount)
        window = LeafWindow(start: size.value, after: lastLeaf)
        progressMark = (size, now)
    }

    /// Whether all leaves that the primary is known to have are durable here, those that are on
    /// their way included. Looked at after each answer and append it tells when this secondary was
    /// last up to date.
    package var isAtEnd: Bool {
        !isHalted && hasReachedEnd && search == nil && size.value >= knownSize
    }

    /// How far copying is; nil unless far behind. The rate is that since the last call.
    package mutating func progress(now: Instant) -> CopyProgress? {
        defer { progressMark = (size, now) }
        guard isFarBehind, !isHalted else { return nil }
        return CopyProgress(
            done: size, total: estimatedSize, newCount: size.value - progressMark.size.value,
            elapsed: progressMark.at.duration(to: now))
    }

    /// Whether more is missing than a few answers bring.
    var isFarBehind: Bool {
        let here = window.receivedEnd
        let fewAnswers = max(4 * (batchCount ?? 0), Self.farLeavesMin)
        return estimatedSize > here && estimatedSize - here > fewAnswers
    }

    /// What is near wherever the primary gives few leaves, or it is not known how many.
    static var farLeavesMin: UInt64 { 1024 }
    /// An answer with fewer leaves is no reason to look for more than one request brings.
    static var searchLeavesMin: UInt64 { 64 }

    // MARK: The next step

    /// What to do now. To be asked again after each step but ``Step/wait(until:)``, and after
    /// everything that happens.
    package mutating func next(now: Instant) -> Step {
        if isHalted { return .wait(until: nil) }
        if let leaves = takeLeaves(now: now) { return .append(leaves, at: size) }
        if let request = takeRequest(now: now) { return .fetch(request) }
        let deadlines = [askNotBefore, appendNotBefore, pollAt].compactMap(\.self)
        return .wait(until: deadlines.filter { $0 > now }.min())
    }

    private mutating func takeLeaves(now: Instant) -> [Leaf]? {
        guard appending == nil, window.hasLeaves, isDue(appendNotBefore, now) else { return nil }
        let leaves = window.take(countMax: Self.appendLeavesMax)
        appending = Appending(leaves: leaves, attempt: attempt)
        return leaves
    }

    private mutating func takeRequest(now: Instant) -> LeafRequest? {
        guard isDue(askNotBefore, now), let lane = lanes.firstIndex(where: { $0 == nil }) else {
            return nil
        }
        if phase == .compare, appending == nil, size == .zero { beginCopying() }
        switch phase {
        case .compare, .recheck:
            guard appending == nil, !isAsking(.compare) else { return nil }
            return ask(size.value, overlaps: true, for: .compare, on: lane, now: now)
        case .confirm:
            guard !isAsking(.confirm) else { return nil }
            return ask(0, 1, for: .confirm, on: lane, now: now)
        case .copy:
            return takeCopyRequest(on: lane, now: now)
        }
    }

    private mutating func takeCopyRequest(on lane: Int, now: Instant) -> LeafRequest? {
        if let rest = window.askAgain(on: lane) {
            return ask(
                rest.lowerBound, UInt64(rest.count), overlaps: true, for: .copy, on: lane, now: now)
        }
        if !window.isReceived, let request = takeSearchRequest(on: lane, now: now) {
            return request
        }
        if mayExtend(now: now) { return extend(on: lane, now: now) }
        return takeSearchRequest(on: lane, now: now)
    }

    /// Asks for what follows on what was asked for: on `freeLane`, or where the leaf before was shown.
    private mutating func extend(on freeLane: Int, now: Instant) -> LeafRequest {
        let start = window.end
        let isAtEnd = hasReachedEnd && start >= knownSize
        var lane = freeLane
        var overlaps = start > 0
        if let tip, tip.end == start, isAtEnd || tip.isLast, lanes[tip.lane] == nil {
            lane = tip.lane
            overlaps = false
        }
        window.extend(by: batchCount ?? 1, on: lane)
        return ask(
            start, overlaps: overlaps, waits: isAtEnd && !overlaps, for: .copy, on: lane, now: now)
    }

    /// Comes before further copying, which it opens the other lanes for, but not before all.
    private mutating func takeSearchRequest(on lane: Int, now: Instant) -> LeafRequest? {
        guard let position = search?.position, !isAsking(.search) else { return nil }
        return ask(position, 1, for: .search, on: lane, now: now)
    }

    /// Whether there may be a request for what follows on what was asked for.
    private func mayExtend(now: Instant) -> Bool {
        guard window.end - size.value < Self.windowLeavesMax,
            window.pieceCount < Self.windowPiecesMax
        else { return false }
        // Several at once only where the primary certainly has leaves.
        if batchCount != nil, window.end < knownSize { return true }
        return window.isReceived && isDue(pollAt, now)
    }

    /// A request for leaves from `start` on, as many as may be or `count`; with the one before, if it
    /// overlaps.
    private mutating func ask(
        _ start: UInt64, _ count: UInt64? = nil, overlaps: Bool = false, waits: Bool = false,
        for purpose: LeafRequest.Purpose, on lane: Int, now: Instant
    ) -> LeafRequest {
        let first = overlaps ? start - 1 : start
        let end = count.map { start + $0 } ?? first + askedCount
        let request = LeafRequest(
            lane: lane, start: first, end: end, waits: waits, purpose: purpose,
            overlaps: overlaps, attempt: attempt, isOpen: count == nil)
        lanes[lane] = Lane(request: request, begun: now)
        return request
    }

    private func isAsking(_ purpose: LeafRequest.Purpose) -> Bool {
        lanes.contains { lane in
            lane.map { $0.request.attempt == attempt && $0.request.purpose == purpose } ?? false
        }
    }

    private func isDue(_ time: Instant?, _ now: Instant) -> Bool {
        time.map { $0 <= now } ?? true
    }
}
