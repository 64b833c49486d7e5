// SPDX-License-Identifier: BSD-2-Clause

// A log and its witnesses in one process, on a fake clock and out of one seed. The log crashes at any
// moment and goes on from what is stored; witnesses are slow, fail, hang, talk nonsense and lose
// what they know; leaves come when they like. What must hold is looked at after each step.

import MerkleLog
import SigsumFormats
import TestSupport
import TileStore

@testable import LogService

/// What a witness does with requests for a while.
enum Manner: CaseIterable {
    case good, slow, answers500, hangs, refuses, closes, garbage, wrongSize, oddClock
    /// Claims to know another tree. Not part of a sound world.
    case contradicts
}

/// A witness that keeps its own state.
struct SimulatedWitness {
    /// The size of the last tree that it cosigned.
    var size = TreeSize.zero
    var manner = Manner.good
    /// How long a slow one takes.
    var slowness = Duration.seconds(1)
    /// Requests that left the log, and how many of them no record of the log knows of, since the
    /// last record and in processes that crashed.
    var requestCount = 0
    var unrecordedCount = 0
    var forgottenCount = 0
}

/// The world; see the top of the file.
struct Simulation {
    enum Event {
        case leaves, weather, crash
        case start
        case wake
        /// A request is at the witness.
        case arrival(TestRequest, Manner, from: Int)
        case answer(TestRequest, WitnessAnswer)
        case signed(Int, isGood: Bool)
        case recorded(PublishedTree?, [WitnessRecord])
    }

    /// What survives a crash.
    struct Stored {
        var committed = 0
        var signed = 0
        var published: PublishedTree?
        var records: [WitnessRecord] = []
    }

    /// What is known of the running process, apart from what the publisher says.
    struct Process {
        var publisher: Publisher<FakeInstant>
        let firstHead: Int
        /// The cosignatures that came for each size, by witness.
        var delivered: [Int: [Int: Cosignature]] = [:]
        var shown: PublishedTree?
        var inFlight: Set<Int> = []
        var signing: Int?
        var recording: (published: PublishedTree?, records: [WitnessRecord])?
    }

    let policy: Policy
    let settings: Publisher<FakeInstant>.Settings
    let interval: Duration
    let requestsPerDay: Int
    let timeout: Duration
    var random: SeededGenerator
    var now = FakeInstant()
    var stored = Stored()
    var process: Process?
    var witnesses: [SimulatedWitness]
    /// What is to come: at what time, of which process (0: of any).
    private var events: [(at: FakeInstant, process: Int, event: Event)] = []
    private var processNumber = 0
    private var wakeAt: FakeInstant?
    /// The manners that the weather chooses from.
    var manners = Manner.allCases.filter { $0 != .contradicts }
    private var isCalm = false
    private var isOlderCopy = false
    var signedSizes: [Int] = []
    var publicationCount = 0
    /// What did not hold.
    private(set) var violation: String?

    init(seed: UInt64) throws {
        random = SeededGenerator(seed: seed)
        let witnessCount = Int.random(in: 0...5, using: &random)
        policy = try Self.policy(witnessCount: witnessCount, &random)
        let intervals: [Duration] = [.milliseconds(500), .seconds(2), .seconds(10)]
        interval = intervals[Int.random(in: 0..<3, using: &random)]
        timeout = interval * Int.random(in: 1...6, using: &random) / 3
        requestsPerDay = [400, 8640, 100_000][Int.random(in: 0..<3, using: &random)]
        settings = Publisher.Settings(
            quorum: policy.quorum, interval: interval,
            minInterval: .milliseconds(Int.random(in: 0...1000, using: &random)),
            requestsPerDay: requestsPerDay)
        witnesses = Array(repeating: SimulatedWitness(), count: witnessCount)
        schedule(.start, after: .zero)
        schedule(.leaves, after: .zero)
        schedule(.weather, after: .zero)
        schedule(.crash, after: .seconds(8))
    }

    /// A quorum that all witnesses together are.
    private static func policy(
        witnessCount: Int, _ random: inout SeededGenerator
    ) throws -> Policy {
        guard witnessCount > 1, Bool.random(using: &random) else {
            return try Material.policy(
                witnessCount: witnessCount,
                quorum: Int.random(in: 0...witnessCount, using: &random))
        }
        let cut = Int.random(in: 1..<witnessCount, using: &random)
        let names = (0..<witnessCount).map { "w\($0)" }
        var lines = ""
        for (name, members) in [("a", names[..<cut]), ("b", names[cut...])] {
            let threshold = Int.random(in: 1...members.count, using: &random)
            lines += "group \(name) \(threshold) \(members.joined(separator: " "))\n"
        }
        let kind = Bool.random(using: &random) ? "all" : "any"
        return try Material.policy(
            witnessCount: witnessCount, lines + "group q \(kind) a b\nquorum q\n")
    }

    var isHalted: Bool { process?.publisher.isHalted ?? false }
    var unixSeconds: UInt64 { 1_795_000_000 + UInt64(now.offset / .seconds(1)) }
    private var unixMilliseconds: UInt64 { 1000 * unixSeconds }

    // MARK: Time

    private mutating func schedule(_ event: Event, after delay: Duration, process: Int = 0) {
        let at = now.advanced(by: delay)
        // Behind all others of that time.
        let place = events.firstIndex { $0.at > at } ?? events.count
        events.insert((at, process, event), at: place)
    }

    /// Lets time pass, until something does not hold.
    mutating func run(for duration: Duration) throws {
        let end = now.advanced(by: duration)
        while violation == nil, let next = events.first, next.at <= end {
            events.removeFirst()
            now = next.at
            guard next.process == 0 || next.process == processNumber else { continue }
            try handle(next.event)
        }
        now = end
    }

    /// Everything is well from now on, and no more leaves come.
    mutating func calmDown() {
        isCalm = true
        for number in witnesses.indices { witnesses[number].manner = .good }
    }

    /// The process ends, and the next one finds `copy`, which is older than what there was.
    mutating func restart(from copy: Stored) {
        calmDown()
        process = nil
        stored = copy
        isOlderCopy = true
        events.removeAll()
        schedule(.start, after: .seconds(1))
    }

    private mutating func handle(_ event: Event) throws {
        switch event {
        case .leaves: leaves()
        case .weather: weather()
        case .crash: crash()
        case .start: try start()
        case .wake: break
        case .arrival(let request, let manner, let process):
            arrival(request, manner, from: process)
        case .answer(let request, let answer): self.answer(request, answer)
        case .signed(let size, let isGood): try signed(size, isGood: isGood)
        case .recorded(let published, let records): recorded(published, records)
        }
        try pull()
    }

    // MARK: Surroundings

    private mutating func leaves() {
        guard !isCalm else { return }
        // Now many, now few.
        let isBusy = Int(now.offset / .seconds(10)) % 2 == 0
        let wait = isBusy ? 1_000 : 10_000
        stored.committed = min(stored.committed + Int.random(in: 1...3, using: &random), 600)
        if let size = TreeSize(UInt64(stored.committed)) { process?.publisher.replicated(size) }
        schedule(.leaves, after: .milliseconds(Int.random(in: 1...wait, using: &random)))
    }

    private mutating func weather() {
        guard !isCalm else { return }
        for number in witnesses.indices where Int.random(in: 0..<3, using: &random) == 0 {
            let isGood = Bool.random(using: &random)
            witnesses[number].manner =
                isGood ? .good : manners.randomElement(using: &random) ?? .good
            witnesses[number].slowness = interval * Int.random(in: 10...150, using: &random) / 100
            // It may lose what it knows, and that it knew anything.
            if Int.random(in: 0..<40, using: &random) == 0 { witnesses[number].size = .zero }
        }
        schedule(.weather, after: interval * Int.random(in: 1...60, using: &random) / 10)
    }

    private mutating func crash() {
        guard !isCalm, let process else { return }
        // What was on its way to the device may have got there.
        if let size = process.signing, Bool.random(using: &random) { stored.signed = size }
        if let recording = process.recording, Bool.random(using: &random) { store(recording) }
        for number in witnesses.indices {
            witnesses[number].forgottenCount += witnesses[number].unrecordedCount
            witnesses[number].unrecordedCount = 0
        }
        self.process = nil
        processNumber += 1
        schedule(.start, after: .milliseconds(Int.random(in: 10...5_000, using: &random)))
        schedule(.crash, after: .milliseconds(Int.random(in: 10...30_000, using: &random)))
    }

    private mutating func store(_ recording: (published: PublishedTree?, records: [WitnessRecord]))
    {
        if let published = recording.published { stored.published = published }
        stored.records = recording.records
        for number in witnesses.indices { witnesses[number].unrecordedCount = 0 }
    }

    private mutating func start() throws {
        processNumber += 1
        let signed = try Material.published(stored.signed)
        let publisher = Publisher(
            settings, witnesses: policy.witnesses, records: stored.records, signed: signed,
            published: stored.published,
            replicatedSize: try Material.tree(stored.committed).treeHead.size, now: now,
            unixMilliseconds: unixMilliseconds)
        process = Process(
            publisher: publisher, firstHead: stored.signed, shown: stored.published)
        wakeAt = nil
    }

    // MARK: Witnesses

    private mutating func send(_ request: TestRequest) {
        let manner = witnesses[request.witness].manner
        if manner != .refuses {
            witnesses[request.witness].requestCount += 1
            witnesses[request.witness].unrecordedCount += 1
        }
        let delay = Duration.milliseconds(Int.random(in: 1...20, using: &random))
        switch manner {
        case .refuses:
            answer(request, .unsent(reason: "refused"), after: delay)
        case .closes:
            answer(request, .connectionGone, after: delay)
        case .answers500, .garbage:
            answer(request, .failed(reason: "answered 500"), after: delay)
        case .hangs:
            // Whether it ever got the request, nobody knows.
            if Bool.random(using: &random) {
                schedule(.arrival(request, manner, from: processNumber), after: delay)
            }
            answer(request, .failed(reason: "timeout"), after: timeout)
        default:
            schedule(.arrival(request, manner, from: processNumber), after: delay)
        }
    }

    private mutating func answer(
        _ request: TestRequest, _ answer: WitnessAnswer, after delay: Duration
    ) {
        schedule(.answer(request, answer), after: delay, process: processNumber)
    }

    private mutating func arrival(_ request: TestRequest, _ manner: Manner, from process: Int) {
        let number = request.witness
        let treeHead = request.signed.treeHead
        let witness = witnesses[number]
        var answer = WitnessAnswer.size(witness.size)
        if request.oldSize == witness.size {
            witnesses[number].size = treeHead.size
            let isOdd = manner == .oddClock
            let time =
                isOdd ? UInt64.random(in: 1...UInt64(Int64.max), using: &random) : unixSeconds
            let cosignature = Cosignature(
                keyHash: policy.witnesses[number].keyHash, time: time,
                signature: Material.mark(treeHead, by: UInt8(number), time: time))
            answer = .cosigned(NamedCosignature(cosignature: cosignature, keyName: "w\(number)"))
        } else if witness.size > treeHead.size, !isOlderCopy {
            // No sound log asks for less than it asked for before.
            fail("witness \(number) knows \(witness.size), is asked for \(treeHead.size)")
        }
        switch manner {
        case .hangs: return
        case .wrongSize:
            let sizes = [
                0, request.oldSize.value,
                UInt64.random(in: 0...treeHead.size.value, using: &random),
            ]
            // A size that is not its own, yet one that it could have: not a contradiction.
            let size = sizes.randomElement(using: &random).flatMap { TreeSize($0) } ?? .zero
            let isHarmless = size != request.oldSize || size != treeHead.size
            if isHarmless { answer = .size(size) }
        case .contradicts:
            let isLarger = Bool.random(using: &random) || request.oldSize == .zero
            answer = isLarger ? .size(.max) : .inconsistent
        default: break
        }
        let latency =
            manner == .slow
            ? witness.slowness : .milliseconds(Int.random(in: 1...120, using: &random))
        // The process may be another by now, and then hears nothing.
        guard process == processNumber else { return }
        if latency < timeout {
            self.answer(request, answer, after: latency)
        } else {
            self.answer(request, .failed(reason: "timeout"), after: timeout)
        }
    }

    // MARK: The log

    private mutating func answer(_ request: TestRequest, _ answer: WitnessAnswer) {
        guard var process else { return }
        defer { self.process = process }
        process.inFlight.remove(request.witness)
        process.publisher.answered(request, answer, now: now, unixSeconds: unixSeconds)
        if case .cosigned(let named) = answer {
            let size = Int(request.signed.treeHead.size.value)
            process.delivered[size, default: [:]][request.witness] = named.cosignature
        }
    }

    private mutating func signed(_ size: Int, isGood: Bool) throws {
        process?.signing = nil
        guard isGood else {
            process?.publisher.signingFailed(now: now)
            return
        }
        stored.signed = size
        signedSizes.append(size)
        let tree = try Material.tree(size)
        process?.publisher.signed(Material.signed(tree.treeHead), tree: tree, now: now)
    }

    private mutating func recorded(_ published: PublishedTree?, _ records: [WitnessRecord]) {
        store((published, records))
        process?.recording = nil
        process?.publisher.recorded()
        guard let published else { return }
        checkShown(published)
        process?.shown = published
        publicationCount += 1
    }

    private mutating func pull() throws {
        guard var process else { return }
        defer { self.process = process }
        var stepCount = 0
        while violation == nil {
            stepCount += 1
            guard stepCount < 100 else { return fail("a hundred steps at one instant") }
            let step = process.publisher.next(now: now)
            for notice in process.publisher.notices { check(notice) }
            process.publisher.notices = []
            switch step {
            case .sign:
                checkSigning(process)
                process.signing = stored.committed
                let isGood = isCalm || Int.random(in: 0..<20, using: &random) > 0
                schedule(
                    .signed(stored.committed, isGood: isGood),
                    after: .milliseconds(Int.random(in: 0...150, using: &random)),
                    process: processNumber)
            case .ask(let request):
                guard process.inFlight.insert(request.witness).inserted else {
                    return fail("witness \(request.witness) asked twice at once")
                }
                send(request)
                checkBudget(request.witness)
            case .record(let published):
                guard process.recording == nil else { return fail("two records at once") }
                let records = process.publisher.witnessRecords(
                    now: now, unixMilliseconds: unixMilliseconds)
                process.recording = (published, records)
                schedule(
                    .recorded(published, records),
                    after: .milliseconds(Int.random(in: 0...20, using: &random)),
                    process: processNumber)
            case .wait(let until):
                checkRest(process, until)
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

    private mutating func check(_ notice: PublisherNotice) {
        guard !isOlderCopy, !manners.contains(.contradicts), case .witnessContradicts = notice
        else { return }
        fail("\(notice)")
    }

    private func isQuorum(_ numbers: some Sequence<Int>) -> Bool {
        policy.quorum.isMet(by: Set(numbers.map { policy.witnesses[$0].keyHash }))
    }

    private mutating func checkSigning(_ process: Process) {
        if process.signing != nil { fail("two signings at once") }
        let cosigners = process.delivered[process.firstHead, default: [:]].keys
        if !isQuorum(cosigners) { fail("signs before the stored head has its quorum") }
        if process.publisher.isHalted { fail("signs after a halt") }
    }

    private mutating func checkBudget(_ witness: Int) {
        let day = Duration.seconds(86_400)
        let cost = day * 2 / requestsPerDay
        let count = witnesses[witness].requestCount - witnesses[witness].forgottenCount
        // Unrecorded restarts round down to milliseconds.
        if cost * count > max(day, cost) + cost + now.offset * 2 + .seconds(1) {
            fail("witness \(witness) was asked \(count) times")
        }
    }

    /// What is about to be seen by everybody.
    private mutating func checkShown(_ published: PublishedTree) {
        let treeHead = published.head.signedTreeHead.treeHead
        let size = Int(treeHead.size.value)
        for cosignature in published.head.cosignatures {
            let number = policy.witnesses.firstIndex { $0.keyHash == cosignature.keyHash } ?? 0
            let mark = Material.mark(treeHead, by: UInt8(number), time: cosignature.time)
            if cosignature.signature != mark { fail("a cosignature of another head is shown") }
        }
        let cosigners = Set(published.head.cosignatures.map(\.keyHash))
        if let shown = process?.shown {
            let oldSize = shown.tree.treeHead.size
            if oldSize > treeHead.size { fail("a smaller tree is shown") }
            if oldSize == treeHead.size {
                let old = Set(shown.head.cosignatures.map(\.keyHash))
                if !old.isSubset(of: cosigners) { fail("cosignatures are lost") }
                return
            }
        }
        if !policy.quorum.isMet(by: cosigners) { fail("\(size) is shown without quorum") }
        if size > stored.signed { fail("\(size) is shown, \(stored.signed) is on disk") }
    }

    /// When there is nothing to do, everything that came was used, and something will happen.
    private mutating func checkRest(_ process: Process, _ until: FakeInstant?) {
        guard !process.publisher.isHalted else { return }
        if let until {
            if until <= now { fail("waits for the past") }
        } else if process.inFlight.isEmpty, process.signing == nil, process.recording == nil {
            fail("waits for nothing")
        }
        guard process.recording == nil, let shown = process.shown else { return }
        let size = Int(shown.tree.treeHead.size.value)
        for (number, cosignature) in process.delivered[size, default: [:]]
        where !shown.head.cosignatures.contains(cosignature) {
            fail("the cosignature of witness \(number) over \(size) got lost")
        }
    }
}
