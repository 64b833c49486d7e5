// SPDX-License-Identifier: BSD-2-Clause
//
// Which names are being looked up, which wait for that, and who wants to know. Decides for
// TXTResolver, which has the threads and the lock; a value without either, and without a clock.

import Reactor

/// Look-ups that are under way or wait, each name once, and the answers that still hold.
struct LookUpQueue<Waiter> {
    /// What becomes of somebody who wants to know the records of a name.
    enum Admission: Equatable {
        /// This is the answer.
        case cached(TXTAnswer)
        /// The name is being looked up, or waits for that, on behalf of somebody else.
        case joined
        /// The name waits for a look-up to end.
        case queued
        /// The caller is to begin looking it up.
        case begin
        /// There are too many of them.
        case overloaded
        /// There are no look-ups any more.
        case stopped
    }

    /// Who is to be told what, after a look-up.
    struct Outcome {
        /// Those who waited for the name that was looked up.
        var answered: [Waiter] = []
        /// Those whose names nobody began to look up for too long.
        var overdue: [Waiter] = []
        /// What the caller is to look up next; nil: it is to end.
        var next: String?
    }

    private let limits: LookUpLimits
    private var cache: TXTCache
    private var waiters: [String: [Waiter]] = [:]
    private var waiterCount = 0
    /// Names that nobody has begun to look up, and since when, the oldest first.
    private var waiting: [(name: String, since: MonotonicInstant)] = []
    /// Names that are being looked up.
    private(set) var activeCount = 0
    private var isStopped = false

    init(_ limits: LookUpLimits) {
        self.limits = limits
        cache = TXTCache(byteCountMax: limits.cacheByteCountMax)
    }

    mutating func admit(
        _ waiter: Waiter, name: String, at now: MonotonicInstant
    ) -> Admission {
        guard !isStopped else { return .stopped }
        if let answer = cache.answer(for: name, at: now) { return .cached(answer) }
        guard waiterCount < limits.waiterCountMax else { return .overloaded }
        waiterCount += 1
        let isJoining = waiters[name] != nil
        waiters[name, default: []].append(waiter)
        if isJoining { return .joined }
        guard activeCount < limits.threadCountMax else {
            waiting.append((name, now))
            return .queued
        }
        activeCount += 1
        return .begin
    }

    /// A look-up has ended.
    mutating func finish(
        _ name: String, _ answer: TXTAnswer, at now: MonotonicInstant
    ) -> Outcome {
        var outcome = Outcome(answered: takeWaiters(for: name))
        cache.keep(answer, for: name, at: now)
        while !waiting.isEmpty {
            let (name, since) = waiting.removeFirst()
            if since.duration(to: now) <= limits.patience {
                outcome.next = name
                return outcome
            }
            outcome.overdue += takeWaiters(for: name)
        }
        activeCount -= 1
        return outcome
    }

    /// The look-up of `name` was not begun after all.
    ///
    /// - Returns: who waits for it, in vain, and, if no look-up is under way whose end they could
    ///   wait for, all others.
    mutating func abandon(_ name: String) -> [Waiter] {
        activeCount -= 1
        return activeCount > 0 ? takeWaiters(for: name) : takeAll()
    }

    /// Admits nobody any more, and lets nothing begin.
    ///
    /// - Returns: all who wait, in vain.
    mutating func stop() -> [Waiter] {
        isStopped = true
        return takeAll()
    }

    private mutating func takeAll() -> [Waiter] {
        defer { (waiters, waiting, waiterCount) = ([:], [], 0) }
        return waiters.values.flatMap { $0 }
    }

    private mutating func takeWaiters(for name: String) -> [Waiter] {
        let taken = waiters.removeValue(forKey: name) ?? []
        waiterCount -= taken.count
        return taken
    }
}

/// How much of looking up there may be at a time.
package struct LookUpLimits: Sendable {
    let threadCountMax: Int
    let waiterCountMax: Int
    let patience: Duration
    let cacheByteCountMax: Int

    /// - Parameters:
    ///   - threadCountMax: look-ups at a time, each on a thread of its own. One takes as long as
    ///     the name servers of whoever owns the name take, so there may be many; they end when
    ///     nothing waits.
    ///   - waiterCountMax: those who wait for an answer, at most; further ones are refused.
    ///   - patience: how long a look-up may wait for its beginning. Name servers that do not
    ///     answer keep all threads waiting, and the queue would become older than anybody's
    ///     interest in it.
    ///   - cacheByteCountMax: roughly the memory for answers that still hold.
    package init(
        threadCountMax: Int = 32, waiterCountMax: Int = 1_024, patience: Duration = .seconds(5),
        cacheByteCountMax: Int = 8 << 20
    ) {
        precondition(threadCountMax > 0 && waiterCountMax > 0 && cacheByteCountMax >= 0)
        self.threadCountMax = threadCountMax
        self.waiterCountMax = waiterCountMax
        self.patience = patience
        self.cacheByteCountMax = cacheByteCountMax
    }
}
