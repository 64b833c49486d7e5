// SPDX-License-Identifier: BSD-2-Clause

// Which tree head is signed, cosigned and published, and when. A value: what happened and the time
// go in, the next step comes out. Whoever drives it signs, sends and stores.
//
//     round        one tree head, for which every witness is asked. At first the stored one: before
//                  it has met its quorum again nothing new is signed, since a witness may know that
//                  the store is an older copy
//     quorum       the head is published as soon as it is reached; cosignatures that come later are
//                  added to it
//     next round   when all witnesses that clients may rely on have answered, or `interval` is over.
//                  With new leaves `minInterval` after the last one that had some; without any, to
//                  refresh the cosignatures of the same head, after the heartbeat interval
//     no quorum    the published head stays, and the next round waits longer each time

internal import LogCrypto
package import MerkleLog
package import SigsumFormats
package import TileStore

/// Decides when to sign a tree head, whom to ask for a cosignature, and what to publish.
package struct Publisher<Instant: InstantProtocol>: Sendable
where Instant: Sendable, Instant.Duration == Swift.Duration {
    /// What is to be done. Each step is told back to the publisher when it is done.
    package enum Step: Sendable {
        /// Sign what is replicated: ``signed(_:tree:now:)`` or ``signingFailed(now:)``.
        case sign
        /// Send a request to a witness: ``answered(_:_:now:unixSeconds:)``.
        case ask(WitnessRequest<Instant>)
        /// Make the tree head and the records of the witnesses durable, then show it; nil: the
        /// records only. ``recorded()``.
        case record(PublishedTree?)
        /// Nothing, before that time or until something happens.
        case wait(until: Instant?)
    }

    /// What the configuration says.
    package struct Settings: Sendable {
        let quorum: Quorum
        let interval: Swift.Duration
        let minInterval: Swift.Duration
        let requestsPerDay: Int

        /// - Parameters:
        ///   - interval: the longest time between two rounds, if the witnesses' budgets allow.
        ///   - minInterval: the shortest time between two rounds while leaves wait.
        ///   - requestsPerDay: what each witness grants, at least 1.
        package init(
            quorum: Quorum, interval: Swift.Duration, minInterval: Swift.Duration,
            requestsPerDay: Int
        ) {
            self.quorum = quorum
            self.interval = interval
            self.minInterval = min(minInterval, interval)
            self.requestsPerDay = requestsPerDay
        }
    }

    let settings: Settings
    var witnesses: [WitnessState<Instant>]
    /// Of witnesses that the policy does not have any more. A head may still have cosignatures of
    /// theirs, and they may come back: with what is left of their budgets.
    let formerRecords: [WitnessRecord]

    /// The tree head signed last, and the leaves that may be signed.
    package private(set) var signed: SignedTreeHead
    private var tree: TreeSnapshot
    private var replicatedSize: TreeSize
    /// The cosignatures over it since the start, by witness, with the time at which they came.
    var collected: [Int: (cosignature: Cosignature, at: Instant)] = [:]

    /// What should be shown, and what is or is being shown.
    var published: PublishedTree?
    private var shown: CosignedTreeHead?

    var round: CosigningRound<Instant>?
    private var lastLeafRound: Instant?
    /// Rounds without quorum since the last one with it.
    var lostCount = 0
    private var notBefore: Instant?
    private var isConfirmed = false
    private var isSigning = false
    private var isRecording = false
    /// The records of the witnesses are worth storing without a tree head.
    private var areRecordsDue = false
    /// Nothing is signed or published any more.
    private(set) var isHalted = false
    /// What an operator may want to know of; whoever drives the publisher takes them out.
    package var notices: [PublisherNotice] = []

    /// Begins with a round for the tree head signed last.
    ///
    /// - Parameters:
    ///   - witnesses: those to ask, known by their position from here on.
    ///   - records: what was remembered of witnesses, these or others.
    ///   - signed: the tree head signed last.
    ///   - published: the one that is shown, nil for none.
    ///   - replicatedSize: the leaves that are durable here and on the required secondaries.
    ///   - unixMilliseconds: the time of day, which stored budgets are reckoned by.
    package init(
        _ settings: Settings, witnesses: [Policy.Witness], records: [WitnessRecord],
        signed: PublishedTree, published: PublishedTree?, replicatedSize: TreeSize, now: Instant,
        unixMilliseconds: UInt64
    ) {
        self.settings = settings
        self.signed = signed.head.signedTreeHead
        tree = signed.tree
        self.replicatedSize = replicatedSize
        self.published = published
        shown = published?.head
        self.witnesses = witnesses.map { witness in
            let record = records.first { $0.keyHash == witness.keyHash }
            let budget = RequestBudget(
                requestsPerDay: settings.requestsPerDay, saved: record?.saved,
                elapsed: record?.elapsed(unixMilliseconds: unixMilliseconds) ?? .zero, now: now)
            let cosignature = published?.head.cosignatures.first { $0.keyHash == witness.keyHash }
            return WitnessState(
                keyHash: witness.keyHash, record: record, cosignature: cosignature, budget: budget)
        }
        formerRecords = records.filter { record in
            !witnesses.contains { $0.keyHash == record.keyHash }
        }
    }

    /// How long after a round the next one comes when no leaf waits: `interval`, unless the budgets
    /// cannot bear that for ever.
    package var heartbeatInterval: Swift.Duration {
        witnesses.reduce(settings.interval) { max($0, $1.budget.cost) }
    }

    // MARK: What happens

    /// More leaves are durable, here and on the required secondaries.
    package mutating func replicated(_ size: TreeSize) {
        replicatedSize = max(replicatedSize, size)
    }

    /// What is replicated was signed, and the signature is on disk: a round for it begins.
    package mutating func signed(_ signed: SignedTreeHead, tree: TreeSnapshot, now: Instant) {
        precondition(isSigning && signed.treeHead == tree.treeHead)
        precondition(signed.treeHead.size >= self.signed.treeHead.size)
        isSigning = false
        if signed.treeHead != self.signed.treeHead { collected = [:] }
        self.signed = signed
        self.tree = tree
        replicated(signed.treeHead.size)
        begin(.leaves, now: now)
    }

    /// The tree could not be signed; it is tried again a little later.
    package mutating func signingFailed(now: Instant) {
        isSigning = false
        notBefore = now.advanced(by: retryDelay(1))
    }

    /// What the last ``Step/record(_:)`` asked for is durable, and shown.
    package mutating func recorded() {
        isRecording = false
    }

    /// Nothing is to be signed or published from now on.
    package mutating func halt() {
        isHalted = true
    }

    // MARK: The next step

    /// What to do now. To be asked again after each step but ``Step/wait(until:)``, and after
    /// everything that happens.
    package mutating func next(now: Instant) -> Step {
        if isHalted { return .wait(until: nil) }
        // Whatever it is for, it must not wait for its turn.
        if round == nil { begin(.leaves, now: now) }
        if let step = recordStep() { return step }
        if let request = takeRequest(now: now) { return .ask(request) }
        guard !isSigning else { return .wait(until: nextBudget(now: now)) }
        guard let due = nextRoundDue(hasNewLeaves: hasNewLeaves, now: now) else {
            return .wait(until: nextBudget(now: now))
        }
        guard due <= now else { return .wait(until: min(due, nextBudget(now: now) ?? due)) }
        if isConfirmed, hasNewLeaves, !isRepeatDue(now: now) {
            isSigning = true
            return .sign
        }
        // What a first round is for is not to wait for a heartbeat's turn either.
        begin(isPublished && isConfirmed ? .heartbeat : .leaves, now: now)
        return next(now: now)
    }

    /// Whether another round for the head signed last should come before a signature that was tried
    /// in vain: a signer that is gone must not keep that head from its cosignatures.
    private func isRepeatDue(now: Instant) -> Bool {
        guard notBefore != nil else { return false }
        return nextRoundDue(hasNewLeaves: false, now: now).map { $0 <= now } ?? false
    }

    private mutating func recordStep() -> Step? {
        guard !isRecording else { return nil }
        if let published, published.head != shown {
            shown = published.head
            isRecording = true
            areRecordsDue = false
            return .record(published)
        }
        guard areRecordsDue else { return nil }
        isRecording = true
        areRecordsDue = false
        return .record(nil)
    }

    private mutating func takeRequest(now: Instant) -> WitnessRequest<Instant>? {
        guard let round else { return nil }
        for witness in witnesses.indices
        where round.standings[witness] == .waiting && !witnesses[witness].isAsked {
            guard let share = witnesses[witness].budget.take(for: round.purpose, now: now) else {
                continue
            }
            self.round?.standings[witness] = .asked
            witnesses[witness].askedAt = now
            return WitnessRequest(
                witness: witness, oldSize: min(witnesses[witness].size, signed.treeHead.size),
                signed: signed, tree: tree, round: round.number, isFirstRound: round.isFirst,
                share: share)
        }
        return nil
    }

    /// When the budget of a witness that waits for it allows a request.
    private func nextBudget(now: Instant) -> Instant? {
        guard let round else { return nil }
        return witnesses.indices.lazy
            .filter { round.standings[$0] == .waiting && !witnesses[$0].isAsked }
            .map { witnesses[$0].budget.available(for: round.purpose, now: now) }
            .min()
    }

    // MARK: Rounds

    private var isPublished: Bool { published?.tree.treeHead == signed.treeHead }
    private var hasNewLeaves: Bool { replicatedSize > signed.treeHead.size }

    private mutating func begin(_ purpose: RequestBudget<Instant>.Purpose, now: Instant) {
        endRound()
        notBefore = nil
        if purpose == .leaves, round != nil { lastLeafRound = now }
        var round = CosigningRound<Instant>(
            number: (self.round?.number ?? 0) + 1, begun: now, purpose: purpose,
            isFirst: !isConfirmed, witnessCount: witnesses.count)
        // Of a head that was without quorum so far, what was collected is still good.
        if purpose == .leaves {
            for (witness, entry) in collected
            where entry.at.duration(to: now) < heartbeatInterval {
                round.standings[witness] = .cosigned
            }
        }
        self.round = round
        judge(now: now)
    }

    private mutating func endRound() {
        guard let round else { return }
        for witness in witnesses.indices where round.standings[witness] != .cosigned {
            witnesses[witness].missedRounds += 1
        }
    }

    /// Looks whether the round has reached its quorum, or cannot any more, and updates what is to
    /// be shown.
    mutating func judge(now: Instant) {
        guard var round else { return }
        defer { self.round = round }
        let fresh = witnesses.indices.filter { round.standings[$0] == .cosigned }
        if !round.isQuorumReached, settings.quorum.isMet(by: keyHashes(of: fresh)) {
            round.isQuorumReached = true
            isConfirmed = true
            notices.append(
                .quorumReached(after: round.begun.duration(to: now), lostCount: lostCount))
            lostCount = 0
        }
        if round.isQuorumReached || isPublished { updatePublished() }
        guard !round.isQuorumReached, !round.isLost else { return }
        let possible = fresh + witnesses.indices.filter { round.isPending($0) }
        guard !settings.quorum.isMet(by: keyHashes(of: possible)) else { return }
        round.isLost = true
        lostCount += 1
        areRecordsDue = true
        notices.append(
            .quorumLost(
                missing: witnesses.indices.filter { !fresh.contains($0) }, lostCount: lostCount))
    }

    private func keyHashes(of numbers: [Int]) -> Set<KeyHash> {
        Set(numbers.map { witnesses[$0].keyHash })
    }

    /// The tree head signed last, with the cosignatures there are: each witness's newest one, in the
    /// policy's order, and before that comes the one that is shown.
    private mutating func updatePublished() {
        var earlier = isPublished ? published?.head.cosignatures ?? [] : []
        var cosignatures: [Cosignature] = []
        for (number, witness) in witnesses.enumerated() {
            let old = earlier.firstIndex { $0.keyHash == witness.keyHash }
                .map { earlier.remove(at: $0) }
            if let cosignature = collected[number]?.cosignature ?? old {
                cosignatures.append(cosignature)
            }
        }
        published = PublishedTree(
            head: CosignedTreeHead(signed, cosignatures: cosignatures + earlier), tree: tree)
    }

    /// When the next round begins; nil when that depends on what happens.
    private func nextRoundDue(hasNewLeaves: Bool, now: Instant) -> Instant? {
        guard let round else { return nil }
        // A heartbeat gives way to new leaves.
        let givesWay = round.purpose == .heartbeat && hasNewLeaves && isConfirmed
        var earliest = round.begun
        if !givesWay {
            if round.isQuorumReached {
                earliest = witnesses.indices.reduce(earliest) { max($0, awaited($1, in: round)) }
            } else if !round.isLost {
                return nil
            }
        }
        guard hasNewLeaves || !isPublished || !isConfirmed else {
            return max(earliest, round.begun.advanced(by: heartbeatInterval))
        }
        if let lastLeafRound {
            earliest = max(earliest, lastLeafRound.advanced(by: settings.minInterval))
        }
        if round.isLost {
            earliest = max(earliest, round.begun.advanced(by: retryDelay(lostCount)))
        }
        return max(earliest, notBefore ?? earliest, quorumBudget(now: now))
    }

    /// Until when the next round waits for a witness: `interval` from the beginning of this one, or,
    /// for one that was still busy with an earlier request then, from when it could be asked. Else
    /// a slow one that once is out of step would stay so on a busy log, always answering for a head
    /// that is not shown any more.
    private func awaited(_ witness: Int, in round: CosigningRound<Instant>) -> Instant {
        let state = witnesses[witness]
        guard round.isPending(witness), state.isReliedUpon else { return round.begun }
        var start = round.begun
        if round.standings[witness] == .asked, state.isTimely { start = state.askedAt ?? start }
        return start.advanced(by: settings.interval)
    }

    /// After how long a round is tried again that failed for the `count`th time.
    private func retryDelay(_ count: Int) -> Swift.Duration {
        let first = max(settings.minInterval, .milliseconds(100))
        return min(first * (1 << min(count - 1, 20)), max(settings.interval, first))
    }

    /// When the budgets allow to ask so many witnesses for a new tree head that they are a quorum.
    private func quorumBudget(now: Instant) -> Instant {
        let times = witnesses.map { $0.budget.available(for: .leaves, now: now) }
        let inOrder = witnesses.indices.sorted { times[$0] < times[$1] }
        var (low, high) = (0, inOrder.count)
        while low < high {
            let middle = (low + high) / 2
            if settings.quorum.isMet(by: keyHashes(of: Array(inOrder[..<middle]))) {
                high = middle
            } else {
                low = middle + 1
            }
        }
        return low == 0 ? now : times[inOrder[low - 1]]
    }
}
