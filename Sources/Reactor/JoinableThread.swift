// SPDX-License-Identifier: BSD-2-Clause
//
// A POSIX thread with a name and somebody who decides about its end. Swift's own tasks run on a
// pool of threads that must not block; a reactor and the store's writer each need a thread of their
// own.

import CLinux
package import SystemPackage

/// A running thread, which its owner has to join, or to detach where nobody can wait for it.
package struct JoinableThread: ~Copyable, Sendable {
    private final class Start: Sendable {
        let name: String
        let body: @Sendable () -> Void

        init(name: String, body: @escaping @Sendable () -> Void) {
            self.name = name
            self.body = body
        }
    }

    private let thread: pthread_t

    /// Starts a thread that runs `body` and ends.
    ///
    /// - Parameter name: shown by top and ps; the kernel keeps 15 bytes of it.
    /// - Throws: EAGAIN when the system has no thread left to give.
    package init(
        name: String, _ body: @escaping @Sendable () -> Void
    ) throws(Errno) {
        let start = Start(name: String(name.utf8.prefix(15)) ?? "", body: body)
        // One reference is handed to the new thread, which takes it over first thing; it is taken
        // back below if there is no thread.
        let argument = unsafe Unmanaged.passRetained(start)
        var thread = pthread_t()
        let status = unsafe pthread_create(
            &thread, nil,
            { argument in
                guard let argument = unsafe argument else { return nil }
                let start = unsafe Unmanaged<Start>.fromOpaque(argument).takeRetainedValue()
                // The string's bytes are kept for the call, and the kernel copies them. A name
                // is for people; going on without it is no failure.
                _ = unsafe clinux_name_this_thread(start.name)
                start.body()
                return nil
            }, argument.toOpaque())
        guard status == 0 else {
            unsafe argument.release()
            throw Errno(rawValue: status)
        }
        self.thread = thread
    }

    /// Waits until the thread has ended. Must not be called on the thread itself.
    package consuming func join() {
        // No result is asked for. The thread is joined once: this consumes its only handle.
        let status = pthread_join(thread, nil)
        precondition(status == 0, "pthread_join: \(Errno(rawValue: status))")
        discard self
    }

    /// Gives the thread up: it goes when its body returns, and nobody can wait for that.
    ///
    /// For work that may hang for ever in somebody else's code, such as the system's resolver: the
    /// end of the process does not wait for a detached thread, it ends it wherever it is. So the
    /// body must hold nothing whose end matters, and own, or keep alive, all that it touches.
    package consuming func detach() {
        // The thread is neither joined nor detached yet: this consumes its only handle.
        let status = pthread_detach(thread)
        precondition(status == 0, "pthread_detach: \(Errno(rawValue: status))")
        discard self
    }

    deinit {
        assertionFailure("a thread that nobody joined or detached")
    }
}
