// SPDX-License-Identifier: BSD-2-Clause
//
// Accepts the connections of one endpoint on one reactor and holds what they share: limits,
// handler, buffers between two uses, the Date field of the second. What happens on a connection
// stands in HTTPConnection.

import HTTPWire
package import Reactor
package import SystemPackage

/// An HTTP server on one reactor. An endpoint that several reactors serve has a server on each.
///
/// `@unchecked Sendable`: only `drain` and the constants may be used by any thread; all else
/// is touched on the reactor's thread alone, which the reactor checks at each registration.
package final class HTTPServer: EventHandler, @unchecked Sendable {
    /// What is counted for the operator.
    package let counters: ServerCounters
    let reactor: Reactor
    let handler: any RequestHandler
    let limits: ServerLimits
    /// `limits` in the unit of the clock.
    let patience: Patience

    private var listeners: [(registration: Registration, listener: Listener)] = []
    /// The reactor owns the connections, and they their server; so this is not the way round.
    private var connections: Set<Registration> = []
    /// Set while the process has no descriptor left to accept with.
    private var pause: Timer?
    /// Set when the server is to end: what to do when its last connection is closed.
    private var whenDrained: (() -> Void)?

    /// Storage of connections' input.
    var inputs: BufferPool
    private var outputs: [[UInt8]] = []
    private var dateField = DateField(unixSeconds: 0)
    private var dateExpiry = MonotonicInstant(nanoseconds: .min)

    /// Connections accepted in a row before other events have their turn.
    private static let acceptBatchMax = 64
    /// Without a descriptor to accept with: how long to wait for one that others of the process
    /// close. Those closed here are noticed at once.
    private static let pauseDuration = Duration.milliseconds(100)
    /// Output buffers kept, and the capacity above which one is not.
    private static let idleOutputsMax = 16
    private static let idleOutputBytesMax = 1 << 18

    /// Begins to accept. On the reactor's thread, or before it runs; the reactor keeps the server
    /// alive until it is drained.
    ///
    /// - Throws: the kernel's refusal to watch the sockets.
    @discardableResult
    package init(
        on reactor: Reactor, listeners: [Listener], limits: ServerLimits = ServerLimits(),
        counters: ServerCounters = ServerCounters(), handler: any RequestHandler
    ) throws(Errno) {
        self.reactor = reactor
        self.limits = limits
        self.counters = counters
        self.handler = handler
        patience = Patience(limits)
        inputs = BufferPool(bufferBytes: max(limits.request.requestBytesMax, 1 << 14))
        for listener in listeners {
            let registration = try reactor.register(
                listener.descriptor, for: .read, handler: self)
            self.listeners.append((registration, listener))
        }
    }

    // MARK: Accepting

    /// Accepts connections (EventHandler).
    package func ready(_ events: ReadyEvents, of registration: Registration) {
        guard let (_, listener) = listeners.first(where: { $0.registration == registration })
        else { return }
        accept(from: listener, atMost: Self.acceptBatchMax)
    }

    private func accept(from listener: Listener, atMost count: Int) {
        for _ in 0..<count {
            switch listener.accept() {
            case .connection(let socket): admit(socket)
            case .lost: continue
            case .noneWaiting: return
            case .exhausted: return pauseAccepting()
            }
        }
    }

    private func admit(_ socket: consuming OwnedDescriptor) {
        guard connections.count < limits.connectionsMax else { return refuse(socket) }
        let connection = HTTPConnection(socket, of: self)
        do throws(Errno) {
            let registration = try connection.begin()
            connections.insert(registration)
            counters.connectionOpened()
        } catch {
            // No memory for another watch: as good as too many connections.
            counters.connectionRefused()
        }
    }

    /// Says why, as far as that can be done without waiting: the response fits into the new
    /// socket's empty buffer, and the peer finds it there though the connection is closed.
    private func refuse(_ socket: consuming OwnedDescriptor) {
        counters.connectionRefused()
        var writer = ResponseWriter(output: takeOutput(), date: date)
        writer.begin(.serviceUnavailable, contentType: "text/plain; charset=utf-8")
        writer.field("Retry-After", decimal: 1)
        writer.append("too many connections\n")
        writer.end()
        let output = writer.finish()
        _ = socket.send(output.span)
        giveOutput(output)
        socket.shutdownSending()
    }

    /// The connection that could not be accepted keeps its listener readable, and the loop would
    /// spin. So nothing is accepted until a connection closes or the pause is over; who waits,
    /// waits in the listener's backlog.
    private func pauseAccepting() {
        guard pause == nil else { return }
        for (registration, _) in listeners {
            reactor.update(registration, for: [])
        }
        pause = reactor.schedule(at: reactor.now.advanced(by: Self.pauseDuration)) {
            self.resumeAccepting()
        }
    }

    private func resumeAccepting() {
        guard let pause else { return }
        reactor.cancel(pause)
        self.pause = nil
        for (registration, _) in listeners {
            reactor.update(registration, for: .read)
        }
    }

    // MARK: Ending

    /// Stops accepting, closes idle connections, lets running requests come to their end with
    /// `Connection: close`, and calls `whenDone` on the reactor's thread when all connections are
    /// closed; those that are still open at `deadline` are cut off. From any thread, once.
    package func drain(
        until deadline: MonotonicInstant, whenDone: @escaping @Sendable () -> Void
    ) {
        reactor.post { self.beginDraining(until: deadline, whenDone: whenDone) }
    }

    var isDraining: Bool { whenDrained != nil }

    private func beginDraining(until deadline: MonotonicInstant, whenDone: @escaping () -> Void) {
        precondition(!isDraining, "a server is drained once")
        // Connections accepted from here on close after their first response.
        whenDrained = {}
        // Those who got as far as the backlog take us to be listening.
        for (registration, listener) in listeners {
            accept(from: listener, atMost: .max)
            reactor.deregister(registration)
        }
        listeners = []
        resumeAccepting()
        // The timer goes with the last connection.
        let alarm = reactor.schedule(at: deadline) {
            self.forEachConnection { $0.close() }
        }
        whenDrained = { [reactor] in
            reactor.cancel(alarm)
            whenDone()
        }
        forEachConnection { $0.drain() }
        endIfDrained()
    }

    /// Calls `visit` for each connection that is open now; it may close any.
    private func forEachConnection(_ visit: (HTTPConnection) -> Void) {
        for registration in connections {
            guard let connection = reactor.handler(of: registration) as? HTTPConnection
            else { continue }
            visit(connection)
        }
    }

    func connectionClosed(_ registration: Registration) {
        guard connections.remove(registration) != nil else { return }
        counters.connectionClosed()
        resumeAccepting()
        endIfDrained()
    }

    private func endIfDrained() {
        guard connections.isEmpty, listeners.isEmpty, let whenDrained else { return }
        self.whenDrained = {}
        whenDrained()
    }

    // MARK: What connections share

    /// The Date field of now, made anew when the second has passed. If the system's clock is set
    /// meanwhile, the field is behind for less than a second.
    var date: DateField {
        if reactor.now >= dateExpiry {
            let time = WallTime.now()
            dateField = DateField(unixSeconds: time.seconds)
            dateExpiry = reactor.now.advanced(byNanoseconds: 1_000_000_000 - time.nanoseconds)
        }
        return dateField
    }

    /// An empty buffer, with capacity if one was given back.
    func takeOutput() -> [UInt8] {
        outputs.popLast() ?? []
    }

    /// Takes a buffer back when all in it was sent.
    func giveOutput(_ buffer: consuming [UInt8]) {
        guard outputs.count < Self.idleOutputsMax, buffer.capacity <= Self.idleOutputBytesMax
        else { return }
        buffer.removeAll(keepingCapacity: true)
        outputs.append(buffer)
    }
}

/// The durations of `ServerLimits` in nanoseconds: they are added to the time for every request.
struct Patience {
    let head: Int64
    let body: Int64
    let idle: Int64
    let write: Int64
    let linger: Int64

    init(_ limits: ServerLimits) {
        head = limits.headTimeout.nanosecondsClamped
        body = limits.bodyTimeout.nanosecondsClamped
        idle = limits.idleTimeout.nanosecondsClamped
        write = limits.writeTimeout.nanosecondsClamped
        linger = limits.lingerTimeout.nanosecondsClamped
    }
}
