// SPDX-License-Identifier: BSD-2-Clause
//
// What the actors that live on a control reactor have in common: a way in for other threads, and one
// timer for what is to be done later.

import Reactor

/// An actor whose executor is a reactor.
protocol ControlActor: Actor {
    nonisolated var reactor: Reactor { get }
}

extension ControlActor {
    /// Does `action` on the actor, in the reactor's next turn; from any thread.
    nonisolated func perform(_ action: @escaping @Sendable (isolated Self) -> Void) {
        // No task: it would pass through the runtime's own threads on its way here.
        reactor.post { self.assumeIsolated(action) }
    }
}

/// One timer that is set anew each time. On the reactor's thread.
final class Alarm {
    private let reactor: Reactor
    private var timer: Timer?

    init(on reactor: Reactor) {
        self.reactor = reactor
    }

    /// Calls `action` at `deadline`, instead of what was arranged before; nil: nothing is.
    func set(_ deadline: MonotonicInstant?, _ action: @escaping () -> Void) {
        if let timer { reactor.cancel(timer) }
        timer = deadline.map { deadline in
            reactor.schedule(at: deadline) { [self] in
                timer = nil
                action()
            }
        }
    }
}
