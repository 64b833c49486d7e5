// SPDX-License-Identifier: BSD-2-Clause

// What goes wrong while copying: failures, lost connections, a store that is full, and primaries
// whose tree cannot follow on what is here.

import MerkleLog
import SigsumFormats
import Testing

@testable import LogService

@Suite struct ReplicatorFaultTests {
    // MARK: Failures

    @Test func aFailureBeginsAgainWithTheComparison() throws {
        var rig = try ReplicatorRig.atEnd(10)
        try rig.answer(0, .failed(reason: "timeout"))
        rig.expectNotices([.failed(reason: "timeout", count: 1)])
        #expect(rig.asked == [] && !rig.replicator.isAtEnd)
        #expect(rig.deadline == .milliseconds(50))
        rig.advance(.milliseconds(50))
        #expect(rig.asked == ["0: 9..<65545"])
        try rig.answer(0, Leaf.numbered(9..<10))
        // That it is at the end is not to be learnt from a request that may be held.
        #expect(rig.notices == [] && rig.asked == ["0: 10..<65546"])
        try rig.answer(0, .atEnd(isWaitHonored: false))
        rig.expectNotices([.recovered(failureCount: 1), .caughtUp(rig.replicator.size)])
        #expect(rig.asked == ["0: 10..<65546 w"])
    }

    @Test(arguments: [(10, 250), (1, 250), (0.2, 200), (0.02, 20)] as [(Double, Int)])
    func failuresAreRetriedLaterAndLater(interval: Double, last: Int) throws {
        var rig = try ReplicatorRig(stored: 10, interval: .seconds(interval))
        for expected in [50, 100, 200, 400, 800, 1600, 3200].map({ min($0, last) }) {
            try rig.answer(0, .failed(reason: "refused"))
            #expect(rig.deadline == rig.now.advanced(by: .milliseconds(expected)))
            rig.advance(.milliseconds(expected))
        }
        let counts = rig.takeNotices().map { notice in
            if case .failed("refused", let count) = notice { count } else { 0 }
        }
        #expect(counts == Array(1...7))
        try rig.answer(0, Leaf.numbered(9..<20))
        rig.expectNotices([.recovered(failureCount: 7)])
    }

    /// The comparison alone is no progress: what always fails after it is one row of failures.
    @Test func whatFailsAfterTheComparisonIsNotRecovered() throws {
        var rig = try ReplicatorRig(stored: 10)
        for count in 1...5 {
            try rig.answer(0, Leaf.numbered(9..<10))
            try rig.answer(0, .failed(reason: "answered 500"))
            rig.expectNotices([.failed(reason: "answered 500", count: count)])
            rig.advance(.seconds(1))
        }
    }

    @Test func answersOfTheTimeBeforeAFailureAreDropped() throws {
        var rig = try ReplicatorRig(stored: 0)
        try rig.serve(count: 30, size: 30_000, countMax: 512)
        #expect(rig.inFlight.count == 4)
        let count = UInt64(rig.stored.count)
        try rig.answer(2, .failed(reason: "timeout"))
        for lane in [0, 1, 3] { try rig.answer(lane, .failed(reason: "timeout")) }
        rig.expectNotices([.failed(reason: "timeout", count: 1)])
        rig.advance(.milliseconds(50))
        #expect(rig.asked == ["0: \(count - 1)..<\(count + 65_535)"])
        try rig.catchUp(size: 30_000, countMax: 512)
        #expect(rig.stored == Leaf.numbered(0..<30_000))
    }

    /// A request that hangs keeps its lane, and no other.
    @Test func aLaneThatHangs() throws {
        var rig = try ReplicatorRig(stored: 0)
        try rig.serve(count: 12, size: 50_000, countMax: 512)
        let hanging = try #require(rig.inFlight.keys.min())
        let other = try #require(rig.inFlight.keys.max())
        try rig.answer(other, .failed(reason: "answered 503"))
        rig.advance(.milliseconds(50))
        try rig.catchUp(size: 50_000, countMax: 512, hanging: hanging)
        #expect(rig.stored == Leaf.numbered(0..<50_000))
        #expect(rig.inFlight[hanging] != nil)
    }

    // MARK: Lost connections

    @Test func aLostConnectionIsNoFailure() throws {
        var rig = try ReplicatorRig.atEnd(10)
        try rig.answer(0, .connectionGone)
        #expect(rig.asked == ["0: 9..<65545"])
        try rig.answer(0, Leaf.numbered(9..<11))
        #expect(rig.stored.count == 11)
        try rig.answer(1, .beyondEnd(reason: ""))
        try rig.answer(0, Leaf.numbered(10..<11))
        try rig.answer(0, .atEnd(isWaitHonored: false))
        try rig.answer(0, .connectionGone)
        #expect(rig.asked == ["0: 10..<65546"])
        #expect(rig.notices == [])
    }

    @Test func connectionsThatAreAlwaysLostAreAFailure() throws {
        var rig = try ReplicatorRig.atEnd(10)
        try rig.answer(0, .connectionGone)
        try rig.answer(0, Leaf.numbered(9..<10))
        try rig.answer(0, .connectionGone)
        let reason = "closes connections without an answer"
        rig.expectNotices([.failed(reason: reason, count: 1)])
        #expect(rig.asked == [])
    }

    // MARK: The store

    @Test func aFullStore() throws {
        var rig = try ReplicatorRig.atEnd(10)
        rig.isManual = true
        try rig.answer(0, Leaf.numbered(10..<20))
        rig.postpone("the disk is nearly full")
        rig.expectNotices([.postponed(reason: "the disk is nearly full", count: 1)])
        #expect(rig.appending == nil)
        rig.advance(.milliseconds(50))
        #expect(rig.appending == Leaf.numbered(10..<20))
        rig.postpone("still")
        rig.advance(.milliseconds(99))
        #expect(rig.appending == nil)
        // Meanwhile a failure: what was to be stored is fetched again.
        try rig.answer(0, .failed(reason: "timeout"))
        rig.advance(.milliseconds(50))
        #expect(rig.asked == ["0: 9..<65545"])
        try rig.answer(0, Leaf.numbered(9..<21))
        #expect(rig.appending == Leaf.numbered(10..<21))
        _ = rig.takeNotices()
        rig.finishAppending()
        rig.expectNotices([.resumed(postponedCount: 2)])
        #expect(rig.stored.count == 21)
    }

    /// A failure while leaves are being stored: they are the last leaf to compare.
    @Test func aFailureDuringAnAppend() throws {
        var rig = try ReplicatorRig.atEnd(10)
        rig.isManual = true
        try rig.answer(0, Leaf.numbered(10..<20))
        try rig.answer(0, .failed(reason: "timeout"))
        rig.advance(.seconds(1))
        #expect(rig.asked == [])
        rig.finishAppending()
        #expect(rig.asked == ["0: 19..<65555"])
        // The same, and the store does not take them.
        try rig.answer(0, Leaf.numbered(19..<25))
        try rig.answer(0, .connectionGone)
        rig.postpone("full")
        #expect(rig.asked.first == "0: 19..<65555")
        #expect(rig.appending == nil)
    }

    @Test func aLeafOverAgain() throws {
        var rig = try ReplicatorRig.atEnd(10)
        rig.isManual = true
        try rig.answer(0, Leaf.numbered(10..<20))
        rig.replicator.appendRepeated(at: LeafIndex(14), knownAt: LeafIndex(3))
        rig.pull()
        let reason = "leaf 14 of the primary is leaf 3 over again"
        rig.expectNotices([.halted(reason: reason)])
        #expect(rig.replicator.isHalted && rig.deadline == nil)
    }

    // MARK: Other trees

    @Test func anotherLastLeaf() throws {
        var rig = try ReplicatorRig(stored: 10)
        try rig.answer(0, Leaf.numbered(9..<20, of: 1))
        #expect(
            rig.takeNotices() == [.halted(reason: "leaf 9 of the primary is another one than here")]
        )
        #expect(rig.stored.count == 10 && rig.asked == [] && rig.deadline == nil)
        rig.advance(.seconds(1000))
        #expect(rig.requests.count == 1 && !rig.replicator.isAtEnd)
    }

    static let shorter = ReplicatorNotice.halted(
        reason: "the primary has fewer leaves than the 10 here")

    /// At the place of the last leaf there is none; the log has others, or none at all.
    @Test(
        arguments: [.atEnd(isWaitHonored: false), .beyondEnd(reason: "400")] as [LeafAnswer],
        [.leaves(Leaf.numbered(0..<1)), .atEnd(isWaitHonored: false)] as [LeafAnswer])
    func aShorterPrimary(answer: LeafAnswer, confirmation: LeafAnswer) throws {
        var rig = try ReplicatorRig(stored: 10)
        try rig.answer(0, answer)
        #expect(rig.asked == ["0: 0..<1"])
        try rig.answer(0, confirmation)
        // It is a log. Does it stay with that?
        #expect(rig.asked == ["0: 9..<65545"] && !rig.replicator.isHalted)
        try rig.answer(0, answer)
        rig.expectNotices([Self.shorter])
        #expect(rig.replicator.isHalted && rig.asked == [])
    }

    /// A 400 that was not meant: the leaf is there when it is asked for again.
    @Test func notShorterAfterAll() throws {
        var rig = try ReplicatorRig(stored: 10)
        try rig.answer(0, .beyondEnd(reason: "answered 400"))
        try rig.answer(0, Leaf.numbered(0..<1))
        try rig.answer(0, Leaf.numbered(9..<12))
        #expect(rig.stored.count == 12 && rig.notices == [])
        try rig.answer(0, .connectionGone)
        try rig.answer(0, .beyondEnd(reason: "answered 400"))
        #expect(rig.asked.first == "0: 0..<1")
    }

    @Test(
        arguments: [
            .beyondEnd(reason: "answered 400"), .failed(reason: "answered 404 \"no such page\""),
        ] as [LeafAnswer])
    func whatIsNoLogIsNoShorterLog(confirmation: LeafAnswer) throws {
        var rig = try ReplicatorRig(stored: 10)
        for count in 1...3 {
            try rig.answer(0, .beyondEnd(reason: "answered 400"))
            try rig.answer(0, confirmation)
            #expect(!rig.replicator.isHalted)
            guard case .failed(_, count) = rig.takeNotices().first else {
                Issue.record("no failure")
                return
            }
            rig.advance(.seconds(1))
            #expect(rig.asked == ["0: 9..<65545"])
        }
        try rig.answer(0, .connectionGone)
        #expect(rig.asked == ["0: 9..<65545"])
    }

    /// 400 to a request that is held: the last leaf tells whether that is meant.
    @Test func beyondTheEndWhileCopying() throws {
        var rig = try ReplicatorRig.atEnd(10)
        try rig.answer(0, .beyondEnd(reason: "answered 400"))
        #expect(rig.asked == ["0: 9..<65545"] && rig.notices == [])
        try rig.answer(0, Leaf.numbered(9..<10))
        try rig.answer(0, .beyondEnd(reason: "answered 400"))
        rig.expectNotices([.failed(reason: "answered 400", count: 1)])
        rig.advance(.milliseconds(50))
        try rig.answer(0, .atEnd(isWaitHonored: false))
        try rig.answer(0, Leaf.numbered(0..<1))
        try rig.answer(0, .atEnd(isWaitHonored: false))
        rig.expectNotices([Self.shorter])
    }

    @Test func anEmptyStoreAndNoLog() throws {
        var rig = try ReplicatorRig(stored: 0)
        for _ in 0..<2 { try rig.answer(0, .beyondEnd(reason: "answered 400")) }
        rig.expectNotices([.failed(reason: "answered 400", count: 1)])
        rig.advance(.seconds(1))
        #expect(rig.asked == ["0: 0..<65536"])
    }

    /// A primary that has fewer leaves than it said: only what is here decides.
    @Test(arguments: [.atEnd(isWaitHonored: false), .beyondEnd(reason: "")] as [LeafAnswer])
    func fewerThanItSaid(answer: LeafAnswer) throws {
        var rig = try ReplicatorRig(stored: 0)
        try rig.serve(count: 8, size: 30_000, countMax: 512)
        let ahead = try #require(
            rig.inFlight.values.filter { $0.leafCount > 1 }.max { $0.start < $1.start })
        #expect(ahead.start > rig.stored.count + 512)
        try rig.answer(ahead.lane, answer)
        try rig.catchUp(size: ahead.start, countMax: 512)
        #expect(rig.stored == Leaf.numbered(0..<ahead.start))
        rig.expectNotices([.caughtUp(rig.replicator.size)])
    }

    @Test func shutdown() throws {
        var rig = try ReplicatorRig.atEnd(10)
        rig.isManual = true
        try rig.answer(0, Leaf.numbered(10..<20))
        rig.replicator.halt()
        rig.pull()
        try rig.answer(0, Leaf.numbered(20..<30))
        rig.finishAppending()
        #expect(rig.replicator.size.value == 20 && rig.appending == nil)
        #expect(rig.deadline == nil && rig.inFlight.isEmpty && rig.notices == [])
    }
}
