// SPDX-License-Identifier: BSD-2-Clause

// Answers out of order, short ones and long ones, and leaves that come out in order.

import SigsumFormats
import TestSupport
import Testing

@testable import LogService

@Suite struct LeafWindowTests {
    /// The testing macro cannot call what mutates.
    private func expect<Value: Equatable>(
        _ value: Value, _ expected: Value, sourceLocation: SourceLocation = #_sourceLocation
    ) {
        #expect(value == expected, sourceLocation: sourceLocation)
    }

    @Test func outOfOrder() {
        var window = LeafWindow(start: 10)
        for lane in 0..<3 { window.extend(by: 4, on: lane) }
        #expect(window.end == 22 && !window.isReceived && !window.hasLeaves)
        _ = window.receive(Leaf.numbered(14..<18), on: 1)
        _ = window.receive(Leaf.numbered(18..<25), on: 2)
        #expect(window.end == 25 && window.receivedEnd == 10 && window.receivedCount == 11)
        expect(window.take(countMax: 100), [])
        _ = window.receive(Leaf.numbered(10..<14), on: 0)
        #expect(window.isReceived && window.receivedEnd == 25)
        expect(window.take(countMax: 8), Leaf.numbered(10..<18))
        #expect(window.start == 18 && window.receivedCount == 7)
        // A piece that is larger comes whole.
        expect(window.take(countMax: 1), Leaf.numbered(18..<25))
        #expect(window.start == 25 && window.end == 25 && !window.hasLeaves)
    }

    @Test func aShortAnswerLeavesARest() {
        var window = LeafWindow(start: 0)
        window.extend(by: 10, on: 0)
        window.extend(by: 10, on: 1)
        expect(window.askAgain(on: 2), nil)
        _ = window.receive(Leaf.numbered(0..<3), on: 0)
        expect(window.askAgain(on: 0), 3..<10)
        expect(window.askAgain(on: 2), nil)
        _ = window.receive(Leaf.numbered(10..<20), on: 1)
        _ = window.receive(Leaf.numbered(3..<9), on: 0)
        expect(window.askAgain(on: 2), 9..<10)
        _ = window.receive(Leaf.numbered(9..<10), on: 2)
        expect(window.take(countMax: 100), Leaf.numbered(0..<20))
    }

    @Test func aLongAnswerIsCut() {
        var window = LeafWindow(start: 0)
        window.extend(by: 2, on: 0)
        window.extend(by: 2, on: 1)
        _ = window.receive(Leaf.numbered(0..<9), on: 0)
        #expect(window.receivedCount == 2)
        // Behind the last piece there is nothing that it could overlap.
        _ = window.receive(Leaf.numbered(2..<9), on: 1)
        expect(window.take(countMax: 100), Leaf.numbered(0..<9))
    }

    @Test func nothingThere() {
        var window = LeafWindow(start: 0)
        for lane in 0..<4 { window.extend(by: 5, on: lane) }
        _ = window.receive(Leaf.numbered(15..<20), on: 3)
        window.cut(lane: 1)
        #expect(window.end == 5 && window.receivedCount == 0)
        // What comes for a piece that was given up is not taken.
        let isTaken = window.receive(Leaf.numbered(10..<15), on: 2)
        #expect(!isTaken)
        _ = window.receive(Leaf.numbered(0..<5), on: 0)
        expect(window.take(countMax: 100), Leaf.numbered(0..<5))
    }

    @Test func whatIsPutBackComesFirst() {
        var window = LeafWindow(start: 5)
        window.extend(by: 2, on: 0)
        _ = window.receive(Leaf.numbered(5..<7), on: 0)
        let taken = window.take(countMax: 100)
        window.extend(by: 2, on: 0)
        _ = window.receive(Leaf.numbered(7..<9), on: 0)
        window.putBack(taken)
        #expect(window.start == 5)
        expect(window.take(countMax: 100), Leaf.numbered(5..<9))
    }

    /// Answers of any length in any order: leaves come out as they are in the tree.
    @Test func anyOrder() {
        for seed in 0..<UInt64(300) {
            var random = SeededGenerator(seed: seed)
            var window = LeafWindow(start: 0)
            var asked: [Int: Range<UInt64>] = [:]
            var out: [Leaf] = []
            for _ in 0..<100 {
                let lane = Int.random(in: 0..<5, using: &random)
                if let range = asked.removeValue(forKey: lane) {
                    let count = UInt64.random(in: 1...40, using: &random)
                    let isRest = range.count < 40
                    let end = range.lowerBound + (isRest ? min(count, UInt64(range.count)) : count)
                    _ = window.receive(Leaf.numbered(range.lowerBound..<end), on: lane)
                } else if let rest = window.askAgain(on: lane) {
                    asked[lane] = rest
                } else {
                    asked[lane] = window.end..<window.end + 40
                    window.extend(by: UInt64.random(in: 1...9, using: &random), on: lane)
                }
                if Bool.random(using: &random) { out += window.take(countMax: 30) }
            }
            #expect(out == Leaf.numbered(0..<UInt64(out.count)), "seed \(seed)")
            #expect(out.count > 20)
        }
    }
}
