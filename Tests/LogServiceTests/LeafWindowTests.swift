// SPDX-License-Identifier: BSD-2-Clause

// Answers out of order, short ones and long ones, and leaves that come out in order.

import SigsumFormats
import TestSupport
import Testing

@testable import LogService

extension LeafWindow {
    /// Puts in those leaves of a tree, with the one before, and says whether that went as expected.
    fileprivate mutating func put(
        _ range: Range<UInt64>, on lane: Int, of tree: UInt8 = 0, _ expected: Receipt = .fits,
        sourceLocation: SourceLocation = #_sourceLocation
    ) {
        let previous: Leaf? =
            range.lowerBound > 0 ? .numbered(range.lowerBound - 1, of: tree) : nil
        let receipt = receive(Leaf.numbered(range, of: tree), after: previous, on: lane)
        #expect(receipt == expected, sourceLocation: sourceLocation)
    }
}

@Suite struct LeafWindowTests {
    /// The testing macro cannot call what mutates.
    private func expect<Value: Equatable>(
        _ value: Value, _ expected: Value, sourceLocation: SourceLocation = #_sourceLocation
    ) {
        #expect(value == expected, sourceLocation: sourceLocation)
    }

    @Test func outOfOrder() {
        var window = LeafWindow(start: 10, after: .numbered(9))
        for lane in 0..<3 { window.extend(by: 4, on: lane) }
        #expect(window.end == 22 && !window.isReceived && !window.hasLeaves)
        window.put(14..<18, on: 1)
        window.put(18..<25, on: 2)
        #expect(window.end == 25 && window.receivedEnd == 10 && window.receivedCount == 11)
        expect(window.take(countMax: 100), [])
        window.put(10..<14, on: 0)
        #expect(window.isReceived && window.receivedEnd == 25)
        expect(window.take(countMax: 8), Leaf.numbered(10..<18))
        #expect(window.start == 18 && window.receivedCount == 7)
        // A piece that is larger comes whole.
        expect(window.take(countMax: 1), Leaf.numbered(18..<25))
        #expect(window.start == 25 && window.end == 25 && !window.hasLeaves)
    }

    @Test func aShortAnswerLeavesARest() {
        var window = LeafWindow(start: 0, after: nil)
        window.extend(by: 10, on: 0)
        window.extend(by: 10, on: 1)
        expect(window.askAgain(on: 2), nil)
        window.put(0..<3, on: 0)
        expect(window.askAgain(on: 0), 3..<10)
        expect(window.askAgain(on: 2), nil)
        window.put(10..<20, on: 1)
        window.put(3..<9, on: 0)
        expect(window.askAgain(on: 2), 9..<10)
        window.put(9..<10, on: 2)
        expect(window.take(countMax: 100), Leaf.numbered(0..<20))
    }

    @Test func aLongAnswerIsCut() {
        var window = LeafWindow(start: 0, after: nil)
        window.extend(by: 2, on: 0)
        window.extend(by: 2, on: 1)
        window.put(0..<9, on: 0)
        #expect(window.receivedCount == 2)
        // Behind the last piece there is nothing that it could overlap.
        window.put(2..<9, on: 1)
        expect(window.take(countMax: 100), Leaf.numbered(0..<9))
    }

    @Test func nothingThere() {
        var window = LeafWindow(start: 0, after: nil)
        for lane in 0..<4 { window.extend(by: 5, on: lane) }
        window.put(15..<20, on: 3)
        window.cut(lane: 1)
        #expect(window.end == 5 && window.receivedCount == 0)
        // What comes for a piece that was given up is not taken.
        window.put(10..<15, on: 2, .unasked)
        window.put(0..<5, on: 0)
        expect(window.take(countMax: 100), Leaf.numbered(0..<5))
    }

    @Test func whatIsPutBackComesFirst() {
        var window = LeafWindow(start: 5, after: .numbered(4))
        window.extend(by: 2, on: 0)
        window.put(5..<7, on: 0)
        let taken = window.take(countMax: 100)
        window.extend(by: 2, on: 0)
        window.put(7..<9, on: 0)
        window.putBack(taken, after: .numbered(4))
        #expect(window.start == 5)
        expect(window.take(countMax: 100), Leaf.numbered(5..<9))
    }

    // MARK: Other trees

    /// Both sides of the place where two answers meet, whichever comes first.
    @Test(arguments: [[0, 1, 2], [2, 1, 0], [0, 2, 1], [1, 0, 2]])
    func anAnswerOfAnotherTree(lanes: [Int]) {
        for other in 0..<3 {
            var window = LeafWindow(start: 10, after: .numbered(9))
            for lane in 0..<3 { window.extend(by: 4, on: lane) }
            var differences: Set<UInt64> = []
            for lane in lanes {
                let start = 10 + 4 * UInt64(lane)
                let tree: UInt8 = lane == other ? 1 : 0
                let receipt = window.receive(
                    Leaf.numbered(start..<start + 4, of: tree),
                    after: .numbered(start - 1, of: tree), on: lane)
                guard case .differs(let index) = receipt else {
                    #expect(receipt == .fits)
                    continue
                }
                differences.insert(index)
                break
            }
            let start = 9 + 4 * UInt64(other)
            #expect(differences.count == 1 && differences.isSubset(of: [start, start + 4]))
        }
    }

    /// The leaf before the first piece is what was taken last, or what was put back.
    @Test func theLeafBefore() {
        var window = LeafWindow(start: 5, after: .numbered(4))
        window.extend(by: 2, on: 0)
        window.put(5..<7, on: 0, of: 1, .differs(at: 4))
        window.put(5..<7, on: 0)
        _ = window.take(countMax: 100)
        window.extend(by: 2, on: 0)
        window.put(7..<9, on: 0, of: 1, .differs(at: 6))
        window.putBack(Leaf.numbered(5..<7), after: .numbered(4))
        window.put(7..<9, on: 0, of: 1, .differs(at: 6))
        window.put(7..<9, on: 0)
        expect(window.take(countMax: 100), Leaf.numbered(5..<9))
    }

    /// The rest of a short answer lies between two.
    @Test func aRestOfAnotherTree() {
        var window = LeafWindow(start: 0, after: nil)
        for lane in 0..<2 { window.extend(by: 10, on: lane) }
        window.put(0..<6, on: 0)
        window.put(10..<20, on: 1)
        expect(window.askAgain(on: 0), 6..<10)
        window.put(6..<8, on: 0, of: 1, .differs(at: 5))
        window.put(6..<8, on: 0)
        expect(window.askAgain(on: 0), 8..<10)
        // It begins as it should, and ends in a leaf that the next answer does not begin with.
        let rest = [Leaf.numbered(8), Leaf.numbered(9, of: 1)]
        expect(window.receive(rest, after: .numbered(7), on: 0), .differs(at: 9))
    }

    /// An answer with the leaf before and no other.
    @Test func nothingAfterTheLeafBefore() {
        var window = LeafWindow(start: 0, after: nil)
        for lane in 0..<3 { window.extend(by: 5, on: lane) }
        window.put(0..<5, on: 0)
        window.put(5..<5, on: 1, of: 1, .differs(at: 4))
        window.put(5..<5, on: 1)
        #expect(window.end == 5 && window.isReceived)
        window.put(10..<15, on: 2, .unasked)
    }

    /// Answers of any length in any order: leaves come out as they are in the tree.
    @Test func anyOrder() {
        for seed in 0..<UInt64(300) {
            var random = SeededGenerator(seed: seed)
            var window = LeafWindow(start: 0, after: nil)
            var asked: [Int: Range<UInt64>] = [:]
            var out: [Leaf] = []
            for _ in 0..<100 {
                let lane = Int.random(in: 0..<5, using: &random)
                if let range = asked.removeValue(forKey: lane) {
                    let count = UInt64.random(in: 1...40, using: &random)
                    let isRest = range.count < 40
                    let end = range.lowerBound + (isRest ? min(count, UInt64(range.count)) : count)
                    window.put(range.lowerBound..<end, on: lane)
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
