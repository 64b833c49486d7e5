// SPDX-License-Identifier: BSD-2-Clause

// Copying from a primary that is sound: the first comparison, the end of the tree, many lanes, and
// what an operator hears.

import MerkleLog
import SigsumFormats
import Testing

@testable import LogService

@Suite struct ReplicatorTests {
    static func size(_ value: UInt64) throws -> TreeSize { try #require(TreeSize(value)) }

    // MARK: The beginning and the end

    @Test func anEmptyStoreHasNothingToCompare() throws {
        var rig = try ReplicatorRig(stored: 0)
        #expect(rig.asked == ["0: 0..<65536"])
        try rig.answer(0, .atEnd(isWaitHonored: false))
        rig.expectNotices([.caughtUp(.zero)])
        #expect(rig.replicator.isAtEnd)
        #expect(rig.asked == ["0: 0..<65536 w"])
    }

    @Test func theLastLeafIsComparedAndWhatFollowsIsTaken() throws {
        var rig = try ReplicatorRig(stored: 5)
        #expect(rig.asked == ["0: 4..<65540"])
        #expect(!rig.replicator.isAtEnd)
        try rig.answer(0, Leaf.numbered(4..<8))
        #expect(rig.stored == Leaf.numbered(0..<8))
        #expect(rig.replicator.size.value == 8)
        // How many there are at all is asked for beside.
        #expect(rig.asked == ["0: 7..<65543", "1: 11..<12"])
        try rig.answer(1, .beyondEnd(reason: "answered 400"))
        try rig.answer(0, Leaf.numbered(7..<8))
        // Only what follows, asked for alone, tells for certain that there is nothing.
        #expect(rig.notices == [] && rig.asked == ["0: 8..<65544"])
        try rig.answer(0, .atEnd(isWaitHonored: false))
        rig.expectNotices([.caughtUp(try Self.size(8))])
        #expect(rig.asked == ["0: 8..<65544 w"])
    }

    @Test func nothingIsAppendedBeforeTheComparison() throws {
        let rig = try ReplicatorRig(stored: 1)
        #expect(rig.asked == ["0: 0..<65536"])
        #expect(rig.deadline == nil)
    }

    // MARK: Waiting for more

    @Test func aHeldRequestIsFollowedByTheNext() throws {
        var rig = try ReplicatorRig.atEnd(10)
        for number in UInt64(10)..<20 {
            #expect(rig.asked == ["0: \(number)..<\(number + 65_536) w"])
            try rig.answer(0, Leaf.numbered(number..<number + 1))
            #expect(rig.replicator.isAtEnd)
        }
        // The wait ends without a leaf.
        rig.advance(.seconds(9))
        try rig.answer(0, .atEnd(isWaitHonored: true))
        #expect(rig.asked == ["0: 19..<65555"])
        try rig.answer(0, Leaf.numbered(19..<20))
        #expect(rig.asked == ["0: 20..<65556 w"])
        #expect(rig.notices == [] && rig.replicator.isAtEnd)
    }

    @Test func aWaitThatEndsAtOnceIsNotRepeatedAtOnce() throws {
        var rig = try ReplicatorRig.atEnd(10)
        for _ in 0..<20 {
            try rig.answer(0, .atEnd(isWaitHonored: true))
            #expect(rig.asked == [])
            #expect(rig.deadline == rig.now.advanced(by: .milliseconds(200)))
            rig.advance(.milliseconds(200))
            try rig.answer(0, Leaf.numbered(9..<10))
            #expect(rig.asked == ["0: 10..<65546 w"])
        }
    }

    @Test func aPrimaryThatDoesNotWaitIsPolled() throws {
        var rig = try ReplicatorRig.atEnd(10)
        rig.advance(.seconds(1))
        try rig.answer(0, .atEnd(isWaitHonored: false))
        // An interval after the request began, not after its answer.
        #expect(rig.deadline == FakeInstant.milliseconds(10_000))
        rig.advance(.seconds(9))
        #expect(rig.asked == ["0: 9..<65545"])
        // New leaves: on to the end, then the next poll.
        try rig.answer(0, Leaf.numbered(9..<12))
        #expect(rig.asked == ["0: 12..<65548 w"])
        try rig.answer(0, Leaf.numbered(12..<13))
        try rig.answer(0, .atEnd(isWaitHonored: false))
        #expect(rig.asked == [])
        rig.advance(.milliseconds(9_999))
        #expect(rig.asked == [])
        rig.advance(.milliseconds(1))
        // None: once more, and the next time it is asked after an interval again.
        #expect(rig.asked == ["0: 12..<65548"])
        try rig.answer(0, Leaf.numbered(12..<13))
        #expect(rig.asked == ["0: 13..<65549 w"])
        try rig.answer(0, .atEnd(isWaitHonored: false))
        #expect(rig.deadline == rig.now.advanced(by: .seconds(10)))
        #expect(rig.notices == [])
    }

    @Test func theNextRequestDoesNotWaitForTheStore() throws {
        var rig = try ReplicatorRig.atEnd(10)
        rig.isManual = true
        try rig.answer(0, Leaf.numbered(10..<13))
        #expect(rig.asked == ["0: 13..<65549 w"])
        #expect(rig.replicator.size.value == 10 && !rig.replicator.isAtEnd)
        try rig.answer(0, Leaf.numbered(13..<14))
        #expect(rig.asked == ["0: 14..<65550 w"])
        rig.finishAppending()
        #expect(rig.replicator.size.value == 13 && rig.appending == Leaf.numbered(13..<14))
        rig.finishAppending()
        #expect(rig.replicator.isAtEnd)
    }

    // MARK: Far behind

    /// 512 is log-go's batch, 65,536 no batch at all.
    @Test(
        arguments: [1, 7, 100, 512, 4096, 65_536] as [UInt64],
        [1, 512, 513, 5000] as [UInt64])
    func catchingUp(countMax: UInt64, size: UInt64) throws {
        var rig = try ReplicatorRig(stored: 0)
        try rig.catchUp(size: size, countMax: countMax)
        #expect(rig.stored == Leaf.numbered(0..<size))
        rig.expectNotices([.caughtUp(try Self.size(size))])
        // On whichever lane the end was seen.
        #expect(rig.asked.map { $0.dropFirst(3) } == ["\(size)..<\(size + 65_536) w"])
        // Nothing is fetched twice but the leaf before: the batches there are, a search, the end, and
        // the next.
        let newMax = max(1, countMax - 1)
        let batchCount = (size + newMax - 1) / newMax * (countMax == 1 ? 2 : 1)
        #expect(UInt64(rig.requests.count) <= batchCount + batchCount / 50 + 45)
    }

    @Test func severalLanesAtOnce() throws {
        var rig = try ReplicatorRig(stored: 0)
        try rig.answer(0, Leaf.numbered(0..<512))
        #expect(rig.asked == ["0: 511..<66047", "1: 1024..<1025"])
        for _ in 0..<2 { try rig.serve(1, size: 100_000, countMax: 512) }
        // One answer more, and it is known how many leaves the primary gives.
        try rig.answer(0, Leaf.numbered(511..<1023))
        #expect(
            rig.asked == [
                "0: 1022..<66558", "1: 4098..<4099", "2: 1533..<67069", "3: 2044..<67580",
            ])
        // They are stored in order, whatever comes first.
        rig.isManual = true
        try rig.answer(3, Leaf.numbered(2044..<2556))
        try rig.answer(2, Leaf.numbered(1533..<2045))
        #expect(rig.appending == nil)
        try rig.answer(0, Leaf.numbered(1022..<1534))
        #expect(rig.appending == Leaf.numbered(1023..<2556))
    }

    /// A primary grows by so much that one request does not bring it: many lanes again, and word
    /// of having caught up.
    @Test func farBehindAgain() throws {
        var rig = try ReplicatorRig(stored: 0)
        try rig.catchUp(size: 1000, countMax: 100)
        rig.expectNotices([.caughtUp(try Self.size(1000))])
        try rig.catchUp(size: 9000, countMax: 100)
        rig.expectNotices([.caughtUp(try Self.size(9000))])
        let later = rig.requests.map(\.request).filter { $0.start > 2000 && $0.leafCount > 1 }
        let lanes = Set(later.map(\.lane))
        #expect(lanes == [0, 1, 2, 3])
        // A few leaves are not worth a word.
        try rig.catchUp(size: 9050, countMax: 100)
        #expect(rig.notices == [])
    }

    /// Not even many leaves are worth a word when they come with one answer.
    @Test(arguments: [100, 1000, 4000] as [UInt64]) func aBurst(count: UInt64) throws {
        var rig = try ReplicatorRig.atEnd(10)
        rig.isManual = true
        try rig.catchUp(size: 10 + count, countMax: 4096)
        #expect(rig.asked == ["0: \(10 + count)..<\(65_546 + count) w"])
        rig.expectNoProgress()
        rig.finishAppending()
        #expect(rig.replicator.isAtEnd && rig.notices == [])
    }

    @Test func aSlowStoreBoundsWhatIsFetched() throws {
        var rig = try ReplicatorRig(stored: 0)
        rig.isManual = true
        try rig.catchUp(size: 1_000_000, countMax: 4096)
        let buffered = rig.replicator.window.receivedCount + (rig.appending?.count ?? 0)
        #expect(buffered >= 131_072 && buffered <= 131_072 + 4096)
        rig.finishAppending()
        #expect(!rig.inFlight.isEmpty)
        #expect(rig.appendCounts.allSatisfy { $0 <= 16_384 })
    }

    @Test func aPrimaryThatGivesFewBoundsThePieces() throws {
        var rig = try ReplicatorRig(stored: 0)
        rig.isManual = true
        try rig.catchUp(size: 1_000_000, countMax: 3)
        #expect(rig.requests.count < 1000)
        #expect(rig.replicator.window.pieceCount <= 64 + 4)
    }

    @Test func progress() throws {
        var rig = try ReplicatorRig(stored: 0)
        rig.expectNoProgress()
        try rig.serve(count: 100, size: 1_000_000, countMax: 512)
        rig.advance(.seconds(5))
        let first = try rig.progress()
        #expect(first.done.value == UInt64(rig.stored.count))
        #expect(first.total > 980_000 && first.total < 1_020_000)
        #expect(first.leavesPerSecond == Double(rig.stored.count) / 5)
        let left = Double(first.total - first.done.value) / first.leavesPerSecond
        #expect(first.timeLeft == .seconds(left))
        // Nothing comes for a while.
        rig.advance(.seconds(5))
        let second = try rig.progress()
        #expect(second.leavesPerSecond == 0 && second.timeLeft == nil)
        try rig.catchUp(size: 1_000_000, countMax: 4096)
        rig.expectNoProgress()
        #expect(rig.replicator.isAtEnd)
    }
}
