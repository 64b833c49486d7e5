// SPDX-License-Identifier: BSD-2-Clause
//
// An HTTP client on a reactor of its own, and the test that waits for its answers.

import HTTPWire
import Reactor
import Synchronization
import SystemPackage
import Testing

@testable import Transport

typealias Answer = Result<ClientResponse, HTTPClientError>

extension Answer {
    /// The body of a 200.
    var text: String? {
        guard case .success(let response) = self, response.statusCode == 200 else { return nil }
        return String(decoding: response.body, as: UTF8.self)
    }

    /// Whether it is the first on its connection.
    var isFirst: Bool? {
        if case .success(let response) = self { return response.isFirstOnConnection }
        return nil
    }

    var error: HTTPClientError? {
        if case .failure(let error) = self { return error }
        return nil
    }

    var cause: HTTPClientError.Cause? { error?.cause }
}

extension ClientTimeouts {
    /// Longer than any test: nothing is to fail by them, unless a test moves the clock.
    static let patient = ClientTimeouts(
        connect: .seconds(100), request: .seconds(100), overall: .seconds(100),
        idle: .seconds(1_000))
}

final class TestClient {
    let reactor: Reactor
    let client: HTTPClient
    private let thread: RunningThread
    /// Released after the connection is closed.
    private let servers: [AnyObject]

    /// - Parameters:
    ///   - servers: whom to keep alive.
    ///   - lookup: what stands for the resolver; nil for the system's.
    init(
        _ origin: HTTPOrigin, keeping servers: [AnyObject] = [], tls: TLSClientContext? = nil,
        timeouts: ClientTimeouts = .patient, limits: ResponseLimits = ResponseLimits(),
        clock: ManualClock? = nil, lookup: NameResolver.Lookup? = nil
    ) throws {
        if let clock {
            reactor = try Reactor(clock: { clock.now })
        } else {
            reactor = try Reactor()
        }
        client = HTTPClient(
            on: reactor, origin: origin, tls: tls, timeouts: timeouts, limits: limits,
            userAgent: "test", lookup: lookup ?? NameResolver.systemLookup)
        thread = try RunningThread(reactor)
        self.servers = servers
    }

    /// For a server on 127.0.0.1.
    convenience init(
        _ server: ScriptedServer, timeouts: ClientTimeouts = .patient,
        limits: ResponseLimits = ResponseLimits(), clock: ManualClock? = nil
    ) throws {
        let origin = try #require(
            HTTPOrigin(isSecure: false, host: "127.0.0.1", port: server.port))
        try self.init(
            origin, keeping: [server], timeouts: timeouts, limits: limits, clock: clock)
    }

    /// For a name that stands for these addresses.
    convenience init(
        name: String = "witness.test", _ addresses: [SocketAddress],
        keeping servers: [AnyObject] = [], timeouts: ClientTimeouts = .patient,
        clock: ManualClock? = nil
    ) throws {
        let origin = try #require(HTTPOrigin(isSecure: false, host: name, port: 1))
        try self.init(origin, keeping: servers, timeouts: timeouts, clock: clock) { _, _ in
            .success(addresses)
        }
    }

    deinit {
        reactor.post { [client] in client.close() }
        thread.stop()
    }

    /// Sends a request, whose answer will be in the channel.
    func begin(_ request: ClientRequest) throws -> Channel<Answer> {
        let answers = try Channel<Answer>()
        reactor.post { [client] in client.send(request) { answers.send($0) } }
        return answers
    }

    func begin(_ target: String) throws -> Channel<Answer> {
        try begin(ClientRequest(.get, target))
    }

    func send(_ request: ClientRequest) throws -> Answer {
        try begin(request).receive()
    }

    func get(_ target: String) throws -> Answer {
        try send(ClientRequest(.get, target))
    }

    func cancel() {
        reactor.post { [client] in client.cancel() }
    }

    /// Returns when the request in flight has come so far: a lookup's thread takes its time.
    func wait(for phase: HTTPClientError.Phase) throws {
        let phases = try Channel<HTTPClientError.Phase>()
        repeat {
            reactor.post { [client] in phases.send(client.phase) }
        } while phases.receive() != phase
    }

    /// See `Reactor.settle()`.
    func settle() throws {
        try reactor.settle()
    }
}
