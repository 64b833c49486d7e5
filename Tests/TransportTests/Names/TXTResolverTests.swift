// SPDX-License-Identifier: BSD-2-Clause
//
// Many who ask at once, look-ups that a test lets go on, and a clock that it moves.

import CLinux
import Reactor
import Synchronization
import SystemPackage
import Testing

@testable import Transport

private func found(_ text: String, ttl: Int = 300) -> TXTAnswer {
    .records([Array(text.utf8)], ttl: .seconds(ttl))
}

/// A resolver whose look-ups wait for the test.
private final class Rig: Sendable {
    let clock = ManualClock()
    /// Names whose look-ups have begun.
    let begun: Channel<String>
    /// What look-ups come to, in the order in which they are let go on.
    let release: Channel<TXTAnswer>
    let answers: Channel<TXTAnswer>
    let durations: Channel<Duration>
    let resolver: TXTResolver

    init(threads: Int = 2, waiters: Int = 100, patience: Duration = .seconds(5)) throws {
        let (begun, release) = (try Channel<String>(), try Channel<TXTAnswer>())
        (self.begun, self.release) = (begun, release)
        answers = try Channel()
        let durations = try Channel<Duration>()
        self.durations = durations
        let limits = LookUpLimits(
            threadCountMax: threads, waiterCountMax: waiters, patience: patience)
        resolver = TXTResolver(
            limits: limits, clock: { [clock] in clock.now }, measure: { durations.send($0) }
        ) { name in
            begun.send(name)
            return release.receive()
        }
    }

    func lookUp(_ name: String) {
        resolver.lookUp(name) { [answers] in answers.send($0) }
    }

    /// Whether no look-up has been begun that the test has not heard of, and nobody was answered.
    var isQuiet: Bool { begun.isEmpty && answers.isEmpty }

    /// Returns when there are no threads.
    func waitForIdleness() {
        while resolver.threadCount > 0 { sched_yield() }
    }
}

@Suite struct TXTResolverTests {
    @Test func aLookUp() throws {
        let rig = try Rig()
        rig.lookUp("a")
        #expect(rig.begun.receive() == "a")
        rig.clock.advance(by: .milliseconds(30))
        rig.release.send(found("1"))
        #expect(rig.answers.receive() == found("1"))
        #expect(rig.durations.receive() == .milliseconds(30))
        rig.waitForIdleness()
        #expect(rig.resolver.counters.found == 1)
        #expect(rig.isQuiet)
    }

    @Test func aCachedAnswerComesAtOnce() throws {
        let rig = try Rig()
        rig.lookUp("a")
        rig.release.send(found("1", ttl: 10))
        #expect(rig.answers.receive() == found("1", ttl: 10))
        // Within the call: nothing else could have put it there.
        rig.lookUp("a")
        #expect(!rig.answers.isEmpty)
        #expect(rig.answers.receive() == found("1", ttl: 10))
        #expect(rig.resolver.counters.cached == 1)

        #expect(rig.begun.receive() == "a")
        rig.clock.advance(by: .seconds(10))
        rig.lookUp("a")
        #expect(rig.begun.receive() == "a")
        rig.release.send(found("2"))
        #expect(rig.answers.receive() == found("2"))
        #expect(rig.resolver.counters.found == 2 && rig.resolver.counters.cached == 1)
    }

    @Test func equalNamesAreLookedUpOnce() throws {
        let rig = try Rig()
        for _ in 0..<5 { rig.lookUp("a") }
        #expect(rig.begun.receive() == "a")
        rig.release.send(.nonexistent(ttl: .zero))
        for _ in 0..<5 { #expect(rig.answers.receive() == .nonexistent(ttl: .zero)) }
        rig.waitForIdleness()
        #expect(rig.isQuiet)
        let counters = rig.resolver.counters
        #expect(counters.nonexistent == 1 && counters.joined == 4 && counters.cached == 0)
    }

    @Test func noMoreLookUpsThanThreads() throws {
        let rig = try Rig(threads: 2)
        for name in ["a", "b", "c", "d", "c"] { rig.lookUp(name) }
        #expect(Set([rig.begun.receive(), rig.begun.receive()]) == ["a", "b"])
        #expect(rig.resolver.threadCount == 2)
        #expect(rig.isQuiet)
        // In the order in which they came.
        rig.release.send(found("1"))
        #expect(rig.answers.receive() == found("1"))
        #expect(rig.begun.receive() == "c")
        rig.release.send(found("2"))
        #expect(rig.begun.receive() == "d")
        rig.release.send(found("3"))
        rig.release.send(found("4"))
        // Two of them waited for c.
        let rest = (0..<4).map { _ in rig.answers.receive() }
        #expect(Set(rest) == [found("2"), found("3"), found("4")])
        rig.waitForIdleness()
        #expect(rig.isQuiet)
    }

    @Test func tooManyAreRefused() throws {
        let rig = try Rig(threads: 1, waiters: 3)
        for name in ["a", "b", "a"] { rig.lookUp(name) }
        for name in ["c", "a", "b"] {
            rig.lookUp(name)
            #expect(!rig.answers.isEmpty)
            #expect(rig.answers.receive() == .failure(.overloaded))
        }
        #expect(rig.resolver.counters.refused == 3)
        rig.release.send(found("1"))
        rig.release.send(found("2"))
        #expect((0..<3).map { _ in rig.answers.receive() } == [found("1"), found("1"), found("2")])
        // There is room again, and a refusal is not remembered.
        rig.lookUp("c")
        rig.release.send(found("3"))
        #expect(rig.answers.receive() == found("3"))
        // What is cached is answered in any case.
        rig.lookUp("a")
        #expect(rig.answers.receive() == found("1"))
    }

    /// Name servers that do not answer hold all threads; who has waited for one too long is not
    /// looked up any more.
    @Test func nobodyWaitsForLong() throws {
        let rig = try Rig(threads: 1, patience: .seconds(5))
        rig.lookUp("a")
        #expect(rig.begun.receive() == "a")
        for name in ["b", "c", "b"] { rig.lookUp(name) }
        rig.clock.advance(by: .seconds(1))
        rig.lookUp("d")
        rig.clock.advance(by: .seconds(5))
        rig.release.send(.failure(.unanswered))
        #expect(rig.answers.receive() == .failure(.unanswered))
        for _ in 0..<3 { #expect(rig.answers.receive() == .failure(.overloaded)) }
        #expect(rig.begun.receive() == "d")
        rig.release.send(found("1"))
        #expect(rig.answers.receive() == found("1"))
        rig.waitForIdleness()
        let counters = rig.resolver.counters
        #expect(counters.refused == 3 && counters.failed == 1 && counters.found == 1)
    }

    @Test func threadsEndAndBeginAgain() throws {
        let rig = try Rig()
        for round in 0..<20 {
            rig.lookUp("\(round)")
            #expect(rig.begun.receive() == "\(round)")
            rig.release.send(found("a"))
            #expect(rig.answers.receive() == found("a"))
            rig.waitForIdleness()
        }
    }

    @Test func stoppingTellsAll() throws {
        let rig = try Rig(threads: 1)
        for name in ["a", "b", "a"] { rig.lookUp(name) }
        #expect(rig.begun.receive() == "a")
        rig.resolver.stop()
        for _ in 0..<3 {
            #expect(!rig.answers.isEmpty)
            #expect(rig.answers.receive() == .failure(.stopped))
        }
        rig.lookUp("c")
        #expect(rig.answers.receive() == .failure(.stopped))
        // The look-up that was under way tells nobody, and no other begins.
        rig.release.send(found("1"))
        rig.waitForIdleness()
        #expect(rig.isQuiet)
        rig.resolver.stop()
        #expect(rig.isQuiet)
    }

    /// A callback that asks again, on whatever thread it is called.
    @Test func aCallbackMayAskAgain() throws {
        let rig = try Rig(threads: 1)
        rig.resolver.lookUp("v1") { [rig] answer in
            #expect(answer == .nonexistent(ttl: .zero))
            rig.resolver.lookUp("v0") { [rig] answer in
                rig.answers.send(answer)
                rig.lookUp("v0")
            }
        }
        rig.release.send(.nonexistent(ttl: .zero))
        rig.release.send(found("1"))
        #expect(rig.answers.receive() == found("1"))
        #expect(rig.answers.receive() == found("1"))
        #expect(rig.begun.receive() == "v1")
        #expect(rig.begun.receive() == "v0")
    }

    /// Many threads ask for few names, all are answered once, and nothing is left behind.
    @Test func allAreAnsweredOnce() throws {
        let (askers, rounds) = (8, 500)
        let resolver = TXTResolver(
            limits: LookUpLimits(
                threadCountMax: 3, patience: .seconds(1_000), cacheByteCountMax: 0),
            measure: { _ in }
        ) { found($0) }
        let (right, wrong) = (Tally(), Tally())
        let threads = try (0..<askers).map { asker in
            let threads = try Channel<Void>()
            let thread = try JoinableThread(name: "asker") {
                for round in 0..<rounds {
                    let name = "\((asker + round) % 20)"
                    resolver.lookUp(name) { ($0 == found(name) ? right : wrong).add() }
                }
                threads.send(())
            }
            thread.detach()
            return threads
        }
        for thread in threads { thread.receive() }
        while right.count + wrong.count < askers * rounds { sched_yield() }
        while resolver.threadCount > 0 { sched_yield() }
        #expect(right.count + wrong.count == askers * rounds)
        #expect(wrong.count == resolver.counters.refused)
        #expect(
            resolver.counters.found + resolver.counters.joined + wrong.count
                == askers * rounds)
    }

    @Test func theWholeWay() throws {
        let server = try NameServer(datagrams: { question in
            [DNSMessage(answers: [.text("key")]).bytes(to: question)]
        })
        let resolver = TXTResolver(
            TXTQuery(timeLimit: .seconds(60), recordCountMax: 10, servers: [server.address]),
            measure: { #expect($0 > .zero) })
        let answers = try Channel<TXTAnswer>()
        for _ in 0..<3 {
            resolver.lookUp("_sigsum_v1.example") { answers.send($0) }
            #expect(answers.receive() == found("key"))
        }
        #expect(server.asked.count == 1)
    }
}

private final class Tally: Sendable {
    private let value = Atomic(0)
    var count: Int { value.load(ordering: .sequentiallyConsistent) }
    func add() { value.add(1, ordering: .sequentiallyConsistent) }
}

extension LookUpQueue.Outcome: Equatable where Waiter == Int {
    static func == (left: Self, right: Self) -> Bool {
        left.answered == right.answered && left.overdue == right.overdue && left.next == right.next
    }
}

@Suite struct LookUpQueueTests {
    private let now = MonotonicInstant(nanoseconds: 0)

    /// With one thread that could not be had, those who wait behind it would wait for ever.
    @Test func aLookUpThatWasNotBegun() {
        var queue = LookUpQueue<Int>(LookUpLimits(threadCountMax: 1))
        #expect(queue.admit(1, name: "a", at: now) == .begin)
        #expect(queue.admit(2, name: "b", at: now) == .queued)
        #expect(queue.admit(3, name: "a", at: now) == .joined)
        #expect(Set(queue.abandon("a")) == [1, 2, 3])
        #expect(queue.activeCount == 0)
        #expect(queue.admit(4, name: "b", at: now) == .begin)
    }

    @Test func othersGoOn() {
        var queue = LookUpQueue<Int>(LookUpLimits(threadCountMax: 2))
        #expect(queue.admit(1, name: "a", at: now) == .begin)
        #expect(queue.admit(2, name: "b", at: now) == .begin)
        #expect(queue.admit(3, name: "c", at: now) == .queued)
        #expect(queue.abandon("b") == [2])
        let outcome = queue.finish("a", .failure(.unanswered), at: now)
        #expect(outcome == .init(answered: [1], next: "c"))
        #expect(queue.admit(4, name: "a", at: now) == .cached(.failure(.unanswered)))
        #expect(queue.finish("c", .failure(.unanswered), at: now) == .init(answered: [3]))
        #expect(queue.activeCount == 0)
    }
}
