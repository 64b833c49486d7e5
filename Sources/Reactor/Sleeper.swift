// SPDX-License-Identifier: BSD-2-Clause
//
// A task that waits for a time to come. The end of its wait is reported once, by whichever comes
// first of the reactor's timer, the task's cancellation and the reactor's end.

import Synchronization

/// The meeting point of a suspended task and those who may wake it, on any threads.
final class Sleeper: Sendable {
    private enum State {
        case fresh
        case waiting(CheckedContinuation<Void, any Error>)
        /// Perhaps before the task went to sleep, which then learns how.
        case ended(Result<Void, any Error>)
    }

    private let state = Mutex(State.fresh)
    /// Written once and read on the reactor's thread only; the lock is there for the compiler.
    private let timer = Mutex<Timer?>(nil)

    /// The timer that ends the wait.
    var scheduled: Timer? {
        get { timer.withLock { $0 } }
        set { timer.withLock { $0 = newValue } }
    }

    /// Whether somebody ended the wait already.
    var isEnded: Bool {
        state.withLock { state in
            if case .ended = state { return true }
            return false
        }
    }

    /// The task goes to sleep; if its wait is over already, it is woken at once.
    func wait(_ continuation: CheckedContinuation<Void, any Error>) {
        let result: Result<Void, any Error>? = state.withLock { state in
            if case .ended(let result) = state { return result }
            state = .waiting(continuation)
            return nil
        }
        if let result { continuation.resume(with: result) }
    }

    /// The time has come.
    func wake() { end(.success(())) }

    /// The time will not come.
    func cancel() { end(.failure(CancellationError())) }

    private func end(_ result: Result<Void, any Error>) {
        let continuation: CheckedContinuation<Void, any Error>? = state.withLock { state in
            switch state {
            case .fresh:
                state = .ended(result)
                return nil
            case .waiting(let continuation):
                state = .ended(result)
                return continuation
            case .ended:
                return nil
            }
        }
        continuation?.resume(with: result)
    }
}
