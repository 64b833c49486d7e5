// SPDX-License-Identifier: BSD-2-Clause

// A primary and its secondaries in one process, on a fake clock and out of one seed. Secondaries are
// slow, fail, hang, have other trees and lose what they have; the primary crashes at any moment, and
// goes on from what is committed and signed. What must hold is looked at after each step.

import MerkleLog
import TestSupport

@testable import LogService

/// The world; see the top of the file.
struct ReplicationSimulation {
    enum Event {
        case leaves, copying, weather, crash
        case start
        case wake, signing
        /// The primary hears of a commit.
        case committed(Int)
        /// A request is at the secondary.
        case arrival(SecondaryRequest)
        /// Held for as long as it asked for.
        case waited(SecondaryRequest, number: Int)
        case answer(SecondaryRequest, SecondaryAnswer)
    }

    /// What is known of the running process, apart from what its replication says.
    struct Process {
        var replication: Replication<FakeInstant>
        let begun: FakeInstant
        var committed: Int
        /// Commits that the replication was told of and does not cover.
        var waiting: [(size: Int, at: FakeInstant)]
        var lastSize: Int
        var isStalled = false
        var inFlight: Set<Int> = []
        /// Notices that what happened must lead to.
        var expected: [ReplicationNotice] = []
    }

    let quorum: Int
    let interval: Duration
    let timeout: Duration
    let patience: Duration
    var random: SeededGenerator
    private(set) var now = FakeInstant()
    private(set) var secondaries: [SimulatedSecondary]
    private(set) var process: Process?

    // What survives a crash.
    private(set) var committed = 0
    private(set) var signed = 0
    /// The leaves that were said to be logged, by whatever process.
    private(set) var promised = 0

    private var events: [(at: FakeInstant, process: Int, event: Event)] = []
    private var processNumber = 0
    private var requestNumber = 0
    private var wakeAt: FakeInstant?
    private var isCalm = false
    private(set) var signingCount = 0
    private(set) var stallCount = 0
    /// What did not hold.
    private(set) var violation: String?

    init(seed: UInt64) {
        random = SeededGenerator(seed: seed)
        let count = Int.random(in: 0...5, using: &random)
        quorum = count == 0 ? 0 : Int.random(in: 1...count, using: &random)
        interval =
            [.milliseconds(300), .seconds(2), .seconds(10)][
                Int.random(in: 0..<3, using: &random)]
        timeout = .seconds(Int.random(in: 2...8, using: &random))
        patience = .seconds(Int.random(in: 1...20, using: &random))
        secondaries = Array(repeating: SimulatedSecondary(), count: count)
        for event in [.start, .leaves, .copying, .weather] as [Event] { schedule(event) }
        schedule(.crash, after: 8_000)
    }

    // MARK: Time

    /// - Parameter process: the number of the process that the event is of; 0: of any.
    private mutating func schedule(_ event: Event, after milliseconds: Int = 0, process: Int = 0) {
        schedule(event, at: now.advanced(by: .milliseconds(milliseconds)), process: process)
    }

    private mutating func schedule(_ event: Event, at time: FakeInstant, process: Int) {
        // Behind all others of that time.
        let place = events.firstIndex { $0.at > time } ?? events.count
        events.insert((time, process, event), at: place)
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

    /// From now on no more leaves come, and as many secondaries as are required are well. The others
    /// stay as they are.
    mutating func calmDown() {
        isCalm = true
        for number in secondaries.indices.shuffled(using: &random).prefix(quorum) {
            let isOurs = Bool.random(using: &random)
            setManner(isOurs ? .waits : .polled, of: number)
        }
    }

    /// How long it takes at most until all is replicated then: a primary that is down starts; a
    /// request that hangs, and the wait after a wrong answer, are over; the tree is copied, and that is
    /// found out by the poll after the next.
    var calmDuration: Duration { .seconds(5) + timeout + interval * 2 + .seconds(2) }

    private mutating func handle(_ event: Event) {
        switch event {
        case .leaves: leaves()
        case .copying: copying()
        case .weather: weather()
        case .crash: crash()
        case .start: start()
        case .wake: wakeAt = nil
        case .signing: signing()
        case .committed(let size):
            process?.committed = size
            process?.waiting.append((size, now))
            process?.replication.committed(.of(size), now: now)
        case .arrival(let request): arrival(request)
        case .waited(let request, let number):
            guard secondaries[request.secondary].held?.number == number else { return }
            secondaries[request.secondary].held = nil
            answer(request)
        case .answer(let request, let answer): answered(request, answer)
        }
    }

    // MARK: The primary

    private mutating func leaves() {
        guard !isCalm else { return }
        if process != nil {
            committed += Int.random(in: 1...9, using: &random)
            // A secondary may fetch and report leaves meanwhile.
            schedule(.committed(committed), after: 5, process: processNumber)
        }
        let isBusy = Int.random(in: 0..<4, using: &random) > 0
        schedule(.leaves, after: Int.random(in: 0...(isBusy ? 100 : 8_000), using: &random))
    }

    private mutating func start() {
        processNumber += 1
        for number in secondaries.indices { secondaries[number].forget() }
        process = Process(
            replication: Replication(
                Replication.Settings(quorum: quorum, interval: interval, patience: patience),
                secondaryCount: secondaries.count, committedSize: .of(committed),
                signedSize: .of(signed), now: now),
            begun: now, committed: committed,
            waiting: committed > signed ? [(committed, now)] : [], lastSize: signed)
        wakeAt = nil
        schedule(.signing, process: processNumber)
    }

    private mutating func crash() {
        guard !isCalm else { return }
        process = nil
        processNumber += 1
        schedule(.start, after: Int.random(in: 1...5_000, using: &random))
        schedule(.crash, after: Int.random(in: 10...30_000, using: &random))
    }

    /// A tree head is signed of what counts as logged, if that is more than the last one has.
    private mutating func signing() {
        guard let process else { return }
        let size = Int(process.replication.size.value)
        if size > signed {
            expect(size >= promised, "signs \(size) leaves, \(promised) were said to be logged")
            signed = size
            signingCount += 1
        }
        schedule(
            .signing, after: Int.random(in: 1...1_500, using: &random), process: processNumber)
    }

    private mutating func pull() {
        guard var process else { return }
        defer { self.process = process }
        for _ in 0..<100 where violation == nil {
            let step = process.replication.next(now: now)
            takeNotices(&process)
            checkSize(&process)
            switch step {
            case .ask(let request):
                expect(process.inFlight.insert(request.secondary).inserted, "asked twice at once")
                ask(request, process)
            case .wait(let until):
                checkRest(process, until)
                if let until, until != wakeAt {
                    wakeAt = until
                    schedule(.wake, at: until, process: processNumber)
                }
                return
            }
        }
        expect(false, "a hundred steps at one instant")
    }

    private mutating func answered(_ request: SecondaryRequest, _ answer: SecondaryAnswer) {
        process?.inFlight.remove(request.secondary)
        process?.expected += secondaries[request.secondary].told(request.secondary, answer)
        process?.replication.answered(request, answer, now: now)
    }

    // MARK: Secondaries

    private mutating func ask(_ request: SecondaryRequest, _ process: Process) {
        let number = request.secondary
        let lastSize = secondaries[number].lastSize.map { TreeSize.of($0) }
        expect(request.knownSize == lastSize, "secondary \(number): asked with a wrong size")
        secondaries[number].requestCount += 1
        let spaced = process.begun.duration(to: now) / min(.milliseconds(50), interval)
        expect(
            secondaries[number].requestCount <= 1 + secondaries[number].promptCount + Int(spaced),
            "secondary \(number): \(secondaries[number].requestCount) requests")
        schedule(.arrival(request), after: 1, process: processNumber)
    }

    private mutating func arrival(_ request: SecondaryRequest) {
        guard secondaries[request.secondary].holds(request) else { return answer(request) }
        requestNumber += 1
        secondaries[request.secondary].held = (request, requestNumber)
        schedule(
            .waited(request, number: requestNumber),
            at: now.advanced(by: timeout - .seconds(1)), process: processNumber)
    }

    private mutating func answer(_ request: SecondaryRequest) {
        let answer = secondaries[request.secondary].answer(&random)
        var delay = Duration.milliseconds(Int.random(in: 1...3, using: &random))
        switch secondaries[request.secondary].manner {
        case .hangs: delay = timeout
        case .slow: delay = timeout * Int.random(in: 1...9, using: &random) / 10
        default: break
        }
        schedule(
            .answer(request, answer), at: now.advanced(by: delay), process: processNumber)
    }

    /// A request that was held is treated as the new manner has it.
    private mutating func setManner(_ manner: SecondaryManner, of number: Int) {
        secondaries[number].manner = manner
        release(number)
    }

    private mutating func release(_ number: Int) {
        guard let held = secondaries[number].held, !secondaries[number].holds(held.request) else {
            return
        }
        secondaries[number].held = nil
        answer(held.request)
    }

    private mutating func copying() {
        for number in secondaries.indices where isCalm || Bool.random(using: &random) {
            let size = secondaries[number].size
            guard process != nil, size < committed else { continue }
            let newSize = isCalm ? committed : Int.random(in: size...committed, using: &random)
            secondaries[number].copy(newSize)
            release(number)
        }
        schedule(.copying, after: Int.random(in: 1...100, using: &random))
    }

    private mutating func weather() {
        guard !isCalm else { return }
        if let number = secondaries.indices.randomElement(using: &random) {
            let bad = SecondaryManner.allCases.randomElement(using: &random) ?? .waits
            setManner(Bool.random(using: &random) ? .waits : bad, of: number)
            if Int.random(in: 0..<5, using: &random) == 0 {
                let isWiped = Bool.random(using: &random)
                let rest = Int.random(in: 0...secondaries[number].size, using: &random)
                secondaries[number].lose(downTo: isWiped ? 0 : rest)
            }
        }
        schedule(.weather, after: Int.random(in: 1...2_000, using: &random))
    }

    // MARK: What must hold

    /// Something that must hold.
    mutating func expect(_ condition: Bool, _ what: String) {
        if !condition, violation == nil { violation = "at \(now.offset): \(what)" }
    }

    private mutating func checkSize(_ process: inout Process) {
        let size = Int(process.replication.size.value)
        expect(size >= process.lastSize, "\(size) leaves count, \(process.lastSize) did")
        expect(size <= process.committed, "\(size) leaves count, \(process.committed) there are")
        let sizes = secondaries.map(\.sizeMax).sorted(by: >)
        let heldSize = quorum == 0 ? process.committed : sizes[quorum - 1]
        expect(size <= max(heldSize, signed), "\(size) leaves count, \(heldSize) were held")
        process.lastSize = size
        promised = max(promised, size)
        // Without secondaries nothing is told.
        if secondaries.isEmpty { process.waiting.removeAll { $0.size <= size } }
    }

    private mutating func takeNotices(_ process: inout Process) {
        let size = Int(process.replication.size.value)
        let notices = process.replication.notices
        process.replication.notices = []
        for notice in notices {
            switch notice {
            case .replicated(let duration):
                let commit = process.waiting.first
                expect(
                    commit.map { $0.size <= size && $0.at.duration(to: now) == duration } ?? false,
                    "\(notice), of \(commit.map { "\($0)" } ?? "no commit")")
                if commit != nil { process.waiting.removeFirst() }
            case .stalled:
                let expected = ReplicationNotice.stalled(
                    size: .of(size), committedSize: .of(process.committed))
                expect(notice == expected && !process.isStalled, "\(notice)")
                process.isStalled = true
                stallCount += 1
            case .resumed:
                expect(notice == .resumed(size: .of(size)) && process.isStalled, "\(notice)")
                process.isStalled = false
            default:
                let expected = process.expected.first
                expect(
                    notice == expected, "\(notice), not \(expected.map { "\($0)" } ?? "nothing")")
                if expected != nil { process.expected.removeFirst() }
            }
        }
        expect(process.expected.isEmpty, "not told: \(process.expected)")
    }

    /// When there is nothing to do, all that there was is told, and something will happen.
    private mutating func checkRest(_ process: Process, _ until: FakeInstant?) {
        let isAllAsked = process.inFlight.count == secondaries.count
        expect(until.map { $0 > now } ?? isAllAsked, "waits for the past, or for nothing")
        let waitsForLong =
            process.waiting.first.map { $0.at.advanced(by: patience) <= now } ?? false
        expect(process.isStalled == waitsForLong, "told that it waits: \(process.isStalled)")
        expect(
            process.waiting.allSatisfy { $0.size > process.lastSize },
            "not told how long replication took")
    }
}
