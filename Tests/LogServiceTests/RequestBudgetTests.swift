// SPDX-License-Identifier: BSD-2-Clause

// What a witness grants is never exceeded, on a clock that a test sets.

import LogCrypto
import MerkleLog
import SigsumFormats
import TestSupport
import Testing

@testable import LogService

@Suite struct RequestBudgetTests {
    typealias Budget = RequestBudget<FakeInstant>

    static let day = Duration.seconds(86_400)

    /// Takes requests until there are none.
    private func drain(
        _ budget: inout Budget, for purpose: Budget.Purpose, now: FakeInstant
    ) -> [Budget.Share] {
        var shares: [Budget.Share] = []
        while let share = budget.take(for: purpose, now: now), shares.count < 20_000 {
            shares.append(share)
        }
        return shares
    }

    @Test(arguments: [(8640, 20), (86_400, 2), (1, 172_800), (3, 57_600)])
    func costOfARequest(requestsPerDay: Int, seconds: Int) {
        let budget = Budget(requestsPerDay: requestsPerDay, saved: nil, now: FakeInstant())
        #expect(budget.cost == .seconds(seconds))
    }

    @Test func nothingTrapsForAnyNumberGranted() {
        for requestsPerDay in [1, 2, 1_000_000_007, .max] {
            var budget = Budget(requestsPerDay: requestsPerDay, saved: nil, now: FakeInstant())
            #expect(budget.cost > .zero)
            #expect(budget.leavesLeft(now: FakeInstant()) >= 1)
            #expect(budget.take(for: .leaves, now: FakeInstant()) != nil)
            #expect(budget.available(for: .heartbeat, now: FakeInstant()) > FakeInstant())
        }
    }

    /// A new witness: one heartbeat, and half a day's grant for leaves.
    @Test func fullAtFirst() {
        let now = FakeInstant.milliseconds(5)
        var budget = Budget(requestsPerDay: 8640, saved: nil, now: now)
        #expect(budget.leavesLeft(now: now) == 4320)
        var other = budget
        #expect(drain(&budget, for: .heartbeat, now: now) == [.heartbeats])
        #expect(budget.leavesLeft(now: now) == 4320)
        let shares = drain(&other, for: .leaves, now: now)
        #expect(shares.first == .heartbeats)
        #expect(shares.dropFirst().allSatisfy { $0 == .leaves } && shares.count == 4321)
        #expect(other.leavesLeft(now: now) == 0 && other.saved(now: now) == .zero)
    }

    /// A request for the smallest grant takes two days, and still one is possible.
    @Test func oneADay() {
        var budget = Budget(requestsPerDay: 1, saved: nil, now: FakeInstant())
        #expect(drain(&budget, for: .leaves, now: FakeInstant()) == [.heartbeats, .leaves])
        let later = FakeInstant().advanced(by: Self.day * 2)
        #expect(budget.available(for: .leaves, now: FakeInstant()) == later)
        #expect(drain(&budget, for: .leaves, now: later).count == 2)
    }

    /// With nothing saved the shares yield by turns: a busy log has a tree head every ten seconds,
    /// and not two every twenty.
    @Test func onceDrainedTheSharesTakeTurns() {
        var now = FakeInstant()
        var budget = Budget(requestsPerDay: 8640, saved: nil, now: now)
        _ = drain(&budget, for: .leaves, now: now)
        for _ in 0..<100 {
            let next = budget.available(for: .leaves, now: now)
            let taken = budget.take(for: .leaves, now: next)
            #expect(taken != nil)
            if now > FakeInstant.milliseconds(30_000) {
                #expect(now.duration(to: next) == .seconds(10))
            }
            now = next
        }
        // A pause, and there is something saved again: no more turns.
        now = now.advanced(by: .seconds(100))
        #expect(drain(&budget, for: .leaves, now: now).count >= 5)
    }

    @Test func whatIsAvailableCanBeTakenThenAndNotBefore() {
        var random = SeededGenerator(seed: 7)
        for _ in 0..<40 {
            let requestsPerDay = Int.random(in: 1...20_000, using: &random)
            var now = FakeInstant()
            var budget = Budget(requestsPerDay: requestsPerDay, saved: .zero, now: now)
            for _ in 0..<50 {
                let purpose: Budget.Purpose = Bool.random(using: &random) ? .leaves : .heartbeat
                let time = budget.available(for: purpose, now: now)
                #expect(time >= now)
                if time > now {
                    #expect(budget.take(for: purpose, now: now) == nil)
                    let shortlyBefore = time.advanced(by: .nanoseconds(-1))
                    if shortlyBefore > now {
                        #expect(budget.take(for: purpose, now: shortlyBefore) == nil)
                    }
                }
                now = time
                #expect(budget.available(for: purpose, now: now) == now)
                #expect(budget.take(for: purpose, now: now) != nil)
                now = now.advanced(
                    by: .milliseconds(Int.random(in: 0...200_000, using: &random)))
            }
        }
    }

    /// Heartbeats cannot be saved up, and never use what is for leaves.
    @Test func heartbeatsLeaveTheLeavesAlone() {
        var now = FakeInstant()
        var budget = Budget(requestsPerDay: 8640, saved: nil, now: now)
        for _ in 0..<100 {
            now = now.advanced(by: .seconds(50))
            #expect(drain(&budget, for: .heartbeat, now: now) == [.heartbeats])
        }
        #expect(budget.leavesLeft(now: now) == 4320)
    }

    /// However requests are mixed, over any time: what was saved, a heartbeat, and the grant.
    @Test(arguments: 0..<20 as Range<UInt64>) func neverMoreThanIsGranted(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        let requestsPerDay = Int.random(in: 1...100_000, using: &random)
        let saved = Duration.seconds(Int.random(in: 0...100_000, using: &random))
        var now = FakeInstant()
        var budget = Budget(requestsPerDay: requestsPerDay, saved: saved, now: now)
        let cost = budget.cost
        let start = min(saved, max(Self.day, cost)) + cost
        var count = 0
        for _ in 0..<2_000 {
            now = now.advanced(
                by: .milliseconds(
                    Int.random(in: 0...(200_000_000 / requestsPerDay), using: &random)))
            let purpose: Budget.Purpose =
                Int.random(in: 0..<4, using: &random) == 0
                ? .heartbeat : .leaves
            if budget.take(for: purpose, now: now) != nil { count += 1 }
            #expect(cost * count <= start + now.offset * 2)
        }
        #expect(count > 0)
    }

    /// Who always asks settles at what is granted.
    @Test func aBusyLogSettlesAtTheGrant() {
        var now = FakeInstant()
        var budget = Budget(requestsPerDay: 8640, saved: .zero, now: now)
        _ = drain(&budget, for: .leaves, now: now)
        var count = 0
        while now.offset < Self.day {
            now = budget.available(for: .leaves, now: now)
            guard now.offset <= Self.day else { break }
            while budget.take(for: .leaves, now: now) != nil { count += 1 }
        }
        // The shares take turns, so one of them may be half a turn behind at the end.
        #expect((8639...8640).contains(count))
    }

    @Test func whatWasNotSentIsGivenBack() {
        let now = FakeInstant()
        var budget = Budget(
            requestsPerDay: 8640, saved: .seconds(10), elapsed: .seconds(20), now: now)
        for share in [Budget.Share.heartbeats, .leaves] {
            #expect(budget.take(for: .leaves, now: now) == share)
        }
        #expect(budget.take(for: .leaves, now: now) == nil)
        budget.giveBack(.leaves)
        #expect(budget.take(for: .heartbeat, now: now) == nil)
        #expect(budget.take(for: .leaves, now: now) == .leaves)
        budget.giveBack(.heartbeats)
        #expect(budget.take(for: .heartbeat, now: now) == .heartbeats)
        // Never more than there can be.
        for _ in 0..<9 { budget.giveBack(.heartbeats) }
        #expect(drain(&budget, for: .heartbeat, now: now).count == 1)
        for _ in 0..<9_000 { budget.giveBack(.leaves) }
        #expect(budget.leavesLeft(now: now) == 4320)
    }

    @Test func aClockThatStepsBackGivesNothing() {
        let start = FakeInstant.milliseconds(1_000_000)
        var budget = Budget(requestsPerDay: 8640, saved: .zero, now: start)
        _ = drain(&budget, for: .leaves, now: start)
        for step in [-900_000, -500_000, -900_000, -1] {
            let now = start.advanced(by: .milliseconds(step))
            #expect(budget.take(for: .leaves, now: now) == nil)
            #expect(budget.available(for: .leaves, now: now) > now)
        }
        let later = start.advanced(by: .seconds(20))
        #expect(budget.take(for: .leaves, now: later) != nil)
    }

    /// A share that holds n requests has n left, also when a request costs no whole number.
    @Test(arguments: [1, 7, 49, 8640, 9_999, 86_399]) func left(requestsPerDay: Int) {
        let now = FakeInstant()
        var budget = Budget(requestsPerDay: requestsPerDay, saved: nil, now: now)
        #expect(budget.take(for: .heartbeat, now: now) == .heartbeats)
        var left = budget.leavesLeft(now: now)
        #expect(left == max(requestsPerDay / 2, 1))
        while budget.take(for: .leaves, now: now) != nil {
            #expect(budget.leavesLeft(now: now) == left - 1)
            left -= 1
        }
        #expect(left == 0)
    }

    @Test(
        arguments: [
            (1_000, 1_000, 0), (1_000, 1_500, 500), (0, UInt64(Int64.max), UInt64(Int64.max)),
            // The time of day went back, or was wrong when the record was made.
            (2_000, 1_000, 0), (UInt64(Int64.max), 1_000, 0),
        ] as [(UInt64, UInt64, UInt64)])
    func elapsed(seen: UInt64, unixMilliseconds: UInt64, elapsed: UInt64) {
        let record = WitnessRecordTimes(saved: 7, seen: seen).record
        #expect(record.saved == .milliseconds(7))
        #expect(record.elapsed(unixMilliseconds: unixMilliseconds) == .milliseconds(elapsed))
    }

    /// A process that starts has what was saved, and what was granted since.
    @Test(arguments: [
        (0, 0, 0, 0), (50, 0, 0, 2), (50, 10, 0, 3), (10, 20, 1, 1), (0, 86_500, 1, 4320),
    ])
    func keptOverARestart(saved: Int, elapsed: Int, heartbeats: Int, leaves: Int) {
        var budget = Budget(
            requestsPerDay: 8640, saved: .seconds(saved), elapsed: .seconds(elapsed),
            now: FakeInstant())
        #expect(budget.leavesLeft(now: FakeInstant()) == leaves)
        #expect(drain(&budget, for: .heartbeat, now: FakeInstant()).count == heartbeats)
    }

    /// The largest numbers that a record can have.
    @Test func nothingOverflows() {
        let largest = UInt64(Int64.max)
        let record = WitnessRecordTimes(saved: largest, seen: 0).record
        let budget = Budget(
            requestsPerDay: 8640, saved: record.saved,
            elapsed: record.elapsed(unixMilliseconds: UInt64.max), now: FakeInstant())
        #expect(budget.leavesLeft(now: FakeInstant()) == 4320)
    }
}

/// The two times of a witness's record.
struct WitnessRecordTimes: Sendable {
    let saved: UInt64
    let seen: UInt64

    var record: WitnessRecord {
        WitnessRecord(
            keyHash: KeyHash(bytes: FixedBytes()), size: .zero, savedMilliseconds: saved,
            seenMilliseconds: seen,
            keyName: nil)
    }
}
