// SPDX-License-Identifier: BSD-2-Clause

// When tree heads are published, on a clock that a test sets.

import LogService
import TestSupport
import Testing

@Suite struct PublicationScheduleTests {
    typealias Schedule = PublicationSchedule<FakeInstant>

    @Test func theFirstIsDueAtOnce() {
        let schedule = Schedule(interval: .seconds(10), minInterval: .seconds(1))
        for hasNewLeaves in [false, true] {
            let now = FakeInstant.milliseconds(77)
            #expect(schedule.due(hasNewLeaves: hasNewLeaves, now: now) == now)
        }
    }

    @Test func aHeartbeatOrSoonAfterALeaf() {
        var schedule = Schedule(interval: .seconds(10), minInterval: .seconds(1))
        schedule.published(at: .milliseconds(500))
        let now = FakeInstant.milliseconds(700)
        #expect(schedule.due(hasNewLeaves: false, now: now) == .milliseconds(10_500))
        #expect(schedule.due(hasNewLeaves: true, now: now) == .milliseconds(1_500))
        // An idle log: a new leaf is due by then already.
        let later = FakeInstant.milliseconds(9_000)
        #expect(schedule.due(hasNewLeaves: true, now: later) <= later)
    }

    /// A shortest interval above the longest is that.
    @Test func minIntervalIsAtMostTheInterval() {
        var schedule = Schedule(interval: .seconds(2), minInterval: .seconds(5))
        schedule.published(at: .milliseconds(0))
        for hasNewLeaves in [false, true] {
            let due = schedule.due(hasNewLeaves: hasNewLeaves, now: .milliseconds(1))
            #expect(due == .milliseconds(2_000))
        }
    }

    /// A failure is tried again soon, never at once, and is forgotten by the next success.
    @Test(arguments: [0, 10, 100, 1_000]) func failures(minMilliseconds: Int) {
        let minInterval = Duration.milliseconds(minMilliseconds)
        var schedule = Schedule(interval: .seconds(10), minInterval: minInterval)
        let pause = max(minInterval, .milliseconds(100))
        for hasNewLeaves in [false, true] {
            schedule.failed(at: .milliseconds(3_000))
            let now = FakeInstant.milliseconds(3_001)
            let retry = FakeInstant.milliseconds(3_000).advanced(by: pause)
            #expect(schedule.due(hasNewLeaves: hasNewLeaves, now: now) == retry)
        }
        schedule.published(at: .milliseconds(5_000))
        schedule.failed(at: .milliseconds(15_000))
        // Overdue all the while, it waits for the retry, and a pending heartbeat is not hurried.
        let retry = FakeInstant.milliseconds(15_000).advanced(by: pause)
        #expect(schedule.due(hasNewLeaves: false, now: .milliseconds(15_001)) == retry)
        schedule.published(at: .milliseconds(20_000))
        #expect(
            schedule.due(hasNewLeaves: true, now: .milliseconds(20_001))
                == FakeInstant.milliseconds(20_000).advanced(by: minInterval))
    }

    /// Driven as control drives it, with random leaves and failures: two publications are at least
    /// `minInterval` apart and, where nothing fails, at most `interval`; a leaf that comes when the
    /// last is long past is published in the same instant.
    @Test(arguments: 0..<20 as Range<UInt64>) func drivenAtRandom(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        let minInterval = Duration.milliseconds(Int.random(in: 0...1_500, using: &random))
        let interval = Duration.milliseconds(Int.random(in: 1_500...10_000, using: &random))
        let fails = Bool.random(using: &random)
        var schedule = Schedule(interval: interval, minInterval: minInterval)
        var now = FakeInstant()
        var nextLeaf = FakeInstant()
        var hasNewLeaves = false
        var last: FakeInstant?
        var failed: FakeInstant?
        for _ in 0..<3_000 {
            // Whatever comes first: a leaf, or the time to publish.
            let due = schedule.due(hasNewLeaves: hasNewLeaves, now: now)
            guard due <= nextLeaf else {
                now = max(now, nextLeaf)
                nextLeaf = now.advanced(
                    by: .milliseconds(Int.random(in: 0...12_000, using: &random)))
                hasNewLeaves = true
                continue
            }
            now = max(now, due)
            if let failed { #expect(failed.duration(to: now) >= .milliseconds(100)) }
            if fails, Int.random(in: 0..<3, using: &random) == 0 {
                schedule.failed(at: now)
                failed = now
                continue
            }
            if let last {
                let pause = last.duration(to: now)
                #expect(pause >= minInterval)
                #expect(fails || pause <= interval)
                #expect(hasNewLeaves || pause >= interval)
            }
            schedule.published(at: now)
            (last, failed, hasNewLeaves) = (now, nil, false)
        }
        #expect(last != nil)
    }
}
