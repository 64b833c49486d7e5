// SPDX-License-Identifier: BSD-2-Clause
//
// From an origin to a connection: names, lookups that fail or hang, addresses that do.

import HTTPWire
import Reactor
import Synchronization
import SystemPackage
import Testing

@testable import Transport

@Suite struct AddressTests {
    @Test(arguments: [
        ("Witness.Example", 80, "witness.example"),
        ("witness.example", 8080, "witness.example:8080"),
        ("127.0.0.1", 80, "127.0.0.1"), ("::1", 80, "[::1]"), ("FE80::1", 81, "[fe80::1]:81"),
        ("a_b-c.example.", 443, "a_b-c.example.:443"),
    ])
    func anOriginHasAnAuthority(host: String, port: UInt16, authority: String) throws {
        let origin = try #require(HTTPOrigin(isSecure: false, host: host, port: port))
        #expect(origin.authority == authority)
        #expect(origin.description == "http://\(authority)")
        #expect(origin.host == host.lowercased())
    }

    @Test func anOriginKnowsItsSchemesPort() throws {
        let secure = try #require(HTTPOrigin(isSecure: true, host: "a"))
        #expect(secure.port == 443)
        #expect(secure.description == "https://a")
        #expect(try #require(HTTPOrigin(isSecure: false, host: "a")).port == 80)
        #expect(try #require(HTTPOrigin(isSecure: true, host: "a", port: 80)).authority == "a:80")
        #expect(HTTPOrigin(isSecure: true, host: "a", port: 0) == nil)
    }

    @Test(arguments: [
        "", "a b", "a/b", "a:80", "[::1]", "fe80::1%lo", "a\r\nb", "a\0", "b\u{fc}cher.example",
        "user@host", String(repeating: "a", count: 255),
    ])
    func whatIsNoHostMakesNoOrigin(host: String) {
        #expect(HTTPOrigin(isSecure: false, host: host) == nil)
    }

    // MARK: Lookups

    @Test func theSystemsResolverKnowsThisMachine() throws {
        let server = try ScriptedServer { $0.echo() }
        let origin = try #require(
            HTTPOrigin(isSecure: false, host: "localhost", port: server.port))
        let client = try TestClient(origin, keeping: [server])
        #expect(try client.get("/").text == "/")
    }

    @Test func aNameWithoutAddressIsAnError() throws {
        let origin = try #require(HTTPOrigin(isSecure: false, host: "witness.test"))
        for answer in [NameResolver.Answer.failure(.noAddress), .success([])] {
            let client = try TestClient(origin) { _, _ in answer }
            let error = try #require(try client.get("/").error)
            let cause = HTTPClientError.Cause.resolve(host: "witness.test", .noAddress)
            #expect(error == HTTPClientError(cause, wasSent: false))
            #expect(error.description == "witness.test not resolved: \(ResolverError.noAddress)")
        }
    }

    /// A lookup that hangs costs one thread, and holds up nobody: not the reactor, and not another
    /// client's lookup.
    @Test func aHangingLookupHoldsUpNobody() throws {
        let server = try ScriptedServer({ $0.echo() }, { $0.echo() })
        let address = server.address
        let (begun, release) = (try Channel<Void>(), try Channel<Void>())
        let clock = ManualClock()
        let origin = try #require(HTTPOrigin(isSecure: false, host: "witness.test"))
        let timeouts = ClientTimeouts(overall: .seconds(10))
        let client = try TestClient(origin, keeping: [server], timeouts: timeouts, clock: clock) {
            host, port in
            #expect(host == "witness.test" && port == 80)
            begun.send(())
            release.receive()
            return .success([address])
        }
        let first = try client.begin("/1")
        begun.receive()

        let others = try Channel<Answer>()
        client.reactor.post { [reactor = client.reactor] in
            let other = HTTPClient(
                on: reactor, origin: origin, tls: nil, timeouts: .patient,
                limits: ResponseLimits(), userAgent: "test"
            ) { _, _ in .success([address]) }
            other.send(ClientRequest(.get, "/other")) {
                others.send($0)
                other.close()
            }
        }
        #expect(others.receive().text == "/other")

        clock.advance(by: .seconds(10))
        try client.settle()
        #expect(first.receive().cause == .timeout(.resolving))
        // The next request waits for the lookup that is still under way.
        let second = try client.begin("/2")
        try client.settle()
        release.send(())
        #expect(second.receive().text == "/2")
        let none = try client.begin("/3")
        #expect(none.receive().text == "/3")
    }

    @Test func anAnswerThatNobodyWaitsForIsDropped() throws {
        let server = try ScriptedServer { $0.echo() }
        let address = server.address
        let (begun, release) = (try Channel<Void>(), try Channel<Void>())
        let origin = try #require(HTTPOrigin(isSecure: false, host: "witness.test"))
        let client = try TestClient(origin, keeping: [server]) { _, _ in
            begun.send(())
            release.receive()
            return .success([address])
        }
        let first = try client.begin("/1")
        begun.receive()
        client.cancel()
        #expect(first.receive().cause == .cancelled)
        release.send(())
        try client.settle()
        // Whether the answer was dropped by now or comes as that of the second lookup.
        release.send(())
        #expect(try client.get("/2").text == "/2")
    }

    // MARK: Addresses in turn

    @Test func aRefusedAddressGoesToTheNextAtOnce() throws {
        let server = try ScriptedServer { $0.echo() }
        let ends = [try DeadEnd(), try DeadEnd()]
        let client = try TestClient(
            ends.map(\.address) + [server.address], keeping: ends + [server])
        #expect(try client.get("/").text == "/")
    }

    @Test func whenAllAreRefusedEachIsNamed() throws {
        let ends = [try DeadEnd(), try DeadEnd()]
        let addresses = ends.map(\.address)
        let client = try TestClient(addresses, keeping: ends)
        let error = try #require(try client.get("/").error)
        let failures = addresses.map {
            ConnectFailure(address: "\($0)", error: .connectionRefused)
        }
        #expect(error == HTTPClientError(.connect(failures), wasSent: false))
        let places = addresses.map { "\($0) (\(Errno.connectionRefused))" }
        #expect(error.description == "cannot connect to \(places[0]), nor to \(places[1])")
    }

    @Test(.enabled(if: (try? DeadEnd(host: "::1")) != nil, "this machine has no IPv6"))
    func bothFamiliesAreTried() throws {
        let server6 = try ScriptedServer(host: "::1") { $0.echo() }
        let end4 = try DeadEnd()
        let first = try TestClient([end4.address, server6.address], keeping: [end4, server6])
        #expect(try first.get("/6").text == "/6")

        let server4 = try ScriptedServer { $0.echo() }
        let end6 = try DeadEnd(host: "::1")
        let second = try TestClient([end6.address, server4.address], keeping: [end6, server4])
        #expect(try second.get("/4").text == "/4")

        // An address needs no resolver.
        let literal6 = try ScriptedServer(host: "::1") { $0.echo() }
        let origin = try #require(HTTPOrigin(isSecure: false, host: "::1", port: literal6.port))
        let third = try TestClient(origin, keeping: [literal6]) { _, _ in .failure(.noAddress) }
        #expect(try third.get("/literal").text == "/literal")
    }

    @Test func anAddressThatDoesNotAnswerGoesToTheNextInTime() throws {
        let server = try ScriptedServer { $0.echo() }
        let hole = try BlackHole()
        let clock = ManualClock()
        var timeouts = ClientTimeouts.patient
        timeouts.connect = .seconds(5)
        let client = try TestClient(
            [hole.address, server.address], keeping: [hole, server], timeouts: timeouts,
            clock: clock)
        let answers = try client.begin("/")
        try client.wait(for: .connecting)
        clock.advance(by: .seconds(5))
        try client.settle()
        #expect(answers.receive().text == "/")
    }

    @Test func eachAddressHasItsTime() throws {
        let holes = [try BlackHole(), try BlackHole()]
        let clock = ManualClock()
        var timeouts = ClientTimeouts.patient
        timeouts.connect = .seconds(5)
        let client = try TestClient(
            holes.map(\.address), keeping: holes, timeouts: timeouts, clock: clock)
        let answers = try client.begin("/")
        try client.wait(for: .connecting)
        for _ in 0..<2 {
            clock.advance(by: .seconds(5))
            try client.settle()
        }
        let failures = holes.map { ConnectFailure(address: "\($0.address)", error: .timedOut) }
        #expect(answers.receive().cause == .connect(failures))
    }
}
