// SPDX-License-Identifier: BSD-2-Clause
//
// What a server spends on its peers: connections, time, memory; and how it ends.

import CLinux
import HTTPWire
import Reactor
import SystemPackage
import Testing

@testable import Transport

@Suite struct ConnectionTests {
    @Test func tooManyConnectionsAreTurnedAway() throws {
        let server = try TestServer(limits: ServerLimits(connectionsMax: 2))
        let clients = try [server.client(), server.client()]
        for client in clients {
            client.get("/in")
            #expect(try client.response().text == "/in\n")
        }
        let surplus = try server.client()
        let refusal = try surplus.response()
        #expect(refusal.status == 503)
        #expect(refusal.closes)
        #expect(refusal.fields["retry-after"] == "1")
        #expect(surplus.hasEnded())
        #expect(server.counters.refused == 1)
        clients[0].close()
        try server.wait(forOpen: 1)
        let next = try server.client()
        next.get("/in")
        #expect(try next.response().text == "/in\n")
        #expect(server.counters.open == 2)
    }

    @Test func aClientMayVanishAnywhere() throws {
        let server = try TestServer()
        for isReset in [true, false] {
            for request in [
                "", "GET /", "POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 9\r\n\r\nabc",
                "GET /large/3000000 HTTP/1.1\r\nHost: t\r\n\r\n",
            ] {
                let client = try server.client(receiveBytes: 4_096)
                client.send(request)
                try server.settle()
                #expect(server.counters.open == 1)
                if isReset { client.reset() } else { client.close() }
                try server.wait(forOpen: 0)
            }
        }
        #expect(server.counters.accepted == 8)
    }

    @Test func aSlowReaderGetsEverythingAndHoldsUpNobody() throws {
        let server = try TestServer()
        let slow = try server.client(receiveBytes: 4_096)
        let byteCount = 8_000_000
        slow.get("/large/\(byteCount)")
        slow.get("/after")
        let other = try server.client()
        other.get("/other")
        #expect(try other.response().text == "/other\n")
        let body = try slow.response().body
        #expect(body == TestHandler.alphabet(byteCount))
        #expect(try slow.response().text == "/after\n")
    }

    // MARK: Deadlines

    private let limits = ServerLimits(
        headTimeout: .seconds(10), bodyTimeout: .seconds(20), idleTimeout: .seconds(60),
        writeTimeout: .seconds(30), lingerTimeout: .seconds(2))

    /// What a client has sent, how long it is waited for, and whether it is told.
    @Test(
        arguments: [
            ("", 10, nil), ("GET / HT", 10, 408), ("GET / HTTP/1.1\r\n", 10, 408),
            ("POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 9\r\n\r\nabc", 20, 408),
            ("GET /in HTTP/1.1\r\nHost: t\r\n\r\n", 60, nil),
            ("GET /in HTTP/1.1\r\nHost: t\r\n\r\nGET", 10, 408),
        ] as [(String, Int, Int?)])
    func everyWaitEnds(sent: String, seconds: Int, status: Int?) throws {
        let clock = ManualClock()
        let server = try TestServer(limits: limits, clock: clock)
        let client = try server.client()
        try server.settle()
        client.send(sent)
        try server.settle()
        if sent.contains("/in") { #expect(try client.response().status == 200) }
        clock.advance(by: .seconds(seconds) - .nanoseconds(1))
        try server.settle()
        #expect(server.counters.open == 1)
        #expect(server.counters.malformed.isEmpty)
        clock.advance(by: .nanoseconds(1))
        try server.settle()
        if let status {
            #expect(try client.response().status == status)
            #expect(server.counters.malformed == [.requestTimeout: 1])
        }
        #expect(client.hasEnded())
    }

    @Test func aTrickleDoesNotMoveTheDeadline() throws {
        let clock = ManualClock()
        let server = try TestServer(limits: limits, clock: clock)
        let client = try server.client()
        for byte in "GET /abcd" {
            client.send(String(byte))
            try server.settle()
            clock.advance(by: .seconds(1))
            try server.settle()
        }
        #expect(server.counters.malformed.isEmpty)
        clock.advance(by: .seconds(1))
        #expect(try client.response().status == 408)
    }

    @Test func requestsBeginTheIdleTimeAnew() throws {
        let clock = ManualClock()
        let server = try TestServer(limits: limits, clock: clock)
        let client = try server.client()
        for _ in 0..<5 {
            client.get("/in")
            #expect(try client.response().status == 200)
            try server.settle()
            clock.advance(by: .seconds(59))
            try server.settle()
        }
        clock.advance(by: .seconds(1))
        try server.settle()
        #expect(client.hasEnded())
    }

    @Test func aDeferredResponseIsWaitedForWithoutEnd() throws {
        let clock = ManualClock()
        let server = try TestServer(limits: limits, clock: clock)
        let client = try server.client()
        client.get("/defer")
        let ticket = server.handler.tickets.receive()
        clock.advance(by: .seconds(100_000))
        try server.settle()
        ticket.complete(.ok, "at last")
        #expect(try client.response().text == "at last\n")
        // And after it the usual deadlines hold.
        try server.settle()
        clock.advance(by: .seconds(60))
        try server.settle()
        #expect(client.hasEnded())
    }

    @Test func aPeerThatTakesNothingIsCutOff() throws {
        let clock = ManualClock()
        let server = try TestServer(limits: limits, clock: clock)
        let client = try server.client(receiveBytes: 4_096)
        client.get("/large/20000000")
        try server.settle()
        clock.advance(by: .seconds(29))
        try server.settle()
        #expect(server.counters.open == 1)
        clock.advance(by: .seconds(2))
        try server.settle()
        #expect(server.counters.open == 0)
    }

    @Test func lingeringEnds() throws {
        let clock = ManualClock()
        let server = try TestServer(limits: limits, clock: clock)
        let client = try server.client()
        client.send("nonsense\r\n\r\n more")
        #expect(try client.response().status == 400)
        try server.settle()
        #expect(server.counters.open == 1)
        clock.advance(by: .seconds(2))
        try server.settle()
        #expect(server.counters.open == 0)
    }

    // MARK: The end

    @Test func drainingFinishesWhatRunsAndClosesWhatIsIdle() throws {
        let server = try TestServer()
        let (idle, busy, queued) = try (server.client(), server.client(), server.client())
        idle.get("/in")
        #expect(try idle.response().status == 200)
        busy.get("/defer")
        let ticket = server.handler.tickets.receive()
        queued.send("GET /half")
        try server.settle()
        let drained = try Channel<Void>()
        let deadline = MonotonicInstant.now().advanced(by: .seconds(1_000))
        server.servers[0].drain(until: deadline) { drained.send(()) }
        #expect(idle.hasEnded())
        queued.send("way HTTP/1.1\r\nHost: t\r\n\r\n")
        for (client, text) in [(queued, "/halfway\n"), (busy, "done\n")] {
            if client === busy { ticket.complete(.ok, "done") }
            let response = try client.response()
            #expect(response.text == text)
            #expect(response.closes)
            #expect(client.hasEnded())
        }
        drained.receive()
        #expect(server.counters.open == 0)
        // As long as another process has a copy of the listener, the kernel goes on taking
        // connections, for nobody.
        let error = #expect(throws: Errno.self) {
            while MonotonicInstant.now() < deadline { _ = try server.client() }
        }
        #expect(error == .connectionRefused)
    }

    @Test func drainingEndsAtItsDeadline() throws {
        let clock = ManualClock()
        let server = try TestServer(clock: clock)
        let client = try server.client()
        client.get("/defer")
        _ = server.handler.tickets.receive()
        let deadline = clock.now.advanced(by: .seconds(5))
        let drained = try Channel<Void>()
        server.servers[0].drain(until: deadline) { drained.send(()) }
        try server.settle()
        #expect(server.counters.open == 1)
        clock.advance(by: .seconds(5))
        try server.settle()
        #expect(client.hasEnded())
        drained.receive()
    }

    @Test func theEndOfTheReactorIsTheEndOfItsConnections() throws {
        var server: TestServer? = try TestServer()
        let client = try server?.client()
        client?.get("/defer")
        let ticket = server?.handler.tickets.receive()
        server = nil
        #expect(client?.hasEnded() == true)
        ticket?.complete { _ in Issue.record("rendered for nobody") }
    }

    // MARK: Listening

    @Test(arguments: [1, 2], [1, 2])
    func aSecondInstanceDoesNotJoin(first: Int, second: Int) throws {
        let server = try TestServer(reactorCount: first)
        let error = #expect(throws: ListenError.self) {
            try Listener.bind(host: "127.0.0.1", port: server.port, count: second)
        }
        #expect(
            error?.description
                == "cannot listen on 127.0.0.1:\(server.port): \(Errno.addressInUse)")
    }

    @Test func connectionsAreSpreadOverTheReactors() throws {
        let server = try TestServer(reactorCount: 2)
        var clients: [Client] = []
        for _ in 0..<64 {
            let client = try server.client()
            client.get("/in")
            #expect(try client.response().status == 200)
            clients.append(client)
        }
        #expect(server.servers.allSatisfy { $0.counters.accepted > 0 })
        #expect(server.servers.map(\.counters.accepted).reduce(0, +) == 64)
    }

    @Test func anUnknownHostIsNamed() {
        let error = #expect(throws: ListenError.self) {
            try Listener.bind(host: "host.invalid", port: 1, count: 1)
        }
        #expect(error?.description.hasPrefix("cannot listen on host.invalid:1: ") == true)
    }

    @Test func withoutDescriptorsConnectionsWaitAndAreServedLater() async {
        // In a process of its own, since the limit holds for all of it.
        await #expect(processExitsWith: .success) {
            let server = try TestServer()
            let clients = try (0..<4).map { _ in try Client() }
            // The next two descriptors are the last.
            let next = try OwnedDescriptor { epoll_create1(0) }.rawValue
            var limit = rlimit(rlim_cur: rlim_t(next) + 2, rlim_max: rlim_t(next) + 2)
            // The kernel reads a local variable.
            _ = try Syscall.value {
                unsafe setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
            }
            for (index, client) in clients.enumerated() {
                try client.connect(port: server.port)
                client.get("/\(index)")
            }
            for (index, client) in clients.enumerated() {
                // Two are served; each that ends makes room for another.
                let response = try client.response()
                precondition(response.text == "/\(index)\n")
                client.finishSending()
            }
        }
    }
}
