// SPDX-License-Identifier: BSD-2-Clause
//
// A thread for work that blocks: the store's writer, whose commits wait for the disk, name lookups
// that wait for other machines. An actor whose executor this is runs on that thread alone, so what
// it owns may be bound to the thread, as a write transaction of LMDB is.

import CLinux
import Synchronization
package import SystemPackage

/// The executor of one plain thread, which runs jobs in the order they came and sleeps between.
package final class ThreadExecutor: SerialExecutor {
    private let jobs: JobQueue
    /// pthread_self of the thread, stored by the thread before its first job.
    private let owner = Atomic<UInt>(0)
    /// Taken by the one caller of `stop()` who joins it.
    private let thread = Mutex<JoinableThread?>(nil)

    /// Starts the thread, which lives until `stop()`.
    ///
    /// - Throws: the kernel's refusal of an eventfd or a thread.
    package init(name: String) throws(Errno) {
        jobs = try JobQueue(isBlocking: true)
        try thread.withLock { (thread: inout sending JoinableThread?) throws(Errno) in
            thread = try JoinableThread(name: name) { self.run() }
        }
    }

    /// Runs `job` on the thread after what was posted before. From any thread.
    package func post(_ job: @escaping @Sendable () -> Void) {
        jobs.append(.call(job))
    }

    /// Lets the thread finish everything queued, and what that queues, and waits for its end. What
    /// is posted after that is dropped. Must not be called on the thread itself.
    package func stop() {
        precondition(!isOnThread, "a thread cannot wait for its own end")
        jobs.stop()
        let thread = self.thread.withLock { $0.take() }
        thread?.join()
    }

    private func run() {
        owner.store(pthread_self(), ordering: .relaxed)
        var batch: [Job] = []
        var isStopping = false
        while !isStopping || !jobs.close() {
            if jobs.prepareToSleep() { jobs.waitForBell() }
            isStopping = jobs.take(into: &batch)
            for job in batch {
                job.run(on: self)
            }
            batch.removeAll(keepingCapacity: true)
        }
    }

    // MARK: Executor

    /// Takes a job of an actor that lives here (SerialExecutor).
    package func enqueue(_ job: consuming ExecutorJob) {
        jobs.append(.task(UnownedJob(job)))
    }

    /// This executor as the runtime refers to it; whoever uses it keeps this object alive.
    package func asUnownedSerialExecutor() -> UnownedSerialExecutor {
        unsafe UnownedSerialExecutor(ordinary: self)
    }

    /// Whether the caller is on the thread (SerialExecutor).
    package func isIsolatingCurrentContext() -> Bool? {
        isOnThread
    }

    /// Traps unless the caller is on the thread (SerialExecutor).
    package func checkIsolated() {
        precondition(isOnThread, "not on the executor's thread")
    }

    /// Whether the calling thread is this executor's.
    package var isOnThread: Bool {
        owner.load(ordering: .relaxed) == pthread_self()
    }
}
