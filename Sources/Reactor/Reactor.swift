// SPDX-License-Identifier: BSD-2-Clause
//
// One thread's event loop. An iteration goes in this order:
//
//     1. timers that are due
//     2. poll: wait for descriptors, at most until the next timer is due
//     3. ready events, each to the handler registered for it
//     4. jobs that other threads posted, and jobs of actors that live on this reactor
//
// What a job posts waits for the next iteration, so neither jobs nor timers can starve descriptors.
//
// Level-triggered, on purpose: after one receive the handler may leave the rest in the socket and
// be called again, which keeps a busy peer from holding the loop. With edges each handler would
// have to read until EAGAIN (a second system call per request) or keep its own list of sockets that
// still hold bytes. The price is that the kernel looks at a served socket once more in the next
// epoll_wait, without another call; a handler that stops reading pays an epoll_ctl.
//
// The protocols spoken over the descriptors are their handlers' business.

import CLinux
import Synchronization
package import SystemPackage

/// An event loop and the executor of the actors that live on it.
///
/// `@unchecked Sendable`: `jobs`, `owner` and `clock` are used by any thread and are Sendable
/// themselves. Everything else is touched by the thread in `run()` alone, or before `run()` by the
/// thread that prepares the reactor; each entry checks that.
package final class Reactor: SerialExecutor, @unchecked Sendable {
    private struct Slot {
        var handler: (any EventHandler)?
        var generation: UInt32 = 0
        var interest: Interest = []
    }

    /// Ready events taken from the kernel at once.
    private static let eventBatchCount = 256

    private let jobs: JobQueue
    /// pthread_self of the thread in `run()`; 0 before it.
    private let owner = Atomic<UInt>(0)
    private let clock: @Sendable () -> MonotonicInstant

    private let epoll: Epoll
    /// Indexed by descriptor number. The kernel gives the lowest free one, so the table is dense.
    private var slots: [Slot] = []
    private var lastGeneration: UInt32 = 0
    private var timers = TimerQueue()
    private var isFinished = false

    /// The time, read once per iteration after the poll. On the reactor's thread only.
    package private(set) var now: MonotonicInstant

    /// - Parameter clock: what deadlines are measured by; a test gives its own and posts a job
    ///   after moving it.
    /// - Throws: the kernel's refusal of an epoll set or an eventfd (EMFILE, ENFILE, ENOMEM).
    package init(
        clock: @escaping @Sendable () -> MonotonicInstant = MonotonicInstant.now
    ) throws(Errno) {
        self.clock = clock
        now = clock()
        epoll = try Epoll()
        jobs = try JobQueue(isBlocking: false)
        // The bell's number has generation 0, which no registration has. Its events need no
        // handler: that poll returned is all. Edge-triggered, so that the counter never has to be
        // read back.
        let bell = Registration(descriptor: jobs.bell.rawValue, generation: 0)
        try epoll.add(bell, for: [.read, .edge])
    }

    // MARK: The loop

    /// Runs the loop on the calling thread until `stop()`; a reactor runs once.
    ///
    /// At the end, tasks in `sleep` are woken with CancellationError and queued jobs are run to the
    /// last. What is posted after that is dropped.
    package func run() {
        let (claimed, _) = owner.compareExchange(
            expected: 0, desired: pthread_self(), ordering: .acquiringAndReleasing)
        precondition(claimed, "a reactor runs once")
        var ready = ReadyList(places: Self.eventBatchCount)
        var batch: [Job] = []
        now = clock()
        while true {
            fireDueTimers()
            let timeout = jobs.prepareToSleep() ? pollTimeout : 0
            epoll.wait(&ready, timeout: timeout)
            now = clock()
            for index in 0..<ready.count {
                let (registration, events) = ready[index]
                // Nil if an earlier handler of this list removed it, whoever has its number now.
                handler(of: registration)?.ready(events, of: registration)
            }
            let isStopping = jobs.take(into: &batch)
            run(&batch)
            if isStopping { break }
        }
        finish(&batch)
    }

    /// Ends `run()` after its current iteration. From any thread, and also before `run()`.
    package func stop() {
        jobs.stop()
    }

    /// Runs `job` on the reactor's thread in its next iteration, after what was posted before. From
    /// any thread. After the end of `run()` it is dropped.
    package func post(_ job: @escaping @Sendable () -> Void) {
        jobs.append(.call(job))
    }

    func fireDueTimers() {
        // As many as there are now: one that schedules itself anew for now waits its turn. Asked for
        // once even when there are none, since that forgets cancelled ones whose time has come: the
        // poll would not wait for them any more.
        for _ in 0..<max(1, timers.count) {
            guard let action = timers.popDue(at: now) else { return }
            switch action {
            case .call(let function): function()
            case .wake(let sleeper): sleeper.wake()
            }
        }
    }

    /// Milliseconds until the next timer, rounded up so that it is due when poll returns.
    var pollTimeout: Int32 {
        guard let deadline = timers.nextDeadline else { return -1 }
        if deadline <= now { return 0 }
        let (nanoseconds, overflow) =
            deadline.nanoseconds.subtractingReportingOverflow(now.nanoseconds)
        if overflow { return .max }
        return Int32(clamping: (nanoseconds - 1) / 1_000_000 + 1)
    }

    private func run(_ batch: inout [Job]) {
        if batch.isEmpty { return }
        for job in batch {
            job.run(on: self)
        }
        batch.removeAll(keepingCapacity: true)
    }

    private func finish(_ batch: inout [Job]) {
        isFinished = true
        for case .wake(let sleeper) in timers.removeAll() {
            sleeper.cancel()
        }
        repeat {
            _ = jobs.take(into: &batch)
            run(&batch)
        } while !jobs.close()
        // Handlers hold descriptors and often the reactor: let go of them here, on their thread.
        slots.removeAll()
        _ = timers.removeAll()
    }

    // MARK: Descriptors

    /// Reports events on `descriptor` to `handler`, which is kept alive until `deregister`.
    ///
    /// The descriptor must be non-blocking, and stay open until it is deregistered.
    ///
    /// - Throws: the kernel's refusal (ENOSPC: fs.epoll.max_user_watches, ENOMEM).
    package func register(
        _ descriptor: borrowing OwnedDescriptor, for interest: Interest, handler: any EventHandler
    ) throws(Errno) -> Registration {
        preconditionOnThread()
        let index = Int(descriptor.rawValue)
        while slots.count <= index {
            slots.append(Slot())
        }
        precondition(slots[index].handler == nil, "descriptor \(index) is registered already")
        lastGeneration &+= 1
        if lastGeneration == 0 { lastGeneration = 1 }
        let registration = Registration(
            descriptor: descriptor.rawValue, generation: lastGeneration)
        try epoll.add(registration, for: interest)
        slots[index] = Slot(handler: handler, generation: lastGeneration, interest: interest)
        return registration
    }

    /// Changes what is waited for. Without a system call if it is what is waited for already.
    package func update(_ registration: Registration, for interest: Interest) {
        preconditionOnThread()
        let index = Int(registration.descriptor)
        precondition(isCurrent(registration), "update of a stale registration")
        guard slots[index].interest != interest else { return }
        slots[index].interest = interest
        do throws(Errno) {
            try epoll.modify(registration, for: interest)
        } catch {
            // The descriptor is in the set, so nothing has to be allocated.
            preconditionFailure("epoll_ctl: \(error)")
        }
    }

    /// Ends a registration; events already fetched for it are dropped. Call it before closing the
    /// descriptor. Does nothing when it has ended already.
    package func deregister(_ registration: Registration) {
        preconditionOnThread()
        guard isCurrent(registration) else { return }
        do throws(Errno) {
            try epoll.remove(registration)
        } catch {
            preconditionFailure("epoll_ctl: \(error)")
        }
        slots[Int(registration.descriptor)] = Slot()
    }

    /// The handler of a registration; nil when it has ended, whoever has its descriptor now.
    package func handler(of registration: Registration) -> (any EventHandler)? {
        preconditionOnThread()
        let index = Int(registration.descriptor)
        guard index < slots.count, slots[index].generation == registration.generation else {
            return nil
        }
        return slots[index].handler
    }

    private func isCurrent(_ registration: Registration) -> Bool {
        handler(of: registration) != nil
    }

    // MARK: Time

    /// Calls `action` once when `deadline` has come, in order of the deadlines.
    package func schedule(
        at deadline: MonotonicInstant, _ action: @escaping () -> Void
    ) -> Timer {
        preconditionOnThread()
        return timers.schedule(at: deadline, .call(action))
    }

    /// Makes sure that a timer does not fire any more.
    package func cancel(_ timer: Timer) {
        preconditionOnThread()
        timers.cancel(timer)
    }

    /// Suspends the calling task until `deadline`. From any thread.
    ///
    /// - Throws: `CancellationError` when the task is cancelled or the reactor stops before.
    package func sleep(until deadline: MonotonicInstant) async throws {
        let sleeper = Sleeper()
        let isAccepted = jobs.append(.call { self.schedule(sleeper, at: deadline) })
        if !isAccepted { sleeper.cancel() }
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { sleeper.wait($0) }
        } onCancel: {
            sleeper.cancel()
            post { sleeper.scheduled.map(self.cancel) }
        }
    }

    private func schedule(_ sleeper: Sleeper, at deadline: MonotonicInstant) {
        if isFinished { return sleeper.cancel() }
        if sleeper.isEnded { return }
        sleeper.scheduled = timers.schedule(at: deadline, .wake(sleeper))
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
        precondition(isOnThread, "not on the reactor's thread")
    }

    /// Whether the calling thread is in `run()` of this reactor.
    package var isOnThread: Bool {
        owner.load(ordering: .relaxed) == pthread_self()
    }

    /// Also true before `run()`, when the reactor belongs to the thread that prepares it.
    private func preconditionOnThread() {
        let thread = owner.load(ordering: .relaxed)
        precondition(thread == pthread_self() || thread == 0, "not on the reactor's thread")
    }
}
