// SPDX-License-Identifier: BSD-2-Clause
//
// What primary and secondary have in common once they are put together: reactors with their threads,
// servers on them, signals, and an end in good order: no new connections, running requests answered,
// threads joined.
//
//     main thread      control reactor: signals, the role's own work, the internal endpoint
//     front-N          one reactor each: public connections

import LogService
import Logging
import Reactor
import Synchronization
import SystemPackage
import Transport

/// What a role does beside answering requests.
protocol RoleWork: AnyObject {
    /// The reactors run from now on.
    func start()
    /// The process is to end: nothing new is begun.
    func stop()
    /// Connections close after their next answer: whoever is held is answered.
    func releaseAll()
    /// Files that an operator may have changed are to be read again.
    func reload()
}

/// The reactors and servers of a node. Made, run and ended on the main thread.
final class ServerNode {
    /// How long running requests may take to end after a signal.
    private static let drainTimeout = Duration.seconds(10)

    /// The main thread's.
    let control: Reactor
    /// One for each thread that serves public connections.
    let fronts: [Reactor]
    private let logger: Logger
    private let counters: [ServerCounters]
    private var servers: [HTTPServer] = []
    private var isStopping = false

    /// Reactors that do not run yet.
    init(frontCount: Int, logger: Logger) throws(Errno) {
        self.logger = logger
        control = try Reactor()
        var fronts: [Reactor] = []
        for _ in 0..<frontCount { fronts.append(try Reactor()) }
        self.fronts = fronts
        counters = (0...frontCount).map { _ in ServerCounters() }
    }

    /// Sums up the connections of all servers; from any thread.
    var connectionCounts: @Sendable () -> ConnectionCounts {
        { [counters] in ConnectionCounts(adding: counters) }
    }

    /// Gives the sockets to their reactors.
    ///
    /// - Parameter external: one handler for each front.
    func listen(
        on sockets: ServerSockets, external: [any RequestHandler], internal: any RequestHandler
    ) throws(Errno) {
        let limits = sockets.connectionLimits
        for (index, handler) in external.enumerated() {
            servers.append(
                try HTTPServer(
                    on: fronts[index], listeners: sockets.external[index],
                    limits: ServerLimits(connectionsMax: limits.front), counters: counters[index],
                    handler: handler))
        }
        servers.append(
            try HTTPServer(
                on: control, listeners: sockets.internal,
                limits: ServerLimits(connectionsMax: limits.internal),
                counters: counters[fronts.count], handler: `internal`))
    }

    /// Serves until a signal says to stop, and returns when everything has ended.
    func run(_ work: any RoleWork, reopeningLog logDestination: LogDestination) throws {
        try SignalSource(on: control) { [self] signal in
            switch signal {
            case .terminate, .interrupt: stop(work)
            case .hangUp:
                reopen(logDestination)
                work.reload()
            }
        }
        let threads = try fronts.enumerated().map { index, reactor in
            try FrontThread(name: "front-\(index + 1)", running: reactor)
        }
        work.start()
        ServiceManager.ready()
        control.run()
        for thread in threads { thread.stopAndJoin() }
    }

    /// No new connections; those that are open end when their requests are answered.
    private func stop(_ work: any RoleWork) {
        guard !isStopping else { return }
        isStopping = true
        logger.info("stopping: running requests are finished")
        ServiceManager.stopping()
        work.stop()
        let deadline = MonotonicInstant.now().advanced(by: Self.drainTimeout)
        let open = Mutex(servers.count)
        for server in servers {
            server.drain(until: deadline) { [control] in
                let isLast = open.withLock { count in
                    count -= 1
                    return count == 0
                }
                if isLast { control.stop() }
            }
        }
        // Now that their connections close after the answer, and say so in it.
        work.releaseAll()
    }

    private func reopen(_ logDestination: LogDestination) {
        do throws(Errno) {
            try logDestination.reopen()
            logger.info("log file reopened")
        } catch {
            logger.error("cannot reopen the log file: \(error)")
        }
    }
}

/// A reactor's thread, in a form that arrays can hold.
private final class FrontThread {
    private var thread: ReactorThread?

    init(name: String, running reactor: Reactor) throws(Errno) {
        thread = try ReactorThread(name: name, running: reactor)
    }

    func stopAndJoin() { thread.take()?.stopAndJoin() }
}

extension ConnectionCounts {
    /// The sums of what several servers counted.
    fileprivate init(adding counters: [ServerCounters]) {
        self.init()
        for counter in counters {
            open += UInt64(max(0, counter.open))
            accepted += UInt64(counter.accepted)
            refused += UInt64(counter.refused)
            malformed += UInt64(counter.malformed.values.reduce(0, +))
        }
    }
}
