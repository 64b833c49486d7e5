// SPDX-License-Identifier: BSD-2-Clause
//
// TXT records for those who must not wait. Each look-up runs on a thread, up to a number of them at
// a time; a thread goes on to the next name that waits and ends when none does, so there is nobody
// to be woken, and an idle resolver has no threads. They are detached: the end of the process does
// not wait for a name server. LookUpQueue has the decisions.

package import Reactor
import Synchronization
import SystemPackage

/// Looks up TXT records for any thread, each name once at a time, and keeps the answers while they
/// hold.
package final class TXTResolver: Sendable {
    /// Finds the records of a name. Called on any thread, and may block.
    package typealias LookUp = @Sendable (_ name: String) -> TXTAnswer
    /// Is told an answer.
    package typealias Callback = @Sendable (TXTAnswer) -> Void

    /// What was counted so far.
    package let counters = LookUpCounters()

    private let queue: Mutex<LookUpQueue<Callback>>
    private let clock: @Sendable () -> MonotonicInstant
    private let measure: @Sendable (Duration) -> Void
    private let lookUp: LookUp

    /// A resolver that asks with `query`.
    ///
    /// - Parameter measure: is told how long each look-up took, on the thread that did it.
    package convenience init(
        _ query: TXTQuery, limits: LookUpLimits = LookUpLimits(),
        measure: @escaping @Sendable (Duration) -> Void
    ) {
        self.init(limits: limits, measure: measure) { query.answer(for: $0) }
    }

    /// - Parameters:
    ///   - clock: what TTLs and waiting are measured by.
    ///   - lookUp: what stands for name servers.
    package init(
        limits: LookUpLimits = LookUpLimits(),
        clock: @escaping @Sendable () -> MonotonicInstant = { MonotonicInstant.now() },
        measure: @escaping @Sendable (Duration) -> Void, lookUp: @escaping LookUp
    ) {
        queue = Mutex(LookUpQueue(limits))
        self.clock = clock
        self.measure = measure
        self.lookUp = lookUp
    }

    /// Looks `name` up and tells `then`, once. From any thread; never waits.
    ///
    /// `then` is called within this call when the answer is known, that is cached or a refusal to
    /// look up; otherwise later, on a thread of the resolver, or within `stop()`. It must not wait
    /// for anybody: what it holds up is the answer of others.
    ///
    /// - Parameter name: in A-label form; names that differ only in case are different ones here.
    package func lookUp(_ name: String, then: @escaping Callback) {
        let now = clock()
        switch queue.withLock({ $0.admit(then, name: name, at: now) }) {
        case .cached(let answer):
            counters.answeredFromCache()
            then(answer)
        case .joined: counters.joinedAnother()
        case .queued: break
        case .begin: begin(name)
        case .overloaded: refuse([then], .overloaded)
        case .stopped: then(.failure(.stopped))
        }
    }

    /// Tells all who wait that look-ups have ended (`TXTFailure.stopped`), and whoever comes later.
    /// Threads that are waiting for a name server are left to themselves, and tell nobody.
    package func stop() {
        for waiter in queue.withLock({ $0.stop() }) { waiter(.failure(.stopped)) }
    }

    /// The threads that there are.
    var threadCount: Int { queue.withLock { $0.activeCount } }

    private func begin(_ name: String) {
        do throws(Errno) {
            try JoinableThread(name: "txt-resolver") { self.work(beginningWith: name) }.detach()
        } catch {
            refuse(queue.withLock { $0.abandon(name) }, .unavailable(error))
        }
    }

    private func refuse(_ waiters: [Callback], _ failure: TXTFailure) {
        counters.refused(waiters.count)
        for waiter in waiters { waiter(.failure(failure)) }
    }

    /// On a thread of its own.
    private func work(beginningWith name: String) {
        var next: String? = name
        while let name = next {
            let begun = clock()
            let answer = lookUp(name)
            let end = clock()
            counters.lookedUp(answer)
            measure(begun.duration(to: end))
            let outcome = queue.withLock { $0.finish(name, answer, at: end) }
            for waiter in outcome.answered { waiter(answer) }
            refuse(outcome.overdue, .overloaded)
            next = outcome.next
        }
    }
}
