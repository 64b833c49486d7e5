// SPDX-License-Identifier: BSD-2-Clause

// Held internal requests against a list that is searched; the clock is a number.

import LogService
import MerkleLog
import TestSupport
import Testing

@Suite struct HeldReadsTests {
    static func size(_ value: UInt64) throws -> TreeSize { try #require(TreeSize(value)) }

    @Test func nobody() {
        var held = HeldReads<FakeInstant, Int>(countMax: 0)
        #expect(held.hold(1, beyond: .zero, until: .milliseconds(1)) == false)
        #expect(held.count == 0 && held.nextDeadline == nil)
        #expect(held.grown(to: .max) == [])
        #expect(held.expired(at: .milliseconds(9)) == [])
        #expect(held.removeAll() == [])
    }

    /// Only a tree that is larger than the one known is news; a deadline has come when it is now.
    @Test func borders() throws {
        var held = HeldReads<FakeInstant, String>(countMax: 3)
        #expect(held.hold("c", beyond: try Self.size(9), until: .milliseconds(30)) == true)
        #expect(held.hold("a", beyond: try Self.size(7), until: .milliseconds(20)) == true)
        #expect(held.nextDeadline == .milliseconds(20))
        #expect(held.hold("b", beyond: try Self.size(8), until: .milliseconds(10)) == true)
        #expect(held.hold("d", beyond: try Self.size(0), until: .milliseconds(10)) == false)
        #expect(held.count == 3 && held.nextDeadline == .milliseconds(10))
        #expect(held.grown(to: try Self.size(7)) == [])
        #expect(held.grown(to: try Self.size(8)) == ["a"])
        #expect(held.expired(at: .milliseconds(9)) == [])
        #expect(held.expired(at: .milliseconds(10)) == ["b"])
        #expect(held.nextDeadline == .milliseconds(30))
        #expect(held.removeAll() == ["c"] && held.count == 0 && held.nextDeadline == nil)
    }

    @Test(arguments: 0..<20 as Range<UInt64>) func asTheModelSays(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        let countMax = Int.random(in: 1...12, using: &random)
        var held = HeldReads<FakeInstant, Int>(countMax: countMax)
        var model: [(waiter: Int, size: UInt64, deadline: FakeInstant)] = []
        var now = FakeInstant()
        var size: UInt64 = 0

        /// Removes those that `condition` is true for, those with the earliest deadline first, and
        /// of equal ones those that came first.
        func take(_ condition: ((waiter: Int, size: UInt64, deadline: FakeInstant)) -> Bool)
            -> [Int]
        {
            defer { model.removeAll(where: condition) }
            return model.filter(condition)
                .sorted { ($0.deadline, $0.waiter) < ($1.deadline, $1.waiter) }.map(\.waiter)
        }

        for waiter in 0..<3_000 {
            now = now.advanced(by: .milliseconds(Int.random(in: 0...5, using: &random)))
            switch Int.random(in: 0..<10, using: &random) {
            case 0..<6:
                let known = size + UInt64.random(in: 0...20, using: &random)
                let wait = Duration.milliseconds(Int.random(in: 0...40, using: &random))
                let deadline = now.advanced(by: wait)
                let isHeld = held.hold(waiter, beyond: try Self.size(known), until: deadline)
                #expect(isHeld == (model.count < countMax))
                if isHeld { model.append((waiter, known, deadline)) }
            case 6, 7:
                size += UInt64.random(in: 0...9, using: &random)
                #expect(held.grown(to: try Self.size(size)) == take { $0.size < size })
            case 8:
                #expect(held.expired(at: now) == take { $0.deadline <= now })
            default:
                guard Int.random(in: 0..<20, using: &random) == 0 else { continue }
                #expect(held.removeAll() == take { _ in true })
            }
            #expect(held.count == model.count)
            #expect(held.nextDeadline == model.map(\.deadline).min())
        }
    }
}
