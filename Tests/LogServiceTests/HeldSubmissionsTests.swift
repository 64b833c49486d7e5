// SPDX-License-Identifier: BSD-2-Clause

// Held requests against a list that is searched; the clock is a number.

import LogService
import MerkleLog
import TestSupport
import Testing

/// A moment of a clock that a test sets.
struct FakeInstant: InstantProtocol {
    var offset: Duration = .zero

    static func milliseconds(_ count: Int) -> FakeInstant {
        FakeInstant(offset: .milliseconds(count))
    }

    func advanced(by duration: Duration) -> FakeInstant { FakeInstant(offset: offset + duration) }
    func duration(to other: FakeInstant) -> Duration { other.offset - offset }
    static func < (left: Self, right: Self) -> Bool { left.offset < right.offset }
}

@Suite struct HeldSubmissionsTests {
    @Test func nobody() {
        var held = HeldSubmissions<FakeInstant, Int>(countMax: 0)
        #expect(held.hold(1, for: LeafIndex(0), until: .milliseconds(1)) == false)
        #expect(held.count == 0 && held.nextDeadline == nil)
        #expect(held.take(within: .max).map(\.waiter) == [])
        #expect(held.takeExpired(at: .milliseconds(9)).map(\.waiter) == [])
        #expect(held.takeAll().map(\.waiter) == [])
    }

    /// A tree of n leaves has the leaves before index n; a deadline has come when it is now.
    @Test func borders() {
        var held = HeldSubmissions<FakeInstant, String>(countMax: 9)
        for (waiter, index) in [("a", 7), ("b", 8), ("c", 9)] as [(String, UInt64)] {
            let deadline = FakeInstant.milliseconds(Int(index))
            #expect(held.hold(waiter, for: LeafIndex(index), until: deadline) == true)
        }
        #expect(held.take(within: .zero.advanced(by: 8)).map(\.waiter) == ["a"])
        #expect(held.nextDeadline == .milliseconds(8))
        #expect(held.takeExpired(at: .milliseconds(7)).map(\.waiter) == [])
        #expect(held.takeExpired(at: .milliseconds(8)).map(\.waiter) == ["b"])
        #expect(held.takeAll().map(\.waiter) == ["c"] && held.count == 0)
    }

    @Test(arguments: 0..<20 as Range<UInt64>) func asTheModelSays(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        let countMax = Int.random(in: 1...12, using: &random)
        let wait = Duration.milliseconds(Int.random(in: 0...40, using: &random))
        var held = HeldSubmissions<FakeInstant, Int>(countMax: countMax)
        var model: [(waiter: Int, index: UInt64, deadline: FakeInstant)] = []
        var now = FakeInstant()
        var published: UInt64 = 0

        /// Removes those that `condition` is true for, in their order.
        func take(_ condition: ((waiter: Int, index: UInt64, deadline: FakeInstant)) -> Bool)
            -> [Int]
        {
            defer { model.removeAll(where: condition) }
            return model.filter(condition).map(\.waiter)
        }

        for waiter in 0..<3_000 {
            now = now.advanced(by: .milliseconds(Int.random(in: 0...5, using: &random)))
            switch Int.random(in: 0..<10, using: &random) {
            case 0..<6:
                let index = published + UInt64.random(in: 0...20, using: &random)
                let deadline = now.advanced(by: wait)
                let isHeld = held.hold(waiter, for: LeafIndex(index), until: deadline)
                #expect(isHeld == (model.count < countMax))
                if isHeld { model.append((waiter, index, deadline)) }
            case 6, 7:
                published += UInt64.random(in: 0...9, using: &random)
                guard let size = TreeSize(published) else { continue }
                #expect(held.take(within: size).map(\.waiter) == take { $0.index < published })
            case 8:
                #expect(held.takeExpired(at: now).map(\.waiter) == take { $0.deadline <= now })
            default:
                guard Int.random(in: 0..<20, using: &random) == 0 else { continue }
                #expect(held.takeAll().map(\.waiter) == take { _ in true })
            }
            #expect(held.count == model.count)
            #expect(held.nextDeadline == model.map(\.deadline).min())
        }
    }
}
