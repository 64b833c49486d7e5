// SPDX-License-Identifier: BSD-2-Clause
//
// The client over TLS, against libssl's server: whom it believes, and that a stream is what TLS
// says it is.

import COpenSSL
import Glibc
import HTTPWire
import Reactor
import Testing

@testable import Transport

extension TestClient {
    /// For a server on 127.0.0.1 that is asked for by a name, or by its address.
    convenience init(
        believing authority: TestAuthority, host: String = "witness.test",
        _ server: ScriptedServer
    ) throws {
        let origin = try #require(HTTPOrigin(isSecure: true, host: host, port: server.port))
        let address = server.address
        try self.init(
            origin, keeping: [server], tls: try TLSClientContext(believing: authority.path)
        ) { _, _ in .success([address]) }
    }
}

@Suite struct TLSTests {
    let authority: TestAuthority

    init() throws {
        authority = try TestAuthority()
    }

    @Test(arguments: [TLS1_2_VERSION, TLS1_3_VERSION])
    func requestsShareAConnection(version: Int32) throws {
        let (names, versions) = (try Channel<String?>(), try Channel<Int32>())
        let options = TLSServerOptions(versionMin: version, versionMax: version)
        let server = try ScriptedServer(authority.issue(), options: options) { peer in
            #expect(peer.isAccepted)
            names.send(peer.serverName)
            versions.send(peer.version)
            peer.echo()
        }
        let client = try TestClient(believing: authority, server)
        for target in ["/a", "/b", "/c"] {
            #expect(try client.get(target).text == target)
        }
        #expect(server.connectionCount == 1)
        #expect(names.receive() == "witness.test")
        #expect(versions.receive() == version)
    }

    /// An address is looked for among the certificate's addresses, and not told to the server.
    @Test func anAddressIsVerifiedAsOne() throws {
        let names = try Channel<String?>()
        let server = try ScriptedServer(authority.issue()) { peer in
            names.send(peer.serverName)
            peer.echo()
        }
        let client = try TestClient(believing: authority, host: "127.0.0.1", server)
        #expect(try client.get("/").text == "/")
        #expect(names.receive() == nil)
    }

    @Test func aCompleteNameIsToldWithoutItsDot() throws {
        let names = try Channel<String?>()
        let server = try ScriptedServer(authority.issue()) { peer in
            names.send(peer.serverName)
            peer.echo()
        }
        let client = try TestClient(believing: authority, host: "witness.test.", server)
        #expect(try client.get("/").text == "/")
        #expect(names.receive() == "witness.test")
    }

    /// A certificate, by whom it is asked for, and what is wrong with that.
    @Test(arguments: [
        (CertificateRequest(names: "DNS:other.test"), "witness.test", "hostname mismatch"),
        (CertificateRequest(names: "DNS:*.test"), "a.witness.test", "hostname mismatch"),
        (CertificateRequest(names: "DNS:w*.test"), "witness.test", "hostname mismatch"),
        (
            CertificateRequest(commonName: "witness.test", names: ""), "witness.test",
            "hostname mismatch"
        ),
        (CertificateRequest(names: "IP:127.0.0.2"), "127.0.0.1", "IP address mismatch"),
        (CertificateRequest(names: "DNS:127.0.0.1"), "127.0.0.1", "IP address mismatch"),
        (
            CertificateRequest(validFrom: -7_200, validUntil: -3_600), "witness.test",
            "certificate has expired"
        ),
        (
            CertificateRequest(validFrom: 1_800, validUntil: 3_600), "witness.test",
            "certificate is not yet valid"
        ),
        (CertificateRequest(isSelfSigned: true), "witness.test", "self-signed certificate"),
    ])
    func aWrongCertificateIsRefused(
        request: CertificateRequest, host: String, reason: String
    ) throws {
        let outcomes = try Channel<Bool>()
        let server = try ScriptedServer(authority.issue(request)) { peer in
            // TLS 1.3: the server is through before the client has made up its mind.
            outcomes.send(peer.receive() == nil)
        }
        let client = try TestClient(believing: authority, host: host, server)
        let error = try #require(try client.get("/").error)
        #expect(error == HTTPClientError(.tls(.certificate(reason)), wasSent: false))
        #expect(error.description == "certificate not accepted: \(reason)")
        #expect(outcomes.receive())
    }

    @Test func anUnknownAuthorityIsNotBelieved() throws {
        let other = try TestAuthority(name: "other authority", seed: 3)
        let server = try ScriptedServer(authority.issue()) { _ = $0.receive() }
        let error = try TestClient(believing: other, server).get("/").error
        let reason = "unable to get local issuer certificate"
        #expect(error == HTTPClientError(.tls(.certificate(reason)), wasSent: false))
    }

    @Test func theSystemsStoreIsReadAndDoesNotKnowUs() throws {
        let server = try ScriptedServer(authority.issue()) { _ = $0.receive() }
        let origin = try #require(
            HTTPOrigin(isSecure: true, host: "127.0.0.1", port: server.port))
        let client = try TestClient(origin, keeping: [server], tls: try TLSClientContext())
        guard case .tls(.certificate) = try client.get("/").cause else {
            Issue.record("believed")
            return
        }
    }

    /// In a process of its own: the environment is everybody's.
    @Test func theEnvironmentMayNameAnotherStore() async {
        await #expect(processExitsWith: .success) {
            let authority = try TestAuthority()
            unsafe setenv("SSL_CERT_FILE", authority.path, 1)
            let server = try ScriptedServer(authority.issue()) { $0.echo() }
            let origin = try #require(
                HTTPOrigin(isSecure: true, host: "127.0.0.1", port: server.port))
            let client = try TestClient(origin, keeping: [server], tls: try TLSClientContext())
            guard try client.get("/").text == "/" else { exit(1) }
        }
    }

    @Test func aStoreThatIsNotThereIsAnError() {
        let error = #expect(throws: TLSError.self) {
            _ = try TLSClientContext(believing: "/nonexistent/file")
        }
        #expect(error?.description.hasPrefix("TLS cannot be set up: ") == true)
    }

    @Test func oldVersionsAreNotSpoken() throws {
        let options = TLSServerOptions(versionMin: TLS1_VERSION, versionMax: TLS1_1_VERSION)
        let server = try ScriptedServer(authority.issue(), options: options) { peer in
            #expect(!peer.isAccepted)
        }
        let error = try #require(try TestClient(believing: authority, server).get("/").error)
        #expect(error.cause == .tls(.failed("tlsv1 alert protocol version")))
        #expect(!error.wasSent)
    }

    @Test func aServerWithoutTLSIsNone() throws {
        let server = try ScriptedServer { $0.send("HTTP/1.1 400 Bad Request\r\n\r\n") }
        let error = try TestClient(believing: authority, server).get("/").error
        #expect(error == HTTPClientError(.tls(.failed("wrong version number")), wasSent: false))
    }

    @Test(arguments: [false, true])
    func aServerMayVanishInTheHandshake(isReset: Bool) throws {
        let server = try ScriptedServer { peer in
            var hello = [UInt8](repeating: 0, count: 4_096)
            _ = peer.read(into: &hello)
            if isReset { peer.reset() }
        }
        let error = try TestClient(believing: authority, server).get("/").error
        #expect(error == HTTPClientError(.tls(.handshakeCutOff), wasSent: false))
    }

    // MARK: The stream

    @Test func largeBodiesComeInManyRecords() throws {
        let body = TestHandler.alphabet(65_000)
        let server = try ScriptedServer(authority.issue()) { peer in
            while let request = peer.receive() {
                #expect(request.utf8.count > body.count)
                peer.answer(String(decoding: body, as: UTF8.self))
            }
        }
        let client = try TestClient(believing: authority, server)
        for _ in 0..<3 {
            let response = try client.send(ClientRequest(.post, "/", body: body)).get()
            #expect(response.body == body)
        }
        #expect(server.connectionCount == 1)
    }

    @Test func anEndlessAnswerIsNotRead() throws {
        let sentCounts = try Channel<Int>()
        let server = try ScriptedServer(authority.issue()) { peer in
            _ = peer.receive()
            peer.send("HTTP/1.1 200 OK\r\n\r\n")
            let piece = TestHandler.alphabet(10_000)
            var count = 0
            while count < 10_000_000, peer.write(piece) { count += piece.count }
            sentCounts.send(count)
        }
        let client = try TestClient(believing: authority, server)
        #expect(try client.get("/").cause == .tooLarge)
        #expect(sentCounts.receive() < 5_000_000)
    }

    /// Where the connection's end is the body's, only close_notify is an end.
    @Test(arguments: [
        ("HTTP/1.1 200 OK\r\n\r\nhi", true, nil),
        ("HTTP/1.1 200 OK\r\n\r\nhi", false, HTTPClientError.Cause.tls(.truncated)),
        ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", false, nil),
        ("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nhi", false, .tls(.truncated)),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nhi", true,
            .closed(reused: false, gotBytes: true)
        ),
        ("", true, .closed(reused: false, gotBytes: false)),
        ("", false, .closed(reused: false, gotBytes: false)),
    ])
    func aStreamEndsWhereItSaysSo(
        sent: String, isOrderly: Bool, cause: HTTPClientError.Cause?
    ) throws {
        let closed = try Channel<Void>()
        let server = try ScriptedServer(
            authority.issue(),
            { peer in
                _ = peer.receive()
                if !sent.isEmpty { peer.send(sent) }
                if isOrderly { peer.sayGoodbye() }
                peer.close()
                closed.send(())
            }, { $0.echo() })
        let client = try TestClient(believing: authority, server)
        let answer = try client.get("/")
        #expect(answer.cause == cause)
        #expect(answer.error?.wasSent ?? true)
        if cause == nil { #expect(answer.text == "hi") }
        // The answer may be complete before the connection's end is there.
        closed.receive()
        #expect(try client.get("/next").text == "/next")
    }

    // MARK: Kept connections

    /// What TLS says to itself is no reason to close an idle connection.
    @Test func ticketsAndKeysComeOnAnIdleConnection() throws {
        let (idle, done) = (try Channel<Void>(), try Channel<Void>())
        let server = try ScriptedServer(authority.issue()) { peer in
            for step in [TLSPeer.sendTicket, TLSPeer.updateKeys, TLSPeer.sendTicket] {
                _ = peer.receive()
                peer.answer("hi")
                idle.receive()
                step(peer)()
                done.send(())
            }
            peer.echo()
        }
        let client = try TestClient(believing: authority, server)
        for _ in 0..<3 {
            #expect(try client.get("/").text == "hi")
            idle.send(())
            done.receive()
            try client.settle()
        }
        #expect(try client.get("/last").text == "/last")
        #expect(server.connectionCount == 1)
    }

    @Test func ticketsWithoutEndAreAReasonToClose() throws {
        let (more, done) = (try Channel<Bool>(), try Channel<Void>())
        let server = try ScriptedServer(
            authority.issue(),
            { peer in
                _ = peer.receive()
                peer.answer("first")
                while more.receive() {
                    peer.sendTicket()
                    done.send(())
                }
                #expect(peer.hasEnded())
            }, { $0.echo() })
        let client = try TestClient(believing: authority, server)
        #expect(try client.get("/1").text == "first")
        for _ in 0..<17 {
            more.send(true)
            done.receive()
            try client.settle()
        }
        more.send(false)
        #expect(try client.get("/2").text == "/2")
        #expect(server.connectionCount == 2)
    }

    /// TLS 1.2: a wish for another handshake is refused. What the server makes of that is its own
    /// affair; OpenSSL's ends the connection.
    @Test func renegotiationIsRefused() throws {
        let refused = try Channel<Bool>()
        let options = TLSServerOptions(versionMax: TLS1_2_VERSION)
        let server = try ScriptedServer(
            authority.issue(), options: options,
            { peer in
                _ = peer.receive()
                peer.answer("first")
                peer.renegotiate()
                refused.send(peer.hasEnded())
            }, { $0.echo() })
        let client = try TestClient(believing: authority, server)
        #expect(try client.get("/1").text == "first")
        #expect(refused.receive())
        #expect(try client.get("/2").text == "/2")
        #expect(server.connectionCount == 2)
    }

    @Test(arguments: [false, true])
    func anIdleConnectionIsClosedQuietly(isOrderly: Bool) throws {
        let closed = try Channel<Void>()
        let server = try ScriptedServer(
            authority.issue(),
            { peer in
                _ = peer.receive()
                peer.answer("first")
                if isOrderly { peer.sayGoodbye() }
                peer.close()
                closed.send(())
            }, { $0.echo() })
        let client = try TestClient(believing: authority, server)
        #expect(try client.get("/1").text == "first")
        closed.receive()
        #expect(try client.get("/2").text == "/2")
    }

    @Test(arguments: [false, true])
    func aKeptConnectionThatClosesOnARequestIsStale(isOrderly: Bool) throws {
        let server = try ScriptedServer(
            authority.issue(),
            { peer in
                _ = peer.receive()
                peer.answer("first")
                _ = peer.receive()
                if isOrderly { peer.sayGoodbye() }
                peer.close()
            }, { $0.echo() })
        let client = try TestClient(believing: authority, server)
        #expect(try client.get("/1").text == "first")
        let error = try #require(try client.get("/2").error)
        #expect(error.isStaleConnection)
        #expect(error.wasSent)
        #expect(try client.get("/3").text == "/3")
    }

    @Test func theClientSaysGoodbye() throws {
        let ends = try Channel<Int>()
        let server = try ScriptedServer(authority.issue()) { peer in
            _ = peer.receive()
            peer.answer("first")
            var bytes: [UInt8] = [0]
            // Zero is close_notify; libssl has another word for a connection that just ends.
            ends.send(peer.read(into: &bytes))
        }
        let client = try TestClient(believing: authority, server)
        #expect(try client.get("/").text == "first")
        client.reactor.post { [client = client.client] in client.close() }
        #expect(ends.receive() == 0)
    }
}
