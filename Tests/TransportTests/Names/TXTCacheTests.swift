// SPDX-License-Identifier: BSD-2-Clause
//
// What is kept, for how long, and what goes when there is too much.

import Reactor
import Testing

@testable import Transport

private let start = MonotonicInstant(nanoseconds: 1_000_000_000)

private func instant(_ seconds: Double) -> MonotonicInstant {
    start.advanced(by: .seconds(seconds))
}

private func found(_ text: String = "a", ttl: Int) -> TXTAnswer {
    .records([Array(text.utf8)], ttl: .seconds(ttl))
}

@Suite struct TXTCacheTests {
    @Test(
        arguments: [
            (found(ttl: 300), 300), (found(ttl: 0), 5), (found(ttl: 4), 5), (found(ttl: 6), 6),
            (found(ttl: 3_600), 3_600), (found(ttl: 3_601), 3_600), (found(ttl: .max >> 32), 3_600),
            (.nonexistent(ttl: .zero), 5), (.nonexistent(ttl: .seconds(60)), 60),
            (.nonexistent(ttl: .seconds(86_400)), 3_600), (.failure(.unanswered), 5),
            (.failure(.refused(code: 2)), 5),
        ] as [(TXTAnswer, Double)])
    func anAnswerHoldsForItsTime(answer: TXTAnswer, seconds: Double) {
        var cache = TXTCache(byteCountMax: 100_000)
        cache.keep(answer, for: "a", at: start)
        #expect(cache.answer(for: "a", at: start) == answer)
        #expect(cache.answer(for: "a", at: instant(seconds - 0.001)) == answer)
        #expect(cache.answer(for: "a", at: instant(seconds)) == nil)
        #expect(cache.answer(for: "b", at: start) == nil)
    }

    @Test func theLastAnswerCounts() {
        var cache = TXTCache(byteCountMax: 100_000)
        cache.keep(found("1", ttl: 300), for: "a", at: start)
        cache.keep(found("2", ttl: 10), for: "a", at: instant(1))
        #expect(cache.answer(for: "a", at: instant(2)) == found("2", ttl: 10))
        #expect(cache.answer(for: "a", at: instant(11)) == nil)
    }

    /// However many names come by, there are no more bytes, and one that is asked for stays.
    @Test func whatIsAskedForStays() {
        let entry = TXTCache.entryByteCount + TXTCache.recordByteCount + 1
        let countMax = 100
        var cache = TXTCache(byteCountMax: countMax * (entry + 5))
        cache.keep(found(ttl: 300), for: "asked", at: start)
        for number in 10_000..<11_000 {
            cache.keep(found(ttl: 300), for: "\(number)", at: start)
            #expect(cache.answer(for: "asked", at: start) == found(ttl: 300))
        }
        let kept = (10_000..<11_000).filter { cache.answer(for: "\($0)", at: start) != nil }
        // The youngest half at least; reading moves those that were old, so fewer may be found.
        #expect(kept.count <= countMax)
        #expect(!kept.contains(10_000))
        var fresh = cache
        #expect(fresh.answer(for: "10999", at: start) != nil)
    }

    @Test func largeAnswersCountForMore() {
        let large = TXTAnswer.records(
            [[UInt8]](repeating: [UInt8](repeating: 0, count: 5_000), count: 10),
            ttl: .seconds(300))
        var cache = TXTCache(byteCountMax: 220_000)
        // Two are half of that.
        for name in ["a", "b", "c", "d", "e"] { cache.keep(large, for: name, at: start) }
        #expect(cache.answer(for: "e", at: start) != nil)
        #expect(cache.answer(for: "c", at: start) != nil)
        #expect(cache.answer(for: "b", at: start) == nil)
    }

    @Test func whatIsTooLargeIsNotKept() {
        var cache = TXTCache(byteCountMax: 2_000)
        cache.keep(found(ttl: 300), for: "a", at: start)
        let large = TXTAnswer.records([[UInt8](repeating: 0, count: 1_000)], ttl: .seconds(300))
        cache.keep(large, for: "b", at: start)
        #expect(cache.answer(for: "b", at: start) == nil)
        #expect(cache.answer(for: "a", at: start) != nil)
        // Nor is what it replaces.
        cache.keep(large, for: "a", at: start)
        #expect(cache.answer(for: "a", at: start) == nil)
    }
}
