// SPDX-License-Identifier: BSD-2-Clause
//
// What several reactor tests share: socket pairs, a clock that a test moves, handlers that record.

import CLinux
import Reactor
import Synchronization
import SystemPackage
import Testing

/// Two connected stream sockets, both non-blocking: one for the reactor, one for the test.
final class SocketPair {
    let near: OwnedDescriptor
    private var far: OwnedDescriptor?

    init() throws {
        let type = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue)
        var numbers: [Int32] = [-1, -1]
        // The call writes two descriptors to an array of two.
        _ = try Syscall.value { unsafe socketpair(AF_UNIX, type, 0, &numbers) }
        near = OwnedDescriptor(adopting: numbers[0])
        far = OwnedDescriptor(adopting: numbers[1])
    }

    func closeFar() {
        far = nil
    }

    /// The far end's descriptor, which is the caller's from here on.
    func takeFar() -> Int32? {
        far.take()?.take()
    }

    /// Sends one byte to the near end.
    func sendByte() {
        let bytes: InlineArray<1, UInt8> = [1]
        let outcome = far?.send(bytes.span)
        #expect(outcome == .moved(1))
    }

    /// Receives at most 64 bytes at the near end.
    func receive() -> IOOutcome {
        var bytes = [UInt8](repeating: 0, count: 64)
        return near.receive(into: &bytes, from: 0)
    }

    /// Puts a fresh socket, on which nothing ever happens, under the near end's number, as if it
    /// had been closed and the number given out again.
    func replaceNear() throws {
        let quiet = try SocketPair()
        _ = try Syscall.value { dup2(quiet.near.rawValue, near.rawValue) }
        replacement = quiet
    }

    private var replacement: SocketPair?
}

/// A clock that stands still until it is moved.
final class ManualClock: Sendable {
    private let nanoseconds = Atomic<Int64>(1_000_000_000)

    var now: MonotonicInstant {
        MonotonicInstant(nanoseconds: nanoseconds.load(ordering: .sequentiallyConsistent))
    }

    func advance(by duration: Duration) {
        nanoseconds.add(duration.nanosecondsClamped, ordering: .sequentiallyConsistent)
    }
}

/// Calls a closure for each event.
final class ClosureHandler: EventHandler {
    private let body: (ReadyEvents, Registration) throws -> Void

    init(_ body: @escaping (ReadyEvents, Registration) throws -> Void) {
        self.body = body
    }

    func ready(_ events: ReadyEvents, of registration: Registration) {
        #expect(throws: Never.self) { try body(events, registration) }
    }
}
