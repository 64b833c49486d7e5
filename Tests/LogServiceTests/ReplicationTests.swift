// SPDX-License-Identifier: BSD-2-Clause

// What a primary makes of its secondaries, case by case; whole histories are in the simulation.

import MerkleLog
import Testing

@testable import LogService

@Suite struct ReplicationTests {
    // MARK: What counts

    /// What the secondaries have, nil for one that is silent, of 9 committed leaves.
    @Test(
        arguments: [
            (1, [nil], 0), (1, [0], 0), (1, [5], 5), (1, [9], 9),
            (1, [nil, 5], 5), (1, [3, 5], 5), (2, [3, 5], 3), (2, [5, nil], 0),
            (1, [2, 9, 4], 9), (2, [2, 9, 4], 4), (3, [2, 9, 4], 2), (2, [nil, 9, 9], 9),
            (2, [7, nil, nil], 0), (3, [9, 9, nil], 0), (3, [6, 1, 8, 7, 2], 6),
        ] as [(Int, [Int?], Int)])
    func theLargestSizesOfAQuorum(quorum: Int, sizes: [Int?], expected: Int) throws {
        var rig = ReplicationRig(sizes.count, quorum: quorum)
        rig.commit(9)
        for (number, size) in sizes.enumerated() {
            try rig.answer(size.map { .holds($0) } ?? .failed(reason: "away"), from: number)
        }
        #expect(rig.size == expected)
        for (number, size) in sizes.enumerated() {
            #expect(rig.replication.heldSize(number) == .of(size ?? 0))
        }
    }

    @Test func withoutSecondariesWhatIsCommitted() {
        var rig = ReplicationRig(0, quorum: 0, committed: 7, signed: 3)
        #expect(rig.size == 7 && rig.deadline == nil)
        rig.commit(8)
        rig.commit(8)
        #expect(rig.size == 8 && rig.deadline == nil && rig.requests.isEmpty)
        #expect(rig.takeNotices() == [])
    }

    /// A secondary may say that it has leaves before their commit is reported here.
    @Test func anAnswerBeforeTheCommitIsHeardOf() throws {
        var rig = ReplicationRig(1, quorum: 1)
        try rig.answer(.holds(4))
        #expect(rig.size == 0)
        rig.commit(3)
        #expect(rig.size == 3)
        rig.commit(5)
        #expect(rig.size == 4)
        try rig.answer(.holds(5))
        #expect(rig.size == 5)
        #expect(
            rig.takeNotices()
                == [.replicated(after: .zero), .replicated(after: .milliseconds(2))])
    }

    @Test(
        arguments: [
            .holds(0), .holds(3), .rejected(.signature), .failed(reason: "no"), .connectionGone,
        ] as [SecondaryAnswer])
    func whatCountsNeverGoesBack(answer: SecondaryAnswer) throws {
        var rig = ReplicationRig(2, quorum: 1)
        rig.commit(6)
        try rig.answer(.holds(5), from: 0)
        try rig.answer(answer, from: 0)
        #expect(rig.size == 5)
        try rig.answer(.holds(4), from: 1)
        #expect(rig.size == 5)
        try rig.answer(.holds(6), from: 1)
        #expect(rig.size == 6)
    }

    /// Before it ended, the process before may have answered 200 for any committed leaf. A tree head
    /// without one of these must not be signed: not before the quorum has them all does more count
    /// than was signed.
    @Test func whatTheProcessBeforeMayHaveSaid() throws {
        var rig = ReplicationRig(3, quorum: 2, committed: 6, signed: 3)
        #expect(rig.size == 3)
        try rig.answer(.holds(6), from: 0)
        try rig.answer(.holds(4), from: 2)
        #expect(rig.size == 3, "leaf 5 is on secondaries 0 and 1")
        rig.commit(8)
        try rig.answer(.holds(8), from: 0)
        try rig.answer(.holds(5), from: 2)
        #expect(rig.size == 3)
        try rig.answer(.holds(6), from: 1)
        #expect(rig.size == 6)
        try rig.answer(.holds(7), from: 1)
        #expect(rig.size == 7)
    }

    /// What the threads that answer add-leaf see of it.
    @Test func theSizeThatIsShared() {
        let all = ReplicatedSize(nil)
        #expect(all.covers(LeafIndex(0)) && all.covers(TreeSize.max.nextIndex))
        all.advance(to: .of(3))
        #expect(all.current == nil && all.covers(LeafIndex(3)))
        let some = ReplicatedSize(.of(3))
        #expect(some.current == .of(3) && some.covers(LeafIndex(2)) && !some.covers(LeafIndex(3)))
        some.advance(to: .of(3))
        some.advance(to: .of(5))
        #expect(some.current == .of(5) && some.covers(LeafIndex(4)) && !some.covers(LeafIndex(5)))
    }

    // MARK: Requests

    /// After anything but an answer it may have begun anew, with less than it had; then it must not hold
    /// the request until it has that again.
    @Test func whatIsKnownIsAskedFor() throws {
        var rig = ReplicationRig(1, quorum: 1, interval: .milliseconds(100))
        rig.commit(9)
        var known: [Int?] = []
        for answer in [
            .failed(reason: ""), .connectionGone, .holds(0), .holds(5), .failed(reason: ""),
            .connectionGone, .holds(4), .rejected(.signature), .failed(reason: ""), .holds(7),
        ] as [SecondaryAnswer] {
            try rig.answer(answer)
            rig.advance(.milliseconds(100))
            known.append(rig.inFlight[0]?.knownSize.map { Int($0.value) })
        }
        #expect(known == [nil, nil, 0, 5, nil, nil, 4, nil, nil, 7])
    }

    /// An answer, so many milliseconds after its request, and at what time the next request is made.
    typealias Turn = (answer: SecondaryAnswer, after: Int, next: Int)

    /// The requests to one secondary.
    struct Pace: Sendable, CustomTestStringConvertible {
        let testDescription: String
        var interval = 10_000
        let turns: [Turn]
    }

    static let failed = SecondaryAnswer.failed(reason: "away")
    static let rejected = SecondaryAnswer.rejected(.signature)

    static let paces = [
        Pace(
            testDescription: "holds requests: asked at once while there is something new",
            turns: [(.holds(1), 3, 3), (.holds(2), 7, 10)]),
        Pace(
            testDescription: "holds requests: asked at once after it had nothing new for long",
            turns: [(.holds(1), 3, 3), (.holds(1), 9000, 9003)]),
        Pace(
            testDescription: "says that it holds requests, and does not",
            turns: [(.holds(1), 3, 3), (.holds(1), 1, 103), (.holds(1), 1, 203)]),
        Pace(
            testDescription: "the same with a short interval", interval: 50,
            turns: [(.holds(1), 3, 3), (.holds(1), 1, 53)]),
        Pace(
            testDescription: "what it had before is nothing new, however often it loses it",
            turns: [
                (.holds(9), 3, 3), (.holds(7), 1, 103), (.holds(8), 1, 203), (.holds(9), 1, 303),
                (rejected, 1, 10_304), (.holds(9), 1, 10_404), (.holds(10), 1, 10_406),
            ]),
        Pace(
            testDescription: "holds no requests: asked once in an interval, until it learns",
            interval: 2000,
            turns: [
                (.holds(1, waits: false), 30, 2000), (.holds(2, waits: false), 1900, 4000),
                (.holds(3, waits: false), 2500, 6500), (.holds(4), 5, 6505),
            ]),
        Pace(
            testDescription: "another tree: asked an interval later", interval: 2000,
            turns: [(rejected, 30, 2030), (rejected, 30, 4060), (rejected, 3000, 9060)]),
        Pace(
            testDescription: "failures: later each time",
            turns: [
                (failed, 10, 60), (failed, 10, 170), (failed, 10, 380), (failed, 10, 640),
                (failed, 10, 900), (.holds(1), 3, 903), (failed, 0, 953),
            ]),
        Pace(
            testDescription: "failures: no later than in an interval", interval: 120,
            turns: [(failed, 0, 50), (failed, 0, 150), (failed, 0, 270), (failed, 0, 390)]),
        Pace(
            testDescription: "a kept connection may close at any time",
            turns: [(.holds(1), 3, 3), (.connectionGone, 5, 8), (.holds(1), 1, 108)]),
    ]

    @Test(arguments: paces) func whenTheNextRequestIsMade(pace: Pace) throws {
        var rig = ReplicationRig(1, quorum: 1, interval: .milliseconds(pace.interval))
        rig.commit(100)
        for (answer, after, next) in pace.turns {
            rig.advance(.milliseconds(after))
            try rig.answer(answer)
            rig.advanceToRequest()
            #expect(rig.now == .milliseconds(next), "after \(answer)")
        }
    }

    /// The delay grows no further, whatever the number of failures.
    @Test func failuresForEver() throws {
        var rig = ReplicationRig(1, quorum: 1)
        for _ in 0..<200 {
            try rig.answer(Self.failed)
            rig.advanceToRequest()
        }
        #expect(rig.takeNotices().last == .failed(0, reason: "away", isFirst: false))
        #expect(rig.now.offset > .seconds(49) && rig.now.offset < .seconds(50))
    }

    /// One that hangs is nobody else's business.
    @Test func secondariesAreAskedEachByItself() throws {
        var rig = ReplicationRig(3, quorum: 2)
        rig.commit(3)
        #expect(rig.asked == [0, 1, 2])
        for count in 1...3 {
            try rig.answer(.holds(count), from: 0)
            try rig.answer(.holds(count), from: 2)
            rig.advance(.milliseconds(2))
            #expect(rig.asked == [0, 1, 2] && rig.size == count)
        }
        #expect(rig.requestTimes(1).count == 1)
    }

    /// At the end requests are cut off; that is nothing to tell.
    @Test func afterAHaltNothingIsAskedOrTold() throws {
        var rig = ReplicationRig(2, quorum: 2, patience: .seconds(1))
        rig.commit(3)
        try rig.answer(.failed(reason: "away"), from: 0)
        _ = rig.takeNotices()
        rig.halt()
        #expect(rig.deadline == nil)
        try rig.answer(.failed(reason: "cancelled"), from: 1)
        rig.commit(4)
        rig.advance(.seconds(60))
        #expect(rig.deadline == nil && rig.asked == [] && rig.takeNotices() == [])
    }

    // MARK: Notices

    @Test func whatIsToldOfASecondary() throws {
        var rig = ReplicationRig(1, quorum: 1, interval: .milliseconds(100))
        rig.commit(9)
        let turns: [(SecondaryAnswer, [ReplicationNotice])] = [
            (.failed(reason: "a"), [.failed(0, reason: "a", isFirst: true)]),
            (.failed(reason: "b"), [.failed(0, reason: "b", isFirst: false)]),
            (.connectionGone, []),
            (.holds(4), [.recovered(0, failureCount: 2)]),
            (.connectionGone, []),
            (.holds(4), []),
            (.holds(2), [.shrank(0, from: .of(4), to: .of(2))]),
            (.failed(reason: "c"), [.failed(0, reason: "c", isFirst: true)]),
            // Also found out after it was away.
            (.holds(0), [.recovered(0, failureCount: 1), .shrank(0, from: .of(2), to: .of(0))]),
            (.holds(5), []),
            (
                .rejected(.ahead(.of(12), committedSize: .of(9))),
                [.rejected(0, .ahead(.of(12), committedSize: .of(9)), isFirst: true)]
            ),
            (
                .rejected(.ahead(.of(13), committedSize: .of(9))),
                [.rejected(0, .ahead(.of(13), committedSize: .of(9)), isFirst: false)]
            ),
            (.connectionGone, []),
            (
                .rejected(.ahead(.of(13), committedSize: .of(9))),
                [.rejected(0, .ahead(.of(13), committedSize: .of(9)), isFirst: false)]
            ),
            // Wrong in another way.
            (.rejected(.different(.of(5))), [.rejected(0, .different(.of(5)), isFirst: true)]),
            (.failed(reason: "d"), [.failed(0, reason: "d", isFirst: true)]),
            (.rejected(.different(.of(5))), [.rejected(0, .different(.of(5)), isFirst: true)]),
            // What it had before was not believed any more.
            (.holds(3), [.recovered(0, failureCount: 6)]),
            (.rejected(.signature), [.rejected(0, .signature, isFirst: true)]),
        ]
        for (answer, expected) in turns {
            try rig.answer(answer)
            #expect(rig.takeNotices() == expected, "after \(answer)")
            rig.advance(.milliseconds(100))
        }
    }

    @Test func howLongReplicationTakes() throws {
        var rig = ReplicationRig(2, quorum: 2, committed: 2)
        rig.advance(.milliseconds(5))
        rig.commit(3)
        rig.advance(.milliseconds(5))
        rig.commit(7)
        try rig.answer(.holds(7), from: 0)
        try rig.answer(.holds(6), from: 1)
        #expect(
            rig.takeNotices() == [
                .replicated(after: .milliseconds(10)), .replicated(after: .milliseconds(5)),
            ])
        rig.advance(.milliseconds(1))
        try rig.answer(.holds(7), from: 1)
        #expect(rig.takeNotices() == [.replicated(after: .milliseconds(1))])
    }

    @Test func leavesThatWaitForLong() throws {
        var rig = ReplicationRig(1, quorum: 1, patience: .seconds(30))
        rig.commit(3)
        rig.advance(.seconds(29))
        rig.commit(5)
        #expect(rig.takeNotices() == [])
        rig.advance(.seconds(1))
        #expect(rig.takeNotices() == [.stalled(size: .of(0), committedSize: .of(5))])
        // Told once, whatever comes.
        rig.advance(.seconds(60))
        rig.commit(6)
        try rig.answer(.holds(2))
        rig.advance(.seconds(60))
        #expect(rig.takeNotices() == [])
        try rig.answer(.holds(6))
        #expect(rig.takeNotices().last == .resumed(size: .of(6)))
        // Told again.
        rig.commit(7)
        rig.advance(.seconds(30))
        #expect(rig.takeNotices() == [.stalled(size: .of(6), committedSize: .of(7))])
    }

    /// On a busy log some leaf waits at all times; that is not what an operator is told of.
    @Test func aBusyLogGoesOn() throws {
        var rig = ReplicationRig(1, quorum: 1, interval: .seconds(1), patience: .seconds(3))
        rig.commit(1)
        rig.advance(.seconds(3))
        #expect(rig.takeNotices() == [.stalled(size: .of(0), committedSize: .of(1))])
        rig.commit(2)
        try rig.answer(.holds(1, waits: false))
        #expect(rig.takeNotices().last == .resumed(size: .of(1)))
        for count in 3...20 {
            rig.commit(count)
            rig.advance(.seconds(1))
            try rig.answer(.holds(count - 1, waits: false))
        }
        let times = (1...2).map { ReplicationNotice.replicated(after: .seconds($0)) }
        #expect(rig.takeNotices().allSatisfy { times.contains($0) })
        // And what is told next time is true again.
        rig.advance(.seconds(3))
        #expect(rig.takeNotices() == [.stalled(size: .of(19), committedSize: .of(20))])
    }

    /// What is remembered of commits is bounded, and none of them is forgotten.
    @Test func moreCommitsThanAreTimed() throws {
        let count = 6000
        var rig = ReplicationRig(1, quorum: 1, patience: .seconds(10))
        for size in 1...count { rig.commit(size) }
        rig.advance(.seconds(10))
        #expect(rig.takeNotices() == [.stalled(size: .of(0), committedSize: .of(count))])
        try rig.answer(.holds(count - 1))
        #expect(!rig.takeNotices().contains(.resumed(size: .of(count - 1))))
        try rig.answer(.holds(count))
        let notices = rig.takeNotices()
        #expect(notices.last == .resumed(size: .of(count)) && notices.count == 2)
        rig.advance(.seconds(60))
        #expect(rig.takeNotices() == [])
    }
}
