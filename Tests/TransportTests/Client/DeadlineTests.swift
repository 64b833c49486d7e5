// SPDX-License-Identifier: BSD-2-Clause
//
// How long a client waits, and that it can be told not to, in each state that it can be in.

import HTTPWire
import Reactor
import Testing

@testable import Transport

/// A request that has got to where it hangs, with the clock that its deadlines are measured by.
private final class Hanging {
    /// Where a request hangs.
    enum Place: CaseIterable {
        case resolving
        case connecting
        case handshake
        case answer

        var phase: HTTPClientError.Phase {
            switch self {
            case .resolving: .resolving
            case .connecting: .connecting
            case .handshake: .handshake
            case .answer: .answer
            }
        }
    }

    let clock = ManualClock()
    let client: TestClient
    let answers: Channel<Answer>
    /// Lets a lookup that hangs go.
    private let release: Channel<Void>
    /// What the server's end of the connection came to.
    let ends: Channel<Bool>

    init(_ place: Place, timeouts: ClientTimeouts) throws {
        let (release, received) = (try Channel<Void>(), try Channel<Void>())
        let ends = try Channel<Bool>()
        self.release = release
        self.ends = ends
        let server = try ScriptedServer(
            { peer in
                // With TLS, the first bytes are a ClientHello.
                var bytes = [UInt8](repeating: 0, count: 4_096)
                _ = peer.read(into: &bytes)
                received.send(())
                ends.send(peer.hasEnded())
            }, { $0.echo() })
        let origin = try #require(
            HTTPOrigin(isSecure: place == .handshake, host: "witness.test", port: server.port))
        let hole = try BlackHole()
        let address = place == .connecting ? hole.address : server.address
        client = try TestClient(
            origin, keeping: [server, hole],
            tls: place == .handshake ? try TLSClientContext() : nil, timeouts: timeouts,
            clock: clock
        ) { _, _ in
            if place == .resolving { release.receive() }
            return .success([address])
        }
        answers = try client.begin("/")
        if place == .handshake || place == .answer { received.receive() }
        try client.wait(for: place.phase)
    }

    deinit {
        release.send(())
    }
}

@Suite struct DeadlineTests {
    private static let timeouts = ClientTimeouts(
        connect: .seconds(100), request: .seconds(100), overall: .seconds(10))

    @Test(arguments: Hanging.Place.allCases)
    fileprivate func allOfItHasADeadline(place: Hanging.Place) throws {
        let hanging = try Hanging(place, timeouts: Self.timeouts)
        hanging.clock.advance(by: .seconds(9))
        try hanging.client.settle()
        hanging.clock.advance(by: .seconds(1))
        try hanging.client.settle()
        let error = try #require(hanging.answers.receive().error)
        #expect(error == HTTPClientError(.timeout(place.phase), wasSent: place == .answer))
        #expect(!error.isStaleConnection)
        if place == .handshake || place == .answer { #expect(hanging.ends.receive()) }
    }

    @Test(arguments: Hanging.Place.allCases)
    fileprivate func aRequestCanBeCancelledAnywhere(place: Hanging.Place) throws {
        let hanging = try Hanging(place, timeouts: Self.timeouts)
        hanging.client.cancel()
        let error = HTTPClientError(.cancelled, wasSent: place == .answer)
        #expect(hanging.answers.receive().error == error)
        if place == .handshake || place == .answer { #expect(hanging.ends.receive()) }
        // With nothing in flight there is nothing to cancel, and no timer is left to ring.
        hanging.client.cancel()
        hanging.clock.advance(by: .seconds(1_000))
        try hanging.client.settle()
    }

    @Test(arguments: Hanging.Place.allCases)
    fileprivate func aClientCanBeClosedAnywhere(place: Hanging.Place) throws {
        let hanging = try Hanging(place, timeouts: Self.timeouts)
        hanging.client.reactor.post { [client = hanging.client.client] in client.close() }
        #expect(hanging.answers.receive().cause == .cancelled)
    }

    @Test func aRequestCanBeCancelledBeforeItBegins() throws {
        let server = try ScriptedServer { $0.echo() }
        let client = try TestClient(server)
        let answers = try Channel<Answer>()
        client.reactor.post { [client = client.client] in
            client.send(ClientRequest(.get, "/1")) { answers.send($0) }
            client.cancel()
            client.send(ClientRequest(.get, "/2")) { answers.send($0) }
        }
        #expect(answers.receive().cause == .cancelled)
        #expect(answers.receive().text == "/2")
    }

    @Test func theRequestItselfHasADeadline() throws {
        var timeouts = Self.timeouts
        timeouts.request = .seconds(3)
        let hanging = try Hanging(.answer, timeouts: timeouts)
        hanging.clock.advance(by: .seconds(3))
        try hanging.client.settle()
        let error = HTTPClientError(.timeout(.answer), wasSent: true)
        #expect(hanging.answers.receive().error == error)
        #expect(hanging.ends.receive())
        // The next request has a new connection and all its time.
        #expect(try hanging.client.get("/next").text == "/next")
    }

    @Test func aRequestMayBringItsOwnDeadlines() throws {
        let clock = ManualClock()
        let received = try Channel<Void>()
        let server = try ScriptedServer { peer in
            _ = peer.receive()
            received.send(())
            _ = peer.hasEnded()
        }
        let client = try TestClient(server, clock: clock)
        let timeouts = ClientTimeouts(request: .seconds(1), overall: .seconds(1))
        let answers = try client.begin(ClientRequest(.get, "/", timeouts: timeouts))
        received.receive()
        try client.settle()
        clock.advance(by: .seconds(1))
        try client.settle()
        #expect(answers.receive().cause == .timeout(.answer))
    }

    /// A byte a second, for ever.
    @Test func aDripDoesNotProlongAnything() throws {
        let clock = ManualClock()
        let (drop, dropped) = (try Channel<Void>(), try Channel<Bool>())
        let server = try ScriptedServer { peer in
            _ = peer.receive()
            for byte in "HTTP/1.1 200 OK\r\n" {
                drop.receive()
                dropped.send(peer.send(String(byte)))
            }
        }
        let client = try TestClient(server, timeouts: Self.timeouts, clock: clock)
        let answers = try client.begin("/")
        for _ in 0..<10 {
            drop.send(())
            #expect(dropped.receive())
            try client.settle()
            clock.advance(by: .seconds(1))
            try client.settle()
        }
        #expect(answers.receive().cause == .timeout(.answer))
        for _ in 0..<7 { drop.send(()) }
    }
}
