// SPDX-License-Identifier: BSD-2-Clause

// A secondary and its primary in one process, on a fake clock and out of one seed. Both crash at any
// moment and go on from what is stored; the primary holds requests or does not, gives few leaves or
// many, keeps connections or closes them, fails, hangs and talks nonsense; the store is slow and now
// and then full. Another primary may take its place, unnoticed, while the old one is still there for
// who has a connection to it. What must hold is looked at after each step.

import MerkleLog
import SigsumFormats
import TestSupport

@testable import LogService

/// What becomes of requests for a while.
enum PrimaryManner: CaseIterable {
    case good, slow, answers500, malformed, hangs, loses, closes, refuses, odd404, odd400
}

/// The world; see the top of the file.
struct ReplicatorSimulation {
    enum Event {
        case leaves, weather, primaryRestart, replacement, crash
        case start
        case wake
        /// The request is at that process of the primary, if it still runs.
        case arrival(LeafRequest, at: Int)
        case answer(LeafRequest, LeafAnswer)
        /// A held request has waited long enough.
        case waitOver(Int)
        case stored(isGood: Bool)
    }

    /// What a primary's leaves are. Each tree but the first is another one up to some leaf.
    struct Tree {
        /// From that leaf on, the leaves are those first seen in that tree.
        private(set) var forks: [(start: UInt64, number: UInt8)] = [(0, 0)]

        /// The tree that the leaf was first seen in.
        func number(at index: UInt64) -> UInt8 {
            forks.last { $0.start <= index }?.number ?? 0
        }

        func forked(at start: UInt64, number: UInt8) -> Tree {
            var tree = self
            tree.forks.removeAll { $0.start >= start }
            tree.forks.append((start, number))
            return tree
        }

        func leaf(_ index: UInt64) -> Leaf { .numbered(index, of: number(at: index)) }
    }

    /// The primary.
    struct Primary {
        var size: UInt64
        var tree = Tree()
        let isWaiting: Bool
        let batchMax: UInt64
        let isBatchConstant: Bool
        /// Whether it closes each connection after one answer.
        let isClosing: Bool
        /// Tells its processes apart: connections end with them.
        var processNumber = 0
    }

    /// The secondary's process.
    struct Process {
        var replicator: Replicator<FakeInstant>
        var appending: [Leaf]?
        /// The lanes that wait for an answer, and whether on a connection that had none before.
        var inFlight: [Int: Bool] = [:]
        /// To which process of the primary each lane has a connection.
        var connections: [Int: Int] = [:]
    }

    let interval: Duration
    let timeout: Duration
    let wait: Duration
    var random: SeededGenerator
    var now = FakeInstant()
    var primary: Primary
    /// Those that it replaced and that still answer.
    private var oldPrimaries: [Int: Primary] = [:]
    /// Every tree that there was, at its own number.
    private var trees = [Tree()]
    private let isReplaced: Bool
    /// The number of leaves in the secondary's store, and the tree that the last was first seen in.
    private(set) var storedCount: UInt64 = 0
    private(set) var storedTree: UInt8 = 0
    private(set) var process: Process?
    private var processNumber = 0
    private var events: [(at: FakeInstant, process: Int, event: Event)] = []
    private var wakeAt: FakeInstant?
    private var held: [Int: (request: LeafRequest, process: Int, primary: Int)] = [:]
    private var heldNumber = 0
    private var manner = PrimaryManner.good
    private var isCalm = false
    /// The most requests that were out at once.
    private(set) var inFlightMax = 0
    private(set) var requestCount = 0
    private(set) var notices: [ReplicatorNotice] = []
    /// What did not hold.
    private(set) var violation: String?

    /// - Parameter isReplaced: whether other primaries, with other trees, take the primary's place.
    init(seed: UInt64, isReplaced: Bool = false) {
        self.isReplaced = isReplaced
        random = SeededGenerator(seed: seed)
        interval = .milliseconds([200, 2000, 10_000].randomElement(using: &random) ?? 0)
        timeout = .milliseconds(Int.random(in: 500...5000, using: &random))
        wait = timeout * 3 / 4
        let batchMax = ([1, 8, 40, 200] as [UInt64]).randomElement(using: &random) ?? 0
        primary = Primary(
            size: UInt64.random(in: 0...60 * batchMax, using: &random),
            isWaiting: Bool.random(using: &random), batchMax: batchMax,
            isBatchConstant: Int.random(in: 0..<4, using: &random) > 0,
            // One leaf in an answer, and one answer on a connection: nothing shows what follows what.
            isClosing: batchMax > 1 && Int.random(in: 0..<4, using: &random) == 0)
        schedule(.start, after: .zero)
        schedule(.leaves, after: .zero)
        schedule(.weather, after: .zero)
        schedule(.primaryRestart, after: .seconds(5))
        schedule(.crash, after: .seconds(8))
        if isReplaced { schedule(.replacement, after: milliseconds(1...20_000)) }
    }

    var isHalted: Bool { process?.replicator.isHalted ?? false }
    /// Whether what is stored is the beginning of the primary's tree.
    var isOfPrimary: Bool {
        guard let last = storedCount.lastIndex else { return true }
        return last < primary.size && primary.tree.number(at: last) == storedTree
    }
    var isCaughtUp: Bool { storedCount == primary.size && process?.replicator.isAtEnd == true }

    // MARK: Time

    private mutating func schedule(_ event: Event, after delay: Duration, process: Int = 0) {
        let at = now.advanced(by: delay)
        let place = events.firstIndex { $0.at > at } ?? events.count
        events.insert((at, process, event), at: place)
    }

    /// Lets time pass, until something does not hold.
    mutating func run(for duration: Duration) {
        let end = now.advanced(by: duration)
        while violation == nil, let next = events.first, next.at <= end {
            events.removeFirst()
            now = next.at
            guard next.process == 0 || next.process == processNumber else { continue }
            handle(next.event)
            pull()
        }
        now = end
    }

    /// Everything is well from now on, and no more leaves come.
    mutating func calmDown() {
        isCalm = true
        manner = .good
        for number in oldPrimaries.keys.sorted() {
            oldPrimaries[number] = nil
            dropHeld(by: number)
        }
    }

    /// From now on there is another primary, which has `size` leaves, from `fork` on other ones. The
    /// old one is no more, unless it stays for those that have a connection to it.
    mutating func replacePrimary(size: UInt64, fork: UInt64?, isOldThere: Bool = false) {
        let old = primary
        primary.size = size
        if let fork {
            primary.tree = old.tree.forked(at: fork, number: UInt8(trees.count))
            trees.append(primary.tree)
        }
        primary.processNumber += 1
        if isOldThere {
            oldPrimaries[old.processNumber] = old
        } else {
            dropHeld(by: old.processNumber)
        }
    }

    private mutating func handle(_ event: Event) {
        switch event {
        case .leaves: leaves()
        case .weather: weather()
        case .primaryRestart:
            if !isCalm { restartPrimary() }
            schedule(.primaryRestart, after: milliseconds(1...40_000))
        case .replacement: replacement()
        case .crash: crash()
        case .start: start()
        case .wake: break
        case .arrival(let request, let primary): arrival(request, at: primary)
        case .answer(let request, let answer): self.answer(request, answer)
        case .waitOver(let number): release(number)
        case .stored(let isGood): stored(isGood: isGood)
        }
    }

    private mutating func milliseconds(_ range: ClosedRange<Int>) -> Duration {
        .milliseconds(Int.random(in: range, using: &random))
    }

    // MARK: Surroundings

    private mutating func leaves() {
        guard !isCalm else { return }
        let isBurst = Int.random(in: 0..<50, using: &random) == 0
        primary.size += UInt64.random(in: 1...(isBurst ? 30 * primary.batchMax : 5), using: &random)
        for (number, entry) in held.sorted(by: { $0.key < $1.key })
        where entry.primary == primary.processNumber { release(number) }
        // Now many, now few.
        let isBusy = Int(now.offset / .seconds(10)) % 2 == 0
        schedule(.leaves, after: milliseconds(1...(isBusy ? 200 : 10_000)))
    }

    private mutating func weather() {
        if !isCalm {
            manner = PrimaryManner.allCases.randomElement(using: &random) ?? .good
            if Bool.random(using: &random) { manner = .good }
        }
        schedule(.weather, after: milliseconds(300...4000))
    }

    /// Held requests end with it, and so does every connection.
    private mutating func restartPrimary() {
        dropHeld(by: primary.processNumber)
        primary.processNumber += 1
    }

    /// A little shorter or longer than what is here, and different from about there on, if at all.
    private mutating func replacement() {
        if !isCalm, trees.count < 200 {
            let low = storedCount > 20 ? storedCount - 20 : 0
            let place = UInt64.random(in: low...storedCount + 300, using: &random)
            replacePrimary(
                size: place + UInt64.random(in: 0...100, using: &random),
                fork: Int.random(in: 0..<4, using: &random) > 0 ? place : nil,
                isOldThere: Bool.random(using: &random))
        }
        schedule(.replacement, after: milliseconds(1...20_000))
    }

    private mutating func dropHeld(by primary: Int) {
        for number in held.keys.sorted() where held[number]?.primary == primary {
            guard let entry = held.removeValue(forKey: number) else { continue }
            let isNoticed = Bool.random(using: &random)
            let answer = isNoticed ? LeafAnswer.connectionGone : .failed(reason: "reset")
            schedule(
                .answer(entry.request, answer), after: .milliseconds(1), process: entry.process)
        }
    }

    private mutating func crash() {
        if !isCalm, let process {
            // What was being stored is there, or is not.
            if let leaves = process.appending, Bool.random(using: &random) { store(leaves) }
            self.process = nil
            processNumber += 1
            schedule(.start, after: milliseconds(1...3000))
        }
        schedule(.crash, after: milliseconds(1...60_000))
    }

    private mutating func start() {
        guard let size = TreeSize(storedCount) else { return }
        processNumber += 1
        let last = storedCount.lastIndex.map { Leaf.numbered($0, of: storedTree) }
        process = Process(
            replicator: Replicator(
                Replicator.Settings(interval: interval, timeout: .seconds(10)), size: size,
                lastLeaf: last, now: now))
        wakeAt = nil
    }

    // MARK: The primary

    private mutating func send(_ request: LeafRequest) {
        requestCount += 1
        let delay = milliseconds(1...20)
        var connection = process?.connections[request.lane]
        if let number = connection, number != primary.processNumber, oldPrimaries[number] == nil {
            // It is seen before the request is sent, as a rule.
            if Int.random(in: 0..<4, using: &random) == 0 {
                return answer(request, .connectionGone, after: delay)
            }
            connection = nil
        }
        if Int.random(in: 0..<20, using: &random) == 0 { connection = nil }
        process?.inFlight[request.lane] = connection == nil
        process?.connections[request.lane] = connection ?? primary.processNumber
        switch manner {
        case .refuses: answer(request, .failed(reason: "refused"), after: delay)
        case .closes: answer(request, .connectionGone, after: delay)
        case .answers500: answer(request, .failed(reason: "answered 500"), after: delay)
        case .odd404: answer(request, .failed(reason: "answered 404"), after: delay)
        case .odd400: answer(request, .beyondEnd(reason: "answered 400"), after: delay)
        case .hangs: answer(request, .failed(reason: "timeout"), after: timeout)
        case .malformed where Bool.random(using: &random):
            answer(request, .failed(reason: "answered 200, but"), after: delay)
        case .loses where Bool.random(using: &random):
            answer(request, .failed(reason: "timeout"), after: timeout)
        default:
            schedule(
                .arrival(request, at: connection ?? primary.processNumber), after: delay,
                process: processNumber)
        }
    }

    private mutating func answer(
        _ request: LeafRequest, _ answer: LeafAnswer, after delay: Duration
    ) {
        schedule(.answer(request, answer), after: delay, process: processNumber)
    }

    private mutating func arrival(_ request: LeafRequest, at number: Int) {
        guard let primary = primary(number) else {
            return answer(request, .failed(reason: "reset"), after: .milliseconds(1))
        }
        let latency = manner == .slow ? milliseconds(1...1500) : milliseconds(1...60)
        if request.start == primary.size, request.waits, primary.isWaiting {
            heldNumber += 1
            held[heldNumber] = (request, processNumber, number)
            return schedule(.waitOver(heldNumber), after: wait)
        }
        let answer = content(of: request, from: primary)
        if latency < timeout {
            self.answer(request, answer, after: latency)
        } else {
            self.answer(request, .failed(reason: "timeout"), after: timeout)
        }
    }

    private func primary(_ number: Int) -> Primary? {
        number == primary.processNumber ? primary : oldPrimaries[number]
    }

    private mutating func content(of request: LeafRequest, from primary: Primary) -> LeafAnswer {
        guard request.start < primary.size else {
            return request.start == primary.size
                ? .atEnd(isWaitHonored: request.waits && primary.isWaiting)
                : .beyondEnd(reason: "answered 400")
        }
        let batchMax =
            primary.isBatchConstant
            ? primary.batchMax : UInt64.random(in: 1...primary.batchMax, using: &random)
        let end = min(request.end, primary.size, request.start + batchMax)
        return .leaves((request.start..<end).map(primary.tree.leaf))
    }

    private mutating func release(_ number: Int) {
        guard let entry = held.removeValue(forKey: number), let primary = primary(entry.primary)
        else { return }
        schedule(
            .answer(entry.request, content(of: entry.request, from: primary)),
            after: milliseconds(1...5), process: entry.process)
    }

    // MARK: The secondary

    private mutating func answer(_ request: LeafRequest, _ answer: LeafAnswer) {
        let isNewConnection = process?.inFlight.removeValue(forKey: request.lane) ?? false
        let isKept =
            switch answer {
            case .failed, .connectionGone: false
            default: !primary.isClosing
            }
        if !isKept { process?.connections[request.lane] = nil }
        process?.replicator.answered(
            request, answer, isNewConnection: isNewConnection, now: now)
    }

    private mutating func stored(isGood: Bool) {
        guard let leaves = process?.appending else { return }
        process?.appending = nil
        guard isGood else {
            process?.replicator.appendPostponed(reason: "nearly full", now: now)
            return
        }
        store(leaves)
        process?.replicator.appended(now: now)
    }

    /// The store's content is right as long as each leaf is one of its place, and the one before it is
    /// the one before it in its tree.
    private mutating func store(_ leaves: [Leaf]) {
        for leaf in leaves {
            if !leaf.isNumbered(storedCount) { fail("a wrong leaf \(storedCount)") }
            if let last = storedCount.lastIndex,
                trees[Int(leaf.treeNumber)].number(at: last) != storedTree
            {
                fail("leaf \(storedCount) of another tree")
            }
            storedTree = leaf.treeNumber
            storedCount += 1
        }
    }

    private mutating func pull() {
        guard process != nil else { return }
        var stepCount = 0
        while violation == nil, let step = process?.replicator.next(now: now) {
            stepCount += 1
            guard stepCount < 20 else { return fail("twenty steps at one instant") }
            notices += process?.replicator.notices ?? []
            process?.replicator.notices = []
            switch step {
            case .fetch(let request):
                check(request)
                send(request)
            case .append(let leaves, let size):
                if process?.appending != nil { fail("two appends at once") }
                if size.value != storedCount { fail("appends at \(size), not \(storedCount)") }
                process?.appending = leaves
                let isGood = isCalm || Int.random(in: 0..<10, using: &random) > 0
                schedule(
                    .stored(isGood: isGood), after: milliseconds(0...100), process: processNumber)
            case .wait(let until):
                checkRest(until)
                if let until, until != wakeAt {
                    wakeAt = until
                    schedule(.wake, after: now.duration(to: until), process: processNumber)
                }
                return
            }
        }
    }

    // MARK: What must hold

    /// Something else that must hold.
    mutating func expect(_ condition: Bool, _ what: String) {
        if !condition { fail(what) }
    }

    private mutating func fail(_ what: String) {
        if violation == nil { violation = "at \(now.offset): \(what)" }
    }

    private mutating func check(_ request: LeafRequest) {
        let isFree = process?.inFlight.updateValue(false, forKey: request.lane) == nil
        if !isFree || !(0..<4).contains(request.lane) { fail("lane \(request.lane) is taken") }
        if !(1...65_536).contains(request.leafCount) { fail("asks for \(request.leafCount)") }
        if isHalted { fail("asks after a halt") }
        inFlightMax = max(inFlightMax, process?.inFlight.count ?? 0)
        let pieceCount = process?.replicator.window.pieceCount ?? 0
        if pieceCount > 64 + 4 { fail("\(pieceCount) pieces in the window") }
    }

    /// When there is nothing to do, something will happen.
    private mutating func checkRest(_ until: FakeInstant?) {
        guard let process, !isHalted else { return }
        if let until {
            if until <= now { fail("waits for the past") }
        } else if process.inFlight.isEmpty, process.appending == nil {
            fail("waits for nothing")
        }
        if process.replicator.size.value != storedCount { fail("believes in another size") }
    }
}

extension UInt64 {
    /// The index of the last of so many; nil when there is none.
    fileprivate var lastIndex: UInt64? { self > 0 ? self - 1 : nil }
}
