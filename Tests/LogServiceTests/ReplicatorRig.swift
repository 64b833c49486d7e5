// SPDX-License-Identifier: BSD-2-Clause

// A replicator driven as a secondary would drive it, but on a clock that a test sets: steps are
// pulled until there is nothing to do, leaves are stored at once, and requests wait for the test to
// answer them.

import LogCrypto
import MerkleLog
import SigsumFormats
import Testing

@testable import LogService

extension Leaf {
    /// A leaf that says where in which tree it is.
    static func numbered(_ number: UInt64, of tree: UInt8 = 0) -> Leaf {
        var bytes = FixedBytes<128>()
        for position in 0..<8 {
            bytes.storage[120 + position] = UInt8(truncatingIfNeeded: number >> (8 * position))
        }
        bytes.storage[0] = tree
        return Leaf(stored: bytes)
    }

    /// Whether it is that leaf of its tree. Looks at nothing else and is quick.
    func isNumbered(_ number: UInt64) -> Bool {
        var found: UInt64 = 0
        for position in 0..<8 { found |= UInt64(bytes.storage[120 + position]) << (8 * position) }
        return found == number
    }

    /// The tree that a numbered leaf says it is of.
    var treeNumber: UInt8 { bytes.storage[0] }

    static func numbered(_ numbers: Range<UInt64>, of tree: UInt8 = 0) -> [Leaf] {
        numbers.map { numbered($0, of: tree) }
    }
}

/// Drives a replicator.
struct ReplicatorRig {
    var replicator: Replicator<FakeInstant>
    var now = FakeInstant()

    /// Whether storing waits for the test to finish it.
    var isManual = false
    /// What is in the store, and what is being put there.
    private(set) var stored: [Leaf]
    private(set) var appending: [Leaf]?
    /// How many leaves each append had.
    private(set) var appendCounts: [Int] = []

    /// Requests that were not answered yet, one for each lane at most, and their lanes in the order
    /// in which they were made.
    private(set) var inFlight: [Int: LeafRequest] = [:]
    private var lanesInOrder: [Int] = []
    /// Every request ever made.
    private(set) var requests: [(at: FakeInstant, request: LeafRequest)] = []
    private(set) var notices: [ReplicatorNotice] = []
    /// When the replicator wants to be asked again.
    private(set) var deadline: FakeInstant?

    init(stored count: UInt64, interval: Duration = .seconds(10), laneCount: Int = 4) throws {
        stored = Leaf.numbered(0..<count)
        replicator = Replicator(
            Replicator.Settings(interval: interval, timeout: .seconds(10), laneCount: laneCount),
            size: try #require(TreeSize(count)), lastLeaf: stored.last, now: now)
        pull()
    }

    /// One that has compared its last leaf with a primary that has no more, and asks for more.
    static func atEnd(
        _ count: UInt64, interval: Duration = .seconds(10)
    ) throws -> ReplicatorRig {
        var rig = try ReplicatorRig(stored: count, interval: interval)
        if count > 0 { try rig.answer(0, Leaf.numbered(count - 1..<count)) }
        try rig.answer(0, .atEnd(isWaitHonored: false))
        _ = rig.takeNotices()
        return rig
    }

    /// What is asked for on the lanes, in their order: start, end, and `w` for one that waits.
    var asked: [String] {
        inFlight.sorted { $0.key < $1.key }.map { lane, request in
            "\(lane): \(request.start)..<\(request.end)\(request.waits ? " w" : "")"
        }
    }

    /// Pulls steps and does them until there is nothing to do now.
    mutating func pull() {
        for _ in 0..<1000 {
            let step = replicator.next(now: now)
            notices += replicator.notices
            replicator.notices = []
            switch step {
            case .fetch(let request):
                #expect(inFlight[request.lane] == nil, "two requests at once")
                inFlight[request.lane] = request
                lanesInOrder.append(request.lane)
                requests.append((now, request))
            case .append(let leaves, let size):
                #expect(appending == nil, "two appends at once")
                #expect(size.value == UInt64(stored.count))
                appending = leaves
                appendCounts.append(leaves.count)
                if !isManual { store() }
            case .wait(let until):
                if let until { #expect(until > now, "waits for the past") }
                deadline = until
                return
            }
        }
        Issue.record("a thousand steps at one instant")
    }

    private mutating func store() {
        stored += appending ?? []
        appending = nil
        replicator.appended(now: now)
    }

    /// What was to be stored is durable.
    mutating func finishAppending() {
        store()
        pull()
    }

    mutating func postpone(_ reason: String) {
        appending = nil
        replicator.appendPostponed(reason: reason, now: now)
        pull()
    }

    mutating func answer(
        _ lane: Int, _ answer: LeafAnswer, isNewConnection: Bool = false
    ) throws {
        guard let request = inFlight.removeValue(forKey: lane) else {
            throw Unexpected(what: "lane \(lane) asks for nothing")
        }
        lanesInOrder.removeAll { $0 == lane }
        replicator.answered(request, answer, isNewConnection: isNewConnection, now: now)
        pull()
    }

    mutating func answer(
        _ lane: Int, _ leaves: [Leaf], isNewConnection: Bool = false
    ) throws {
        try answer(lane, .leaves(leaves), isNewConnection: isNewConnection)
    }

    /// Answers as a primary with the first `size` numbered leaves does, at most `countMax` at once.
    mutating func serve(_ lane: Int, size: UInt64, countMax: UInt64, waits: Bool = true) throws {
        guard let request = inFlight[lane] else {
            throw Unexpected(what: "lane \(lane) asks for nothing")
        }
        if request.start < size {
            let end = min(size, request.end, request.start + countMax)
            try answer(lane, Leaf.numbered(request.start..<end))
        } else if request.start == size {
            try answer(lane, .atEnd(isWaitHonored: waits))
        } else {
            try answer(lane, .beyondEnd(reason: "answered 400"))
        }
    }

    /// Serves the request that was made first; false when there is none but one that a primary
    /// holds, or those on the lane that hangs.
    mutating func serveNext(size: UInt64, countMax: UInt64, hanging: Int? = nil) throws -> Bool {
        let lane = lanesInOrder.first { lane in
            guard let request = inFlight[lane], lane != hanging else { return false }
            return !request.waits || request.start < size
        }
        guard let lane else { return false }
        try serve(lane, size: size, countMax: countMax)
        return true
    }

    /// Serves all lanes until only a request is left that the primary holds.
    mutating func catchUp(size: UInt64, countMax: UInt64, hanging: Int? = nil) throws {
        for _ in 0..<100_000 {
            let isServed = try serveNext(size: size, countMax: countMax, hanging: hanging)
            if !isServed { return }
        }
        Issue.record("asks for ever")
    }

    /// Serves `count` requests.
    mutating func serve(count: Int, size: UInt64, countMax: UInt64) throws {
        for _ in 0..<count {
            let isServed = try serveNext(size: size, countMax: countMax)
            try #require(isServed)
        }
    }

    /// Moves the clock, and stops wherever the replicator wants to be asked.
    mutating func advance(_ duration: Duration) {
        let end = now.advanced(by: duration)
        while let deadline, deadline <= end {
            now = deadline
            pull()
        }
        now = end
        pull()
    }

    /// Takes the notices so far.
    mutating func takeNotices() -> [ReplicatorNotice] {
        defer { notices = [] }
        return notices
    }

    /// Takes the notices so far, which are to be those.
    mutating func expectNotices(
        _ expected: [ReplicatorNotice], sourceLocation: SourceLocation = #_sourceLocation
    ) {
        let notices = takeNotices()
        #expect(notices == expected, sourceLocation: sourceLocation)
    }

    mutating func progress() throws -> CopyProgress {
        let progress = replicator.progress(now: now)
        return try #require(progress)
    }

    mutating func expectNoProgress(sourceLocation: SourceLocation = #_sourceLocation) {
        let progress = replicator.progress(now: now)
        #expect(progress == nil, sourceLocation: sourceLocation)
    }
}
