// SPDX-License-Identifier: BSD-2-Clause

// Primaries that are replaced between two requests, by others with other trees, and nothing fails:
// what is appended follows, in one answer or on one connection, on the leaf before it.

import MerkleLog
import SigsumFormats
import Testing

@testable import LogService

@Suite struct ReplicatorOverlapTests {
    private static func halted(at index: UInt64) -> [ReplicatorNotice] {
        [.halted(reason: "leaf \(index) of the primary is another one than here")]
    }

    // MARK: Overlapping requests

    /// The leaf before is in the store: nothing more can follow on that.
    @Test(arguments: [1, 2, 100] as [UInt64]) func anotherTreeAtTheStoresEnd(count: UInt64) throws {
        var rig = try ReplicatorRig(stored: 5)
        try rig.answer(0, Leaf.numbered(4..<8))
        #expect(rig.asked.first == "0: 7..<65543")
        try rig.answer(0, Leaf.numbered(7..<7 + count, of: 1), isNewConnection: true)
        rig.expectNotices(Self.halted(at: 7))
        #expect(rig.replicator.isHalted && rig.stored == Leaf.numbered(0..<8))
    }

    /// The leaf before came just now, and is not in the store yet. Which of the two is the primary's?
    @Test(arguments: [true, false]) func anotherTreeBeforeTheStoresEnd(isForGood: Bool) throws {
        var rig = try ReplicatorRig(stored: 5)
        rig.isManual = true
        try rig.answer(0, Leaf.numbered(4..<8))
        try rig.answer(0, Leaf.numbered(7..<20, of: 1), isNewConnection: true)
        // What was being stored is stored, and then compared.
        #expect(rig.asked == ["1: 11..<12"] && rig.notices == [])
        rig.finishAppending()
        #expect(rig.asked.first == "0: 7..<65543")
        try rig.answer(0, Leaf.numbered(7..<20, of: isForGood ? 1 : 0))
        if isForGood {
            rig.expectNotices(Self.halted(at: 7))
            #expect(rig.appending == nil)
        } else {
            #expect(rig.notices == [] && rig.appending == Leaf.numbered(8..<20))
        }
    }

    /// Far behind, on several lanes, which reach two primaries whose trees part at some leaf: what is
    /// stored is of one of them, and then that is said.
    @Test(arguments: [700, 3000, 5111, 9999] as [UInt64], 0..<4)
    func lanesThatReachTwoPrimaries(fork: UInt64, other: Int) throws {
        var rig = try ReplicatorRig(stored: 0)
        for _ in 0..<1000 where !rig.replicator.isHalted {
            for lane in 0..<4 {
                guard let request = rig.inFlight[lane], request.start < 10_000 else { continue }
                let end = min(request.end, 10_000, request.start + 512)
                let leaves = (request.start..<end).map { index in
                    Leaf.numbered(index, of: lane == other && index >= fork ? 1 : 0)
                }
                try rig.answer(lane, leaves)
            }
            rig.advance(.seconds(1))
            if rig.stored.count == 10_000 { break }
        }
        #expect(rig.stored.count >= Int(fork))
        let tree = rig.stored.dropFirst(Int(fork)).first?.treeNumber ?? 0
        let trunk = Leaf.numbered(0..<fork)
        let rest = Leaf.numbered(fork..<UInt64(rig.stored.count), of: tree)
        #expect(rig.stored == trunk + rest)
    }

    /// 404 and 400 to a request that begins with a leaf that is known.
    @Test(
        arguments: [.atEnd(isWaitHonored: false), .beyondEnd(reason: "answered 400")]
            as [LeafAnswer])
    func fewerLeavesThanItGave(answer: LeafAnswer) throws {
        var rig = try ReplicatorRig(stored: 5)
        rig.isManual = true
        try rig.answer(0, Leaf.numbered(4..<8))
        try rig.answer(0, answer)
        #expect(!rig.replicator.isHalted && rig.notices == [])
        // As many as are in the store it may have.
        rig.finishAppending()
        #expect(rig.asked.first == "0: 7..<65543")
        try rig.answer(0, answer)
        try rig.answer(0, Leaf.numbered(0..<1))
        try rig.answer(0, answer)
        rig.expectNotices([
            .halted(reason: "the primary has fewer leaves than the 8 here")
        ])
    }

    // MARK: At the end

    /// A held request begins at the end. Leaves that come over a new connection are asked for again.
    @Test func leavesOverANewConnection() throws {
        var rig = try ReplicatorRig.atEnd(10)
        try rig.answer(0, Leaf.numbered(10..<12), isNewConnection: true)
        #expect(rig.stored.count == 10 && rig.asked == ["0: 9..<65545"])
        try rig.answer(0, Leaf.numbered(9..<12), isNewConnection: true)
        #expect(rig.stored.count == 12 && rig.asked == ["0: 12..<65548 w"])
        // That connection has shown the leaf before.
        try rig.answer(0, Leaf.numbered(12..<13))
        #expect(rig.stored == Leaf.numbered(0..<13) && rig.asked == ["0: 13..<65549 w"])
        #expect(rig.notices == [] && rig.replicator.isAtEnd)
    }

    @Test func leavesOfAnotherPrimary() throws {
        var rig = try ReplicatorRig.atEnd(10)
        try rig.answer(0, Leaf.numbered(10..<12, of: 1), isNewConnection: true)
        try rig.answer(0, Leaf.numbered(9..<12, of: 1))
        rig.expectNotices(Self.halted(at: 9))
        #expect(rig.stored == Leaf.numbered(0..<10))
    }

    /// An empty tree is the beginning of every other.
    @Test func theFirstLeaves() throws {
        var rig = try ReplicatorRig.atEnd(0)
        try rig.answer(0, Leaf.numbered(0..<2), isNewConnection: true)
        #expect(rig.stored.count == 2 && rig.asked == ["0: 2..<65538 w"])
    }

    /// Whoever says that there is nothing more, the next request begins with the leaf before.
    @Test(arguments: [true, false], [true, false])
    func anotherPrimaryAfterTheEnd(isWaitHonored: Bool, isNewConnection: Bool) throws {
        var rig = try ReplicatorRig.atEnd(10)
        try rig.answer(
            0, .atEnd(isWaitHonored: isWaitHonored), isNewConnection: isNewConnection)
        #expect(rig.replicator.isAtEnd && rig.asked == [])
        rig.advance(isWaitHonored ? .milliseconds(200) : .seconds(10))
        #expect(rig.asked == ["0: 9..<65545"])
        try rig.answer(0, Leaf.numbered(9..<11, of: 1))
        rig.expectNotices(Self.halted(at: 9))
    }

    /// The request for what follows goes where the leaf before came from. Another answer on that lane
    /// may come from elsewhere meanwhile.
    @Test func theLaneOfTheLeafBefore() throws {
        var rig = try ReplicatorRig(stored: 5)
        try rig.answer(0, Leaf.numbered(4..<8))
        #expect(rig.asked == ["0: 7..<65543", "1: 11..<12"])
        try rig.answer(0, .failed(reason: "timeout"))
        rig.advance(.milliseconds(50))
        #expect(rig.asked == ["0: 7..<65543", "1: 11..<12"])
        try rig.answer(0, .connectionGone)
        try rig.answer(1, Leaf.numbered(11..<12), isNewConnection: true)
        rig.advance(.seconds(1))
        try rig.answer(0, Leaf.numbered(7..<9))
        // The search takes the other lane again, and the end is seen there.
        #expect(rig.asked == ["0: 8..<65544", "1: 10..<11"])
        try rig.answer(0, Leaf.numbered(8..<9))
        #expect(rig.asked == ["0: 9..<65545", "1: 10..<11"])
        try rig.answer(0, .atEnd(isWaitHonored: false), isNewConnection: true)
        // Over another connection than the leaf before: which is shown first, again.
        #expect(rig.asked == ["0: 8..<65544", "1: 10..<11"])
        try rig.answer(0, Leaf.numbered(8..<9))
        #expect(rig.asked == ["0: 9..<65545 w", "1: 10..<11"])
    }

    // MARK: Primaries that close

    /// Each answer over a new connection: as many requests as there are ends and new leaves, twice.
    @Test(arguments: [true, false]) func aPrimaryThatCloses(isWaitHonored: Bool) throws {
        var rig = try ReplicatorRig.atEnd(10, interval: .seconds(1))
        var size: UInt64 = 10
        for round in 0..<40 {
            let count = rig.requests.count
            if round % 3 == 0 { size += 2 }
            for _ in 0..<4 {
                guard let request = rig.inFlight[0] else { break }
                // It waits for the next round.
                if request.start == size, request.waits, isWaitHonored, round % 3 > 0 { break }
                let answer =
                    request.start < size
                    ? .leaves(Leaf.numbered(request.start..<size))
                    : LeafAnswer.atEnd(isWaitHonored: isWaitHonored && request.waits)
                try rig.answer(0, answer, isNewConnection: true)
            }
            #expect(UInt64(rig.stored.count) == size && rig.replicator.isAtEnd)
            rig.advance(.seconds(1))
            #expect(rig.requests.count - count <= 4)
        }
        #expect(rig.notices == [])
    }

    /// Over a connection that is kept, one leaf at a time does. Over new ones nothing ever shows what
    /// follows on what: that is a failure.
    @Test(arguments: [true, false]) func oneLeafAtATime(isNewConnection: Bool) throws {
        var rig = try ReplicatorRig(stored: 10)
        for _ in 0..<100 {
            for (lane, request) in rig.inFlight where request.start < 20 {
                try rig.answer(
                    lane, Leaf.numbered(request.start..<request.start + 1),
                    isNewConnection: isNewConnection)
            }
            rig.advance(.milliseconds(10))
        }
        guard isNewConnection else {
            #expect(rig.stored == Leaf.numbered(0..<20) && rig.notices == [])
            return
        }
        #expect(rig.stored.count == 10 && rig.requests.count < 20)
        let reason = "gives one leaf in an answer, and one answer on a connection"
        #expect(
            rig.takeNotices().prefix(2) == [
                .failed(reason: reason, count: 1), .failed(reason: reason, count: 2),
            ])
    }
}
