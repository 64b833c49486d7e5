// SPDX-License-Identifier: BSD-2-Clause
//
// A server on a thread of its own whose answers follow from the request's target, for the tests to
// talk to.

import CLinux
import HTTPWire
import Reactor
import Synchronization
import SystemPackage
import Testing

@testable import Transport

/// Values handed from one thread to another that waits for them.
final class Channel<Value: Sendable>: Sendable {
    private let values = Mutex<[Value]>([])
    /// Counts the values (EFD_SEMAPHORE), so that a read waits for one.
    private let count: OwnedDescriptor

    init() throws {
        count = try OwnedDescriptor { eventfd(0, Int32(EFD_CLOEXEC | EFD_SEMAPHORE)) }
    }

    func send(_ value: Value) {
        values.withLock { $0.append(value) }
        let number = count.rawValue
        var one: UInt64 = 1
        // Eight bytes are read from a local variable.
        let outcome = Syscall.attempt { unsafe write(number, &one, 8) }
        precondition(outcome == .moved(8))
    }

    /// Whether nothing waits to be received.
    var isEmpty: Bool { values.withLock { $0.isEmpty } }

    func receive() -> Value {
        let number = count.rawValue
        var one: UInt64 = 0
        // Eight bytes are written to a local variable.
        let outcome = Syscall.attempt { unsafe read(number, &one, 8) }
        precondition(outcome == .moved(8))
        return values.withLock { $0.removeFirst() }
    }
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

/// Answers by target:
///
///     /large/<n>   n bytes of the alphabet
///     /echo        the request's body
///     /defer       nothing; the ticket goes to `tickets`
///     /at-once     deferred, and completed twice within the call
///     /close       the target, and ends the connection
///     otherwise    the target
final class TestHandler: RequestHandler, Sendable {
    let tickets: Channel<ResponseTicket>

    init() throws {
        tickets = try Channel()
    }

    func handle(
        _ head: RequestHead, bytes: Span<UInt8>, body: Span<UInt8>,
        response: inout ResponseWriter, ticket: () -> ResponseTicket
    ) -> Handling {
        var target = ""
        for offset in head.target {
            target.unicodeScalars.append(Unicode.Scalar(bytes[offset]))
        }
        switch target {
        case "/echo":
            response.begin(.ok, contentType: "application/octet-stream")
            response.append(body)
            response.end()
        case "/defer":
            tickets.send(ticket())
            return .deferred
        case "/at-once":
            let ticket = ticket()
            ticket.complete(.ok, "first")
            ticket.complete(.ok, "second")
            return .deferred
        case _ where target.hasPrefix("/large/"):
            response.begin(.ok, contentType: "application/octet-stream")
            response.append(Self.alphabet(Int(target.dropFirst(7)) ?? 0).span)
            response.end()
        default:
            if target == "/close" { response.framing.persistence = .close }
            response.text(.ok, target)
        }
        return .answered
    }

    /// So many letters, the alphabet over and over.
    static func alphabet(_ count: Int) -> [UInt8] {
        var letters = Array(UInt8(ascii: "a")...UInt8(ascii: "z"))
        while letters.count < count {
            letters += letters
        }
        letters.removeLast(letters.count - count)
        return letters
    }
}

/// One or more reactors that serve a `TestHandler`.
final class TestServer {
    let port: UInt16
    let handler: TestHandler
    let servers: [HTTPServer]
    private let reactors: [Reactor]
    private let threads: [RunningThread]

    init(
        limits: ServerLimits = ServerLimits(), clock: ManualClock? = nil, reactorCount: Int = 1
    ) throws {
        let rows = try Listener.bind(host: "127.0.0.1", port: 0, count: reactorCount)
        let handler = try TestHandler()
        reactors = try rows.map { _ in
            if let clock { return try Reactor(clock: { clock.now }) }
            return try Reactor()
        }
        servers = try zip(reactors, rows).map { reactor, row in
            try HTTPServer(on: reactor, listeners: row, limits: limits, handler: handler)
        }
        threads = try reactors.map(RunningThread.init)
        port = rows[0][0].port
        self.handler = handler
    }

    deinit {
        threads.forEach { $0.stop() }
    }

    var counters: ServerCounters { servers[0].counters }

    func client(receiveBytes: Int32? = nil) throws -> Client {
        try Client(port: port, receiveBytes: receiveBytes)
    }

    func settle() throws {
        try reactors[0].settle()
    }

    /// Returns when so many connections are open. A close is not seen at once: a process that
    /// another test is just starting may have a copy of the descriptor.
    func wait(forOpen count: Int) throws {
        let deadline = MonotonicInstant.now().advanced(by: .seconds(60))
        while counters.open != count {
            try #require(MonotonicInstant.now() < deadline, "\(counters.open) open, not \(count)")
            try settle()
        }
    }
}

/// A reactor's thread, stopped once.
final class RunningThread {
    private var thread: ReactorThread?

    init(_ reactor: Reactor) throws {
        thread = try ReactorThread(name: "test-reactor", running: reactor)
    }

    func stop() {
        thread.take()?.stopAndJoin()
    }
}

extension Reactor {
    /// Returns when the reactor has seen everything sent to it, and fired every timer due, before.
    ///
    /// The first job may run in an iteration whose poll came before; then the second one's did not,
    /// and the third one's comes after that iteration's timers.
    func settle() throws {
        let done = try Channel<Void>()
        for _ in 0..<3 {
            post { done.send(()) }
            done.receive()
        }
    }
}
