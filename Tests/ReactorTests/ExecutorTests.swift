// SPDX-License-Identifier: BSD-2-Clause
//
// Work that comes from other threads: posted jobs, actors that live on a reactor or on a thread of
// their own, sleeping tasks, and what becomes of all of them at the end.

import Reactor
import Synchronization
import Testing

/// An actor that lives where its test says.
private actor Resident {
    private let executor: any SerialExecutor
    private(set) var visits: [Int] = []

    init(on executor: any SerialExecutor) {
        self.executor = executor
    }

    nonisolated var unownedExecutor: UnownedSerialExecutor {
        unsafe executor.asUnownedSerialExecutor()
    }

    func visit(_ number: Int) {
        visits.append(number)
    }

    func check(_ isOnThread: @Sendable () -> Bool) -> Bool {
        isOnThread()
    }

    nonisolated func assumeHome() -> [Int] {
        // Asks the executor's checkIsolated when no task of this actor is running.
        assumeIsolated { $0.visits }
    }

    func sleep(on reactor: Reactor, until deadline: MonotonicInstant, then number: Int) async throws
    {
        try await reactor.sleep(until: deadline)
        visits.append(number)
    }
}

@Suite struct ExecutorTests {
    @Test func jobsOfManyThreadsRunOnceEachAndInTheOrderOfTheirThread() throws {
        let reactor = try Reactor()
        let threadCount = 8
        let jobCount = 2_000
        let seen = Mutex([[Int]](repeating: [], count: threadCount))
        let running = try ReactorThread(name: "test-reactor", running: reactor)
        let posters = try (0..<threadCount).map { try ThreadExecutor(name: "poster-\($0)") }
        for (thread, poster) in posters.enumerated() {
            poster.post {
                for job in 0..<jobCount {
                    reactor.post {
                        if !reactor.isOnThread { Issue.record("not on the reactor's thread") }
                        seen.withLock { $0[thread].append(job) }
                    }
                }
            }
        }
        posters.forEach { $0.stop() }
        running.stopAndJoin()
        #expect(seen.withLock { $0 } == Array(repeating: Array(0..<jobCount), count: threadCount))
    }

    @Test func aJobThatPostsFromTheLoopGetsItsTurn() throws {
        let reactor = try Reactor()
        let count = Atomic(0)
        @Sendable func again() {
            if count.add(1, ordering: .relaxed).newValue == 1_000 { return reactor.stop() }
            reactor.post(again)
        }
        reactor.post(again)
        reactor.run()
        #expect(count.load(ordering: .relaxed) == 1_000)
    }

    @Test func whatIsQueuedAtTheEndRunsAndWhatComesLaterIsDropped() throws {
        let reactor = try Reactor()
        let seen = Mutex<[Int]>([])
        reactor.stop()
        reactor.post {
            seen.withLock { $0.append(1) }
            reactor.post { seen.withLock { $0.append(2) } }
        }
        reactor.run()
        reactor.post { seen.withLock { $0.append(3) } }
        #expect(seen.withLock { $0 } == [1, 2])
    }

    @Test func anActorLivesOnItsReactor() async throws {
        let reactor = try Reactor()
        let running = try ReactorThread(name: "test-reactor", running: reactor)
        let resident = Resident(on: reactor)
        for number in 0..<100 {
            await resident.visit(number)
        }
        #expect(await resident.visits == Array(0..<100))
        #expect(await resident.check { reactor.isOnThread })
        let visits = await withCheckedContinuation { continuation in
            reactor.post { continuation.resume(returning: resident.assumeHome()) }
        }
        #expect(visits.count == 100)
        running.stopAndJoin()
    }

    @Test func anActorLivesOnItsThread() async throws {
        let executor = try ThreadExecutor(name: "test-thread")
        let resident = Resident(on: executor)
        await withTaskGroup { group in
            for number in 0..<100 {
                group.addTask { await resident.visit(number) }
            }
        }
        #expect(await resident.visits.sorted() == Array(0..<100))
        #expect(await resident.check { executor.isOnThread })
        #expect(!executor.isOnThread)
        executor.stop()
        executor.stop()
    }

    @Test func aThreadFinishesItsQueueBeforeItEnds() throws {
        let executor = try ThreadExecutor(name: "test-thread")
        let seen = Mutex<[Int]>([])
        for number in 0..<1_000 {
            executor.post { seen.withLock { $0.append(number) } }
        }
        executor.post { executor.post { seen.withLock { $0.append(1_000) } } }
        executor.stop()
        executor.post { seen.withLock { $0.append(1_001) } }
        #expect(seen.withLock { $0 } == Array(0...1_000))
    }

    @Test func sleepersWakeByDeadline() async throws {
        let clock = ManualClock()
        let reactor = try Reactor(clock: { clock.now })
        let running = try ReactorThread(name: "test-reactor", running: reactor)
        let resident = Resident(on: reactor)
        let start = clock.now
        try await withThrowingTaskGroup { group in
            for number in [3, 1, 2] {
                group.addTask {
                    let deadline = start.advanced(by: .seconds(number))
                    try await resident.sleep(on: reactor, until: deadline, then: number)
                }
            }
            // Moved a second at a time, and only when the sleeper before has been seen awake.
            for number in 1...3 {
                clock.advance(by: .seconds(1))
                reactor.post {}
                while await resident.visits.count < number { reactor.post {} }
            }
            try await group.waitForAll()
        }
        #expect(await resident.visits == [1, 2, 3])
        running.stopAndJoin()
    }

    @Test(arguments: [true, false])
    func aCancelledSleepEnds(isCancelledBefore: Bool) async throws {
        let reactor = try Reactor()
        let running = try ReactorThread(name: "test-reactor", running: reactor)
        let sleep = Task {
            if isCancelledBefore { unsafe withUnsafeCurrentTask { unsafe $0?.cancel() } }
            try await reactor.sleep(until: reactor.clockEnd)
        }
        if !isCancelledBefore { sleep.cancel() }
        await #expect(throws: CancellationError.self) { try await sleep.value }
        running.stopAndJoin()
    }

    @Test func theEndOfTheReactorEndsEverySleep() async throws {
        let reactor = try Reactor()
        let running = try ReactorThread(name: "test-reactor", running: reactor)
        let sleeps = (0..<10).map { _ in
            Task { try await reactor.sleep(until: reactor.clockEnd) }
        }
        running.stopAndJoin()
        let late = Task { try await reactor.sleep(until: reactor.clockEnd) }
        for sleep in sleeps + [late] {
            await #expect(throws: CancellationError.self) { try await sleep.value }
        }
    }

    @Test func theWrongThreadIsCaught() async {
        await #expect(processExitsWith: .failure) {
            let reactor = try Reactor()
            let running = try ReactorThread(name: "test-reactor", running: reactor)
            reactor.checkIsolated()
            running.stopAndJoin()
        }
        await #expect(processExitsWith: .failure) {
            let executor = try ThreadExecutor(name: "test-thread")
            executor.checkIsolated()
            executor.stop()
        }
    }
}

extension Reactor {
    /// A deadline that does not come.
    fileprivate var clockEnd: MonotonicInstant { MonotonicInstant(nanoseconds: .max) }
}
