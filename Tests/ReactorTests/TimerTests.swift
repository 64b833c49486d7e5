// SPDX-License-Identifier: BSD-2-Clause
//
// Timers against a clock that the test moves, and the queue behind them.

import Synchronization
import Testing

@testable import Reactor

@Suite struct TimerTests {
    @Test func timersFireByDeadlineAndThenInTheOrderScheduled() throws {
        let clock = ManualClock()
        let reactor = try Reactor(clock: { clock.now })
        var fired: [Int] = []
        let start = clock.now
        for (number, seconds) in [(1, 3), (2, 1), (3, 2), (4, 1)] {
            _ = reactor.schedule(at: start.advanced(by: .seconds(seconds))) {
                fired.append(number)
            }
        }
        _ = reactor.schedule(at: start.advanced(by: .seconds(4))) { reactor.stop() }
        clock.advance(by: .seconds(5))
        reactor.run()
        #expect(fired == [2, 4, 3, 1])
    }

    @Test func aTimerDoesNotFireBeforeItsDeadline() throws {
        let clock = ManualClock()
        let reactor = try Reactor(clock: { clock.now })
        var fired = false
        _ = reactor.schedule(at: clock.now.advanced(by: .nanoseconds(1))) { fired = true }
        reactor.post {
            // A job comes after the timers of its iteration, and the next iteration after it.
            reactor.post {
                reactor.stop()
            }
        }
        reactor.run()
        #expect(!fired)
    }

    /// Else an idle server would poll without a pause from the time on at which the deadline of its
    /// last connection would have come.
    @Test(arguments: [false, true])
    func aCancelledTimerIsNotWaitedFor(hasOther: Bool) throws {
        let clock = ManualClock()
        let reactor = try Reactor(clock: { clock.now })
        let start = clock.now
        let doomed = reactor.schedule(at: start.advanced(by: .seconds(1))) {}
        if hasOther { _ = reactor.schedule(at: start.advanced(by: .seconds(3))) {} }
        reactor.cancel(doomed)
        clock.advance(by: .seconds(2))
        let timeout = Atomic<Int32>(0)
        reactor.post {
            reactor.post {
                // In the iteration after the one that saw the time.
                timeout.store(reactor.pollTimeout, ordering: .relaxed)
                reactor.stop()
            }
        }
        reactor.run()
        #expect(timeout.load(ordering: .relaxed) == (hasOther ? 1000 : -1))
    }

    @Test func aCancelledTimerDoesNotFire() throws {
        let clock = ManualClock()
        let reactor = try Reactor(clock: { clock.now })
        var fired: [Int] = []
        let start = clock.now
        let doomed = reactor.schedule(at: start.advanced(by: .seconds(1))) { fired.append(1) }
        let later = reactor.schedule(at: start.advanced(by: .seconds(3))) { fired.append(3) }
        _ = reactor.schedule(at: start.advanced(by: .seconds(2))) {
            fired.append(2)
            reactor.cancel(later)
        }
        _ = reactor.schedule(at: start.advanced(by: .seconds(4))) {
            // One that has fired is no harm to cancel, nor is one that was cancelled.
            reactor.cancel(later)
            reactor.stop()
        }
        reactor.cancel(doomed)
        reactor.cancel(doomed)
        clock.advance(by: .seconds(5))
        reactor.run()
        #expect(fired == [2])
    }

    @Test func aTimerThatIsAlwaysDueStarvesNobody() throws {
        let clock = ManualClock()
        let reactor = try Reactor(clock: { clock.now })
        let pair = try SocketPair()
        func again() {
            _ = reactor.schedule(at: clock.now) { again() }
        }
        again()
        pair.sendByte()
        let handler = ClosureHandler { _, _ in reactor.stop() }
        _ = try reactor.register(pair.near, for: .read, handler: handler)
        reactor.run()
    }

    @Test func theRealClockEndsAPoll() throws {
        let reactor = try Reactor()
        let deadline = reactor.now.advanced(by: .milliseconds(2))
        _ = reactor.schedule(at: deadline) {
            #expect(reactor.now >= deadline)
            reactor.stop()
        }
        reactor.run()
    }

    @Test func cancelledEntriesAreSweptOut() {
        var queue = TimerQueue()
        let start = MonotonicInstant(nanoseconds: 0)
        let kept = queue.schedule(at: start.advanced(by: .seconds(7)), .call {})
        for second in 0..<10_000 {
            queue.cancel(queue.schedule(at: start.advanced(by: .seconds(second)), .call {}))
        }
        #expect(queue.count == 1)
        #expect(queue.entryCount < 100)
        #expect(queue.popDue(at: start.advanced(by: .seconds(6))) == nil)
        #expect(queue.popDue(at: start.advanced(by: .seconds(7))) != nil)
        queue.cancel(kept)
        #expect(queue.count == 0)
    }

    @Test(
        arguments: [
            (0, 1, 1), (5, -3, 2), (.max, 1, .max), (.min, -1, .min), (.max - 1, .max, .max),
        ] as [(Int64, Int64, Int64)])
    func instantsSaturate(start: Int64, step: Int64, end: Int64) {
        let instant = MonotonicInstant(nanoseconds: start)
        #expect(instant.advanced(byNanoseconds: step).nanoseconds == end)
        #expect(instant.advanced(by: .nanoseconds(step)).nanoseconds == end)
    }

    @Test(
        arguments: [
            (.seconds(2), 2_000_000_000), (.milliseconds(-1), -1_000_000),
            (.seconds(Int64.max), .max), (.seconds(Int64.min), .min),
            (Duration(secondsComponent: 0, attosecondsComponent: 1_999_999_999), 1),
        ] as [(Duration, Int64)])
    func durationsBecomeNanoseconds(duration: Duration, nanoseconds: Int64) {
        #expect(duration.nanosecondsClamped == nanoseconds)
    }
}
