// SPDX-License-Identifier: BSD-2-Clause
//
// A reactor on a thread of its own.

package import SystemPackage

/// A thread that runs a reactor until it is told to stop.
package struct ReactorThread: ~Copyable {
    /// The reactor; from the start of the thread on it belongs to that thread.
    package let reactor: Reactor
    private let thread: JoinableThread

    /// Runs `reactor`, which the caller may have prepared, on a new thread.
    ///
    /// - Throws: EAGAIN when there is no thread to be had.
    package init(name: String, running reactor: Reactor) throws(Errno) {
        self.reactor = reactor
        thread = try JoinableThread(name: name) { reactor.run() }
    }

    /// Stops the reactor and waits for its thread to end.
    package consuming func stopAndJoin() {
        reactor.stop()
        thread.join()
    }
}
