// SPDX-License-Identifier: BSD-2-Clause

// The search for the size of a primary's tree: how close it comes, and with how many requests.

import TestSupport
import Testing

@testable import LogService

@Suite struct EndSearchTests {
    /// Searches a tree whose size `size` gives before each request; how many there were.
    static func run(
        _ search: inout EndSearch, _ size: (Int) -> UInt64
    ) -> Int {
        var count = 0
        while let position = search.position, count < 1000 {
            let size = size(count)
            count += 1
            if position < size {
                search.found(leafAt: position)
            } else if position == size {
                search.found(exactly: size)
            } else {
                search.found(atMost: position - 1)
            }
        }
        return count
    }

    @Test(
        arguments: [
            (0, 1, 1), (0, 1, 2), (0, 512, 512), (0, 512, 513), (0, 512, 1024), (0, 512, 1_000_000),
            (999_000, 512, 1_000_000), (3, 4096, 1 << 40), (0, 65_536, UInt64(Int64.max)),
            (0, 1, UInt64(Int64.max)), (UInt64(Int64.max), 1, UInt64(Int64.max)),
            (0, UInt64(Int64.max), UInt64(Int64.max)),
        ] as [(UInt64, UInt64, UInt64)])
    func close(base: UInt64, step: UInt64, size: UInt64) {
        let start = min(base + step, size)
        var search = EndSearch(from: start, step: step)
        let count = Self.run(&search) { _ in size }
        #expect(search.low <= size && search.low >= start)
        #expect(size - search.low <= max((size - start) / 100, step))
        // Doublings, and about seven halves.
        #expect(count <= 64 - (size / step).leadingZeroBitCount + 9)
    }

    @Test func aFewRequestsAtTheEnd() {
        var search = EndSearch(from: 1000, step: 512)
        #expect(Self.run(&search) { _ in 1000 } == 1)
        search = EndSearch(from: 1000, step: 512)
        #expect(Self.run(&search) { _ in 1512 } == 1)
        #expect(search.low == 1512)
    }

    /// Whatever a primary says, and however it changes, the search ends and stays in its bounds.
    @Test func answersAtRandom() {
        for seed in 0..<UInt64(1000) {
            var random = SeededGenerator(seed: seed)
            let from = UInt64.random(in: 0...UInt64(Int64.max), using: &random) >> (seed % 63)
            let step = 1 + UInt64.random(in: 0...100_000, using: &random) >> (seed % 17)
            var search = EndSearch(from: from, step: step)
            let count = Self.run(&search) { _ in
                let size = UInt64.random(in: 0...UInt64(Int64.max), using: &random)
                return size >> UInt64.random(in: 0...63, using: &random)
            }
            #expect(count < 130 && search.low >= from, "seed \(seed)")
        }
    }

    @Test func aTreeThatGrows() {
        var search = EndSearch(from: 512, step: 512)
        let count = Self.run(&search) { 100_000 + 300 * UInt64($0) }
        #expect(count < 20)
        #expect(search.low > 98_000 && search.low < 108_000)
        // What is known from elsewhere.
        search.found(atLeast: 200_000)
        #expect(search.position == nil && search.low == 200_000)
    }
}
