// SPDX-License-Identifier: BSD-2-Clause
//
// Peers that close, lie, or do not stop.

import HTTPWire
import Reactor
import Testing

@testable import Transport

@Suite struct BrokenPeerTests {
    /// What a peer sends before it closes, and what that is to the client.
    @Test(arguments: [
        ("", HTTPClientError.Cause.closed(reused: false, gotBytes: false)),
        ("HTTP/1.1 20", .closed(reused: false, gotBytes: true)),
        ("HTTP/1.1 200 OK\r\nContent-Le", .closed(reused: false, gotBytes: true)),
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhi", .closed(reused: false, gotBytes: true)),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n",
            .closed(reused: false, gotBytes: true)
        ),
        ("SSH-2.0-OpenSSH\r\n", .malformed(.statusLineMalformed)),
        ("HTTP/1.1 101 Switching\r\n\r\n", .malformed(.protocolSwitched)),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n",
            .malformed(.message(.lengthAndTransferEncoding))
        ),
    ])
    func aPeerStopsInTheMiddle(sent: String, cause: HTTPClientError.Cause) throws {
        let server = try ScriptedServer(
            { peer in
                _ = peer.receive()
                peer.send(sent)
                peer.close()
            }, { $0.echo() })
        let client = try TestClient(server)
        let error = try #require(try client.get("/").error)
        #expect(error == HTTPClientError(cause, wasSent: true))
        #expect(!error.isStaleConnection)
        #expect(!error.description.contains("\n"))
        #expect(try client.get("/next").text == "/next")
    }

    @Test func aResetIsAnEndToo() throws {
        let server = try ScriptedServer { peer in
            _ = peer.receive()
            peer.reset()
        }
        let answer = try TestClient(server).get("/")
        #expect(answer.cause == .closed(reused: false, gotBytes: false))
    }

    /// Ten million bytes in each way there is to send them; read is what the limits allow.
    @Test(arguments: [
        "HTTP/1.1 200 OK\r\nContent-Length: 10000000\r\n\r\n",
        "HTTP/1.1 200 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n989680\r\n",
        "HTTP/1.1 200 OK\r\nX-Long: ",
    ])
    func anEndlessAnswerIsNotRead(head: String) throws {
        let sentCounts = try Channel<Int>()
        let server = try ScriptedServer { peer in
            _ = peer.receive()
            peer.send(head)
            let piece = TestHandler.alphabet(10_000)
            var count = 0
            while count < 10_000_000, peer.write(piece) { count += piece.count }
            sentCounts.send(count)
        }
        let client = try TestClient(server)
        let error = try client.get("/").error
        #expect(error == HTTPClientError(.tooLarge, wasSent: true))
        // The rest was in the two kernels' buffers.
        #expect(sentCounts.receive() < 5_000_000)
    }

    @Test func anAnswerAtTheLimitIsRead() throws {
        let server = try ScriptedServer { peer in
            while let request = peer.receive() {
                let isOver = request.contains("/over")
                let body = TestHandler.alphabet(isOver ? 1_001 : 1_000)
                peer.answer(String(decoding: body, as: UTF8.self))
            }
        }
        let client = try TestClient(server, limits: ResponseLimits(bodyBytesMax: 1_000))
        #expect(try client.get("/").get().body.count == 1_000)
        #expect(try client.get("/").get().body.count == 1_000)
        #expect(try client.get("/over").cause == .tooLarge)
    }

    // MARK: Kept connections

    @Test(arguments: [false, true])
    func aKeptConnectionThatClosesOnARequestIsStale(isReset: Bool) throws {
        let server = try ScriptedServer(
            { peer in
                _ = peer.receive()
                peer.answer("first")
                _ = peer.receive()
                if isReset { peer.reset() } else { peer.close() }
            }, { $0.echo() })
        let client = try TestClient(server)
        #expect(try client.get("/1").text == "first")
        let error = try #require(try client.get("/2").error)
        #expect(error.cause == .closed(reused: true, gotBytes: false))
        #expect(error.isStaleConnection)
        #expect(error.wasSent)
        // Nothing was asked again by itself.
        #expect(server.connectionCount == 1)
        #expect(try client.get("/3").text == "/3")
    }

    @Test func aKeptConnectionThatBreaksInTheAnswerIsNotStale() throws {
        let server = try ScriptedServer { peer in
            _ = peer.receive()
            peer.answer("first")
            _ = peer.receive()
            peer.send("HTTP/1.1 2")
        }
        let client = try TestClient(server)
        #expect(try client.get("/1").text == "first")
        let error = try #require(try client.get("/2").error)
        #expect(error.cause == .closed(reused: true, gotBytes: true))
        #expect(!error.isStaleConnection)
    }

    /// The peer closes an idle connection, or says something on it: it is closed quietly, and the
    /// next request has another one.
    @Test(arguments: ["", "HTTP/1.1 408 Timeout\r\nContent-Length: 0\r\n\r\n", "x"])
    func anIdleConnectionIsClosedQuietly(said: String) throws {
        let (taken, closed) = (try Channel<Void>(), try Channel<Void>())
        let server = try ScriptedServer(
            { peer in
                _ = peer.receive()
                peer.answer("first")
                if said.isEmpty {
                    peer.close()
                } else {
                    // With the answer it would not be said on an idle connection.
                    taken.receive()
                    peer.send(said)
                    #expect(peer.hasEnded())
                }
                closed.send(())
            }, { $0.echo() })
        let client = try TestClient(server)
        #expect(try client.get("/1").text == "first")
        taken.send(())
        closed.receive()
        #expect(try client.get("/2").text == "/2")
        #expect(server.connectionCount == 2)
    }

    @Test func anIdleConnectionIsClosedAfterAWhile() throws {
        let ended = try Channel<Bool>()
        let clock = ManualClock()
        let server = try ScriptedServer(
            { peer in
                _ = peer.receive()
                peer.answer("first")
                ended.send(peer.hasEnded())
            }, { $0.echo() })
        var timeouts = ClientTimeouts.patient
        timeouts.idle = .seconds(60)
        let client = try TestClient(server, timeouts: timeouts, clock: clock)
        #expect(try client.get("/1").text == "first")
        clock.advance(by: .seconds(60))
        try client.settle()
        #expect(ended.receive())
        #expect(try client.get("/2").text == "/2")
    }

    @Test func aClosedClientClosesItsConnection() throws {
        let ended = try Channel<Bool>()
        let server = try ScriptedServer(
            { peer in
                _ = peer.receive()
                peer.answer("first")
                ended.send(peer.hasEnded())
            }, { $0.echo() })
        let client = try TestClient(server)
        #expect(try client.get("/1").text == "first")
        client.reactor.post { [client = client.client] in client.close() }
        #expect(ended.receive())
        #expect(try client.get("/2").text == "/2")
    }
}
