// SPDX-License-Identifier: BSD-2-Clause
//
// Signals as events of the loop (signalfd), so that a handler may do anything, on a thread it
// knows, rather than the little that is allowed in a signal handler. What a signal means is decided
// by whoever receives it.

import CLinux
package import SystemPackage

/// A signal that the process waits for.
package enum Signal: CaseIterable, Sendable {
    /// Sent by service managers to end the process.
    case terminate
    /// Ctrl-C.
    case interrupt
    /// By custom: read configuration again, or reopen the log file.
    case hangUp

    fileprivate var number: Int32 {
        switch self {
        case .terminate: SIGTERM
        case .interrupt: SIGINT
        case .hangUp: SIGHUP
        }
    }
}

/// Reports signals to a closure on a reactor's thread.
///
/// Blocked signals wait in the kernel until a source reads them, so one that comes before the
/// source exists is not lost.
package final class SignalSource: EventHandler {
    private let descriptor: OwnedDescriptor
    private let receive: (Signal) -> Void

    /// Blocks all of `Signal` in the calling thread and in those it starts from now on, and ignores
    /// SIGPIPE in the whole process. To be called in `main` before any other thread exists: a
    /// thread that does not block a signal would take it, and the process would end.
    package static func claimSignals() {
        var set = Self.signalSet()
        // A local set is read; the old one is not asked for.
        let status = unsafe pthread_sigmask(SIG_BLOCK, &set, nil)
        precondition(status == 0, "pthread_sigmask: \(Errno(rawValue: status))")
        clinux_ignore_signal(SIGPIPE)
    }

    /// Calls `receive` for each signal, several pending ones of one kind being one. The reactor
    /// keeps the source alive to the end of its run.
    ///
    /// - Throws: the kernel's refusal of the descriptor.
    @discardableResult
    package init(
        on reactor: Reactor, _ receive: @escaping (Signal) -> Void
    ) throws(Errno) {
        var set = Self.signalSet()
        descriptor = try OwnedDescriptor(opening: {
            // A local set is read.
            unsafe signalfd(-1, &set, Int32(SFD_CLOEXEC | SFD_NONBLOCK))
        })
        self.receive = receive
        _ = try reactor.register(descriptor, for: .read, handler: self)
    }

    /// Reads the signals that are pending (EventHandler).
    package func ready(_ events: ReadyEvents, of registration: Registration) {
        var info = signalfd_siginfo()
        let size = MemoryLayout<signalfd_siginfo>.size
        let rawValue = descriptor.rawValue
        while true {
            // The kernel writes one whole record of this size into a local variable, or nothing.
            let outcome = Syscall.attempt { unsafe read(rawValue, &info, size) }
            guard outcome == .moved(size) else { return }
            let signal = Signal.allCases.first { UInt32($0.number) == info.ssi_signo }
            if let signal { receive(signal) }
        }
    }

    private static func signalSet() -> sigset_t {
        var set = sigset_t()
        // Both calls write to a local variable and fail for numbers that are no signals only.
        unsafe sigemptyset(&set)
        for signal in Signal.allCases {
            unsafe sigaddset(&set, signal.number)
        }
        return set
    }
}
