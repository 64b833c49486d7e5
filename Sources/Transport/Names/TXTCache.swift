// SPDX-License-Identifier: BSD-2-Clause
//
// Answers that still hold. A value without a clock: the time is an argument.
//
// It forgets by generations. New answers, and old ones that are asked for again, go into the young
// one; when that has half of the bytes allowed, it becomes the old one, and what was old is gone.
// So what is asked for stays, whatever number of other names comes by, without a list to be kept
// in order, and an answer that no longer holds needs nobody to look for it.

import Reactor

/// Answers by name, in a bounded number of bytes.
struct TXTCache {
    /// An answer holds for its TTL, but no shorter than this: a name server that says zero must not
    /// make every request a look-up. Failures hold as long (RFC 9520 asks for a second at least).
    static let holdingMin = Duration.seconds(5)
    /// And no longer than this: whoever replaces a key does not wait for longer.
    static let holdingMax = Duration.seconds(3_600)
    /// What an entry takes beside its name and its records, roughly.
    static let entryByteCount = 256
    /// What a record takes beside its bytes.
    static let recordByteCount = 32

    private struct Entry {
        let answer: TXTAnswer
        let end: MonotonicInstant
    }

    private let byteCountMax: Int
    private var young: [String: Entry] = [:]
    private var youngByteCount = 0
    private var old: [String: Entry] = [:]

    /// - Parameter byteCountMax: of all entries.
    init(byteCountMax: Int) {
        self.byteCountMax = byteCountMax
    }

    /// The answer for `name` that holds at `now`, with the TTL that it came with.
    mutating func answer(for name: String, at now: MonotonicInstant) -> TXTAnswer? {
        if let entry = young[name] { return now < entry.end ? entry.answer : nil }
        guard let entry = old.removeValue(forKey: name), now < entry.end else { return nil }
        insert(entry, for: name)
        return entry.answer
    }

    /// Keeps an answer that came at `now`.
    mutating func keep(_ answer: TXTAnswer, for name: String, at now: MonotonicInstant) {
        (young[name], old[name]) = (nil, nil)
        insert(Entry(answer: answer, end: now.advanced(by: Self.holding(of: answer))), for: name)
    }

    /// How long an answer is kept.
    static func holding(of answer: TXTAnswer) -> Duration {
        switch answer {
        case .records(_, let ttl), .nonexistent(let ttl): min(max(ttl, holdingMin), holdingMax)
        case .failure: holdingMin
        }
    }

    private mutating func insert(_ entry: Entry, for name: String) {
        let byteCount = Self.byteCount(of: entry.answer, for: name)
        guard byteCount <= byteCountMax / 2 else { return }
        if youngByteCount + byteCount > byteCountMax / 2 {
            old = young
            young = [:]
            youngByteCount = 0
        }
        // An entry that is replaced is counted until its generation goes.
        young[name] = entry
        youngByteCount += byteCount
    }

    private static func byteCount(of answer: TXTAnswer, for name: String) -> Int {
        let byteCount = entryByteCount + name.utf8.count
        guard case .records(let records, _) = answer else { return byteCount }
        return records.reduce(byteCount) { $0 + recordByteCount + $1.count }
    }
}
