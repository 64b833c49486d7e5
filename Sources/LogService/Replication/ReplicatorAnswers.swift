// SPDX-License-Identifier: BSD-2-Clause

// What the primary's answers, and the store's, do to a replicator.

package import MerkleLog
internal import SigsumFormats

extension Replicator {
    // MARK: What happens

    /// Takes what came of a request.
    ///
    /// - Parameter isNewConnection: whether the answer came over another connection than the one to
    ///   the last request of its lane.
    package mutating func answered(
        _ request: LeafRequest, _ answer: LeafAnswer, isNewConnection: Bool, now: Instant
    ) {
        guard let lane = lanes[request.lane], lane.request == request else {
            preconditionFailure("an answer without a request")
        }
        lanes[request.lane] = nil
        if isNewConnection, tip?.lane == request.lane { tip = nil }
        guard !isHalted, request.attempt == attempt else { return }
        switch answer {
        case .connectionGone:
            startOver("closes connections without an answer", now: now)
        case .failed(let reason):
            failed(reason, now: now)
        case .late(let reason):
            // One that may be held says nothing of how much can be sent in time.
            if !request.waits { askForLess() }
            failed(reason, now: now)
        case .leaves(let leaves):
            precondition(!leaves.isEmpty && UInt64(leaves.count) <= request.leafCount)
            if leaves.count == request.leafCount, request.isOpen,
                lane.begun.duration(to: now) < settings.timeout / 4
            {
                askedCount = min(2 * askedCount, LeafRequest.leafCountMax)
            }
            received(leaves, for: request, now: now)
        case .atEnd(let isWaitHonored):
            atEnd(lane, isWaitHonored: isWaitHonored, now: now)
        case .beyondEnd(let reason):
            beyondEnd(request, reason, now: now)
        }
    }

    /// What the last ``Step/append(_:at:)`` asked for is durable.
    package mutating func appended(now: Instant) {
        let leaves = takeAppending().leaves
        size = size.advanced(by: leaves.count)
        lastLeaf = leaves.last
        if postponedCount > 0 {
            notices.append(.resumed(postponedCount: postponedCount))
            postponedCount = 0
        }
        noticeCaughtUp()
    }

    /// What was to be appended has a leaf that is in the tree already, which no log has twice.
    /// Nothing was written.
    ///
    /// - Parameters:
    ///   - position: the index that it would have had.
    ///   - knownIndex: the index that it has.
    package mutating func appendRepeated(at position: LeafIndex, knownAt knownIndex: LeafIndex) {
        _ = takeAppending()
        stop("leaf \(position) of the primary is leaf \(knownIndex) over again")
    }

    /// The store cannot take leaves for now; nothing was written. It is tried again a little later.
    package mutating func appendPostponed(reason: String, now: Instant) {
        let appending = takeAppending()
        if appending.attempt == attempt, phase == .copy {
            window.putBack(appending.leaves, after: lastLeaf)
        }
        postponedCount += 1
        appendNotBefore = now.advanced(by: retryDelay(postponedCount))
        notices.append(.postponed(reason: reason, count: postponedCount))
    }

    /// Nothing is to be asked or appended from now on.
    package mutating func halt() {
        isHalted = true
    }

    private mutating func takeAppending() -> Appending {
        guard let appending else { preconditionFailure("an append that nobody asked for") }
        self.appending = nil
        return appending
    }

    // MARK: Answers

    private mutating func received(
        _ leaves: [Leaf], for request: LeafRequest, now: Instant
    ) {
        switch request.purpose {
        case .compare:
            guard leaves.first == lastLeaf else { return isOther(leafAt: request.start, now: now) }
            beginCopying()
            // As if the new ones had been asked for alone.
            window.extend(by: 1, on: request.lane)
            copied(leaves, for: request, now: now)
        case .confirm: phase = .recheck
        case .copy:
            guard request.overlaps || request.start == 0 || isAtTip(request) else {
                return askWithOverlap(request, now: now)
            }
            copied(leaves, for: request, now: now)
        case .search:
            guard search != nil else { return }
            knownSize = max(knownSize, request.start + 1)
            search?.found(leafAt: request.start)
            endSearch()
        }
    }

    private mutating func copied(_ answer: [Leaf], for request: LeafRequest, now: Instant) {
        let previous = request.overlaps ? answer.first : nil
        let leaves = request.overlaps ? Array(answer.dropFirst()) : answer
        let end = request.newStart + UInt64(leaves.count)
        let receivedEnd = window.receivedEnd
        switch window.receive(leaves, after: previous, on: request.lane) {
        case .unasked: return
        case .differs(let index): return isOther(leafAt: index, now: now)
        case .fits: break
        }
        if window.isReceived, window.end == end {
            tip = Tip(end: end, lane: request.lane, isLast: leaves.isEmpty)
        }
        guard !leaves.isEmpty else {
            // That it has no more there is only certain when it is asked for what follows alone.
            if end > receivedEnd { knownSize = min(knownSize, end) }
            return
        }
        if window.receivedEnd > receivedEnd { useful() }
        // How many it gives at most shows where it has more.
        let count = UInt64(leaves.count)
        let isFull = answer.count == request.leafCount
        if request.overlaps, request.isOpen, end < knownSize || isFull { batchCount = count }
        knownSize = max(knownSize, end)
        search?.found(atLeast: end)
        endSearch()
        guard search == nil, end == window.end, end == knownSize else { return }
        // On the way to the end always once; then only when it seems to be out of reach.
        guard !hasReachedEnd && !hasSearched || count >= max(batchCount ?? 0, Self.searchLeavesMin)
        else { return }
        hasSearched = true
        search = EndSearch(from: end, step: count)
    }

    /// A leaf of the primary is another one than here, or than in an answer before: then it is the
    /// comparison with the store that decides.
    private mutating func isOther(leafAt index: UInt64, now: Instant) {
        if index + 1 == size.value {
            stop("leaf \(index) of the primary is another one than here")
        } else {
            startOver("gives another leaf \(index) than before", now: now)
        }
    }

    /// Whether the leaf before those that are asked for came over the same connection.
    private func isAtTip(_ request: LeafRequest) -> Bool {
        tip.map { $0.lane == request.lane && $0.end == request.start } ?? false
    }

    /// Drops leaves that came without the one before them, and not over its connection: they may be
    /// another primary's. The next request for them overlaps, at once, but not again and again.
    private mutating func askWithOverlap(_ request: LeafRequest, now: Instant) {
        guard isExcused else {
            return failed("gives one leaf in an answer, and one answer on a connection", now: now)
        }
        isExcused = false
        window.cut(lane: request.lane)
    }

    private mutating func atEnd(_ lane: Lane, isWaitHonored: Bool, now: Instant) {
        let request = lane.request
        switch request.purpose {
        case .compare: lastLeafIsMissing()
        case .confirm: phase = .recheck
        case .search:
            search?.found(exactly: request.start)
            endSearch()
        case .copy:
            guard request.newStart == window.receivedEnd else { return cut(request) }
            guard !request.overlaps else {
                return startOver("has fewer leaves than it gave before", now: now)
            }
            cut(request)
            useful()
            hasReachedEnd = true
            search = nil
            estimatedSize = request.start
            if request.waits {
                let spacing = min(Self.heldRequestSpacing, settings.interval)
                pollAt = lane.begun.advanced(by: isWaitHonored ? spacing : settings.interval)
                tip = nil
            }
            noticeCaughtUp()
        }
    }

    private mutating func beyondEnd(_ request: LeafRequest, _ reason: String, now: Instant) {
        switch request.purpose {
        case .compare: lastLeafIsMissing()
        case .confirm: failed(reason, now: now)
        case .search:
            search?.found(atMost: request.start - 1)
            endSearch()
        case .copy:
            guard request.newStart == window.receivedEnd else { return cut(request) }
            // Comparing the last leaf tells whether the primary is shorter, or only odd.
            startOver(reason, now: now)
        }
    }

    /// Stopping is for good, so one answer is not enough: a server in between may have given it.
    private mutating func lastLeafIsMissing() {
        if phase == .recheck {
            stop("the primary has fewer leaves than the \(size) here")
        } else {
            phase = .confirm
        }
    }

    /// The primary has nothing there, whatever made it likely that it had.
    private mutating func cut(_ request: LeafRequest) {
        window.cut(lane: request.lane)
        knownSize = min(knownSize, request.start)
    }

    private mutating func endSearch() {
        guard let search, search.position == nil else { return }
        self.search = nil
        estimatedSize = search.low
        guard isFarBehind else { return }
        // The end is reached anew then, and that is not to be learnt from a request that is held.
        hasReachedEnd = false
        isCaughtUpDue = true
    }

    // MARK: Attempts

    mutating func beginCopying() {
        phase = .copy
        window = LeafWindow(start: size.value, after: lastLeaf)
    }

    private mutating func restart() {
        attempt += 1
        phase = .compare
        window = LeafWindow(start: size.value, after: lastLeaf)
        tip = nil
        knownSize = 0
        batchCount = nil
        hasReachedEnd = false
        search = nil
        hasSearched = false
        pollAt = nil
    }

    /// Begins again, at once when there was something of use since it was so the last time.
    private mutating func startOver(_ reason: String, now: Instant) {
        guard isExcused else { return failed(reason, now: now) }
        isExcused = false
        restart()
    }

    private mutating func failed(_ reason: String, now: Instant) {
        failureCount += 1
        isCaughtUpDue = true
        notices.append(.failed(reason: reason, count: failureCount))
        restart()
        askNotBefore = now.advanced(by: retryDelay(failureCount))
    }

    /// There were new leaves, or there are none: the primary does what it should.
    private mutating func useful() {
        isExcused = true
        guard failureCount > 0 else { return }
        notices.append(.recovered(failureCount: failureCount))
        failureCount = 0
    }

    /// Over a slow way the usual batch might never come in time.
    private mutating func askForLess() {
        let count = min(askedCount, batchCount ?? Self.usualBatchCount)
        askedCount = max(count / 2, Self.askedCountMin)
    }

    /// After how long it is tried again what failed for the `count`th time.
    private func retryDelay(_ count: Int) -> Swift.Duration {
        min(.milliseconds(50) * (1 << min(count - 1, 20)), .milliseconds(250), settings.interval)
    }

    private mutating func noticeCaughtUp() {
        guard isCaughtUpDue, isAtEnd else { return }
        isCaughtUpDue = false
        notices.append(.caughtUp(size))
    }

    private mutating func stop(_ reason: String) {
        guard !isHalted else { return }
        halt()
        notices.append(.halted(reason: reason))
    }
}
