// SPDX-License-Identifier: BSD-2-Clause
//
// Work handed from any thread to one consumer thread, in order. Shared by the reactor, which waits
// for it among its other events, and by ThreadExecutor, which waits for nothing else. The consumer
// is woken through an eventfd, and only when it said that it goes to sleep: while it is busy,
// posting costs no system call.

import CLinux
import Synchronization
import SystemPackage

/// A piece of work for a consumer thread.
enum Job: Sendable {
    case call(@Sendable () -> Void)
    case task(UnownedJob)

    /// On the thread that stands for `executor`.
    func run(on executor: some SerialExecutor) {
        switch self {
        case .call(let function): function()
        // The executor is referenced by the caller, so the unowned reference holds meanwhile.
        case .task(let job): unsafe job.runSynchronously(on: executor.asUnownedSerialExecutor())
        }
    }
}

/// Jobs waiting for one consumer.
final class JobQueue: Sendable {
    private struct State {
        var jobs: [Job] = []
        /// The consumer sleeps, or is about to, and nobody has rung yet.
        var isConsumerAsleep = false
        var isStopping = false
        /// The consumer has left for good.
        var isClosed = false

        /// Whether the caller is the one who has to ring.
        mutating func takeSleep() -> Bool {
            defer { isConsumerAsleep = false }
            return isConsumerAsleep
        }
    }

    private let state = Mutex(State())
    /// Written by any thread, waited for by the consumer.
    let bell: OwnedDescriptor

    /// - Parameter isBlocking: whether the consumer waits by reading the bell rather than by epoll.
    init(isBlocking: Bool) throws(Errno) {
        let flags = isBlocking ? EFD_CLOEXEC : EFD_CLOEXEC | EFD_NONBLOCK
        bell = try OwnedDescriptor { eventfd(0, Int32(flags)) }
    }

    /// Adds a job, from any thread.
    ///
    /// - Returns: false if the consumer has left; the job is dropped.
    @discardableResult
    func append(_ job: Job) -> Bool {
        let (isAccepted, mustRing) = state.withLock { state in
            if state.isClosed { return (false, false) }
            state.jobs.append(job)
            return (true, state.takeSleep())
        }
        if mustRing { ring() }
        return isAccepted
    }

    /// Asks the consumer to leave when it has done what is queued, from any thread.
    func stop() {
        let mustRing = state.withLock { state in
            state.isStopping = true
            return state.takeSleep()
        }
        if mustRing { ring() }
    }

    /// Consumer: announces sleep. False, and no announcement, if there is something to do.
    func prepareToSleep() -> Bool {
        state.withLock { state in
            state.isConsumerAsleep = state.jobs.isEmpty && !state.isStopping
            return state.isConsumerAsleep
        }
    }

    /// Consumer: exchanges the queued jobs for `batch`, which is empty and gives its storage.
    ///
    /// - Returns: whether `stop()` was called.
    func take(into batch: inout [Job]) -> Bool {
        assert(batch.isEmpty)
        return state.withLock { state in
            swap(&state.jobs, &batch)
            state.isConsumerAsleep = false
            return state.isStopping
        }
    }

    /// Consumer: leaves if nothing is queued. False if something came in between.
    func close() -> Bool {
        state.withLock { state in
            state.isClosed = state.jobs.isEmpty
            return state.isClosed
        }
    }

    /// Consumer of a blocking bell: sleeps until rung.
    func waitForBell() {
        var rings: UInt64 = 0
        let rawValue = bell.rawValue
        // eventfd answers with eight bytes, the size of the local variable whose address this is.
        let outcome = Syscall.attempt { unsafe read(rawValue, &rings, 8) }
        precondition(outcome == .moved(8), "eventfd: \(outcome)")
    }

    private func ring() {
        var one: UInt64 = 1
        let rawValue = bell.rawValue
        // Eight bytes are read from a local variable. The counter would have to reach 2^64 - 1
        // for the write to fail.
        let outcome = Syscall.attempt { unsafe write(rawValue, &one, 8) }
        precondition(outcome == .moved(8), "eventfd: \(outcome)")
    }
}
