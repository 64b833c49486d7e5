// SPDX-License-Identifier: BSD-2-Clause
//
// Requests and answers over plain connections: what is sent, what is understood, and which
// connections are used again.

import HTTPWire
import Reactor
import Testing

@testable import Transport

@Suite struct ExchangeTests {
    @Test func requestsShareAConnection() throws {
        let server = try ScriptedServer { $0.echo() }
        let client = try TestClient(server)
        for target in ["/a", "/b?c", "/d"] {
            #expect(try client.get(target).text == target)
        }
        #expect(server.connectionCount == 1)
    }

    /// Whether the connection was closed by the answer, or only after it.
    @Test(arguments: ["Connection: close\r\n", ""])
    func anAnswerSaysWhetherItIsTheFirstOnItsConnection(field: String) throws {
        let server = try ScriptedServer(
            { peer in
                for (index, field) in ["", "", field].enumerated() {
                    _ = peer.receive()
                    peer.send("HTTP/1.1 200 OK\r\n\(field)Content-Length: 1\r\n\r\n\(index)")
                }
                peer.close()
            }, { $0.echo() })
        let client = try TestClient(server)
        var answers: [String?] = []
        var first: [Bool?] = []
        for target in ["/a", "/b", "/c", "/d", "/e"] {
            var answer = try client.get(target)
            // The end of the connection may be seen before the next request, or while it waits.
            if answer.error?.isStaleConnection == true { answer = try client.get(target) }
            answers.append(answer.text)
            first.append(answer.isFirst)
        }
        #expect(answers == ["0", "1", "2", "/d", "/e"])
        #expect(first == [true, false, false, true, false])
    }

    @Test func aRequestSaysWhatItIs() throws {
        let requests = try Channel<String?>()
        let server = try ScriptedServer { peer in
            requests.send(peer.receive())
            peer.answer("")
        }
        let client = try TestClient(server)
        let request = ClientRequest(
            .post, "/witness/add-checkpoint", fields: [RequestField("Prefer", "wait=5")],
            contentType: "text/plain", body: Array("old 0\n".utf8))
        #expect(try client.send(request).text == "")
        #expect(
            requests.receive() == """
                POST /witness/add-checkpoint HTTP/1.1\r
                Host: 127.0.0.1:\(server.port)\r
                User-Agent: test\r
                Prefer: wait=5\r
                Content-Type: text/plain\r
                Content-Length: 6\r
                \r
                old 0

                """)
    }

    @Test func aLargeRequestIsSentAsThePeerTakesIt() throws {
        let body = TestHandler.alphabet(3_000_000)
        let server = try ScriptedServer { peer in
            let request = peer.receive()
            peer.answer("\(request?.utf8.count ?? 0)")
        }
        let client = try TestClient(server)
        let count = try client.send(ClientRequest(.post, "/", body: body)).text
        #expect(Int(count ?? "") ?? 0 > body.count)
    }

    /// An answer in whichever form, and whether the connection may be used after it.
    @Test(arguments: [
        ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", true),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n", true),
        ("HTTP/1.1 103 Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", true),
        ("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi", false),
        ("HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi", false),
        ("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nhi", true),
        // More than an answer: nobody asked for it.
        ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhiHTTP", false),
    ])
    func aConnectionIsUsedAgainWhereItMayBe(answer: String, isReused: Bool) throws {
        let script: ScriptedServer.Script = { peer in
            while peer.receive() != nil { peer.send(answer) }
        }
        let server = try ScriptedServer(script, script)
        let client = try TestClient(server)
        #expect(try client.get("/1").text == "hi")
        #expect(try client.get("/2").text == "hi")
        #expect(server.connectionCount == (isReused ? 1 : 2))
    }

    @Test func theEndOfTheConnectionEndsABodyWithoutLength() throws {
        let server = try ScriptedServer(
            { peer in
                _ = peer.receive()
                peer.send("HTTP/1.1 200 OK\r\n\r\nuntil")
                peer.send(" the end")
            }, { $0.echo() })
        let client = try TestClient(server)
        #expect(try client.get("/").text == "until the end")
        #expect(try client.get("/next").text == "/next")
    }

    @Test func theAnswerToHeadHasNoBody() throws {
        let server = try ScriptedServer { peer in
            while peer.receive() != nil {
                peer.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")
            }
        }
        let client = try TestClient(server)
        #expect(try client.send(ClientRequest(.head, "/")).text == "")
        #expect(try client.send(ClientRequest(.head, "/")).text == "")
        #expect(server.connectionCount == 1)
    }

    @Test func anAnswerHasItsFields() throws {
        let server = try ScriptedServer { peer in
            _ = peer.receive()
            peer.send(
                """
                HTTP/1.1 409 Conflict\r
                Content-Type: text/x.tlog.size\r
                X-Twice: one\r
                X-Twice: two\r
                Content-Length: 3\r
                \r
                42\n
                """)
        }
        let response = try TestClient(server).get("/").get()
        #expect(response.statusCode == 409)
        #expect(response.contentType == "text/x.tlog.size")
        #expect(response.value(of: "x-twice") == "one")
        #expect(response.value(of: "location") == nil)
        #expect(response.body == Array("42\n".utf8))
    }

    @Test func aRedirectIsAnAnswer() throws {
        let server = try ScriptedServer { peer in
            _ = peer.receive()
            peer.send("HTTP/1.1 301 Moved\r\nLocation: /there\r\nContent-Length: 0\r\n\r\n")
        }
        let response = try TestClient(server).get("/").get()
        #expect(response.statusCode == 301)
        #expect(response.value(of: "location") == "/there")
    }

    /// The answer comes before the request was read, and the connection is reset after it.
    @Test func anAnswerThatDoesNotWaitForTheRequestIsHeard() throws {
        let server = try ScriptedServer(
            { peer in
                peer.send("HTTP/1.1 413 Large\r\nContent-Length: 0\r\n\r\n")
                peer.close()
            }, { $0.echo() })
        let client = try TestClient(server)
        let body = TestHandler.alphabet(8_000_000)
        let answer = try client.send(ClientRequest(.post, "/", body: body))
        // The reset may overtake the answer, which the peer would have to prevent by lingering.
        if case .success(let response) = answer {
            #expect(response.statusCode == 413)
        } else {
            #expect(answer.cause == .closed(reused: false, gotBytes: false))
        }
        #expect(try client.get("/next").text == "/next")
    }

    /// As above, and then the peer listens to nothing and does not close either.
    @Test(arguments: [1_000, 8_000_000])
    func anEarlyAnswerEndsTheRequest(byteCount: Int) throws {
        let ended = try Channel<Bool>()
        let server = try ScriptedServer { peer in
            peer.send("HTTP/1.1 413 Large\r\nContent-Length: 0\r\n\r\n")
            _ = ended.receive()
        }
        let client = try TestClient(server)
        let request = ClientRequest(.post, "/", body: TestHandler.alphabet(byteCount))
        #expect(try client.send(request).get().statusCode == 413)
        ended.send(true)
    }

    // MARK: Who calls

    @Test func theCallbackMayAskAgain() throws {
        let server = try ScriptedServer { $0.echo() }
        let client = try TestClient(server)
        let answers = try Channel<Answer>()
        client.reactor.post { [client = client.client] in
            client.send(ClientRequest(.get, "/1")) { first in
                answers.send(first)
                #expect(!client.isBusy)
                client.send(ClientRequest(.get, "/2")) { answers.send($0) }
                #expect(client.isBusy)
            }
        }
        #expect(answers.receive().text == "/1")
        #expect(answers.receive().text == "/2")
        #expect(server.connectionCount == 1)
    }

    /// An actor on the client's reactor.
    private actor Asker {
        let reactor: Reactor
        let client: HTTPClient

        nonisolated var unownedExecutor: UnownedSerialExecutor {
            unsafe reactor.asUnownedSerialExecutor()
        }

        init(_ reactor: Reactor, _ client: HTTPClient) {
            self.reactor = reactor
            self.client = client
        }

        func get(_ target: String) async throws(HTTPClientError) -> Int {
            let response = try await client.send(ClientRequest(.get, target))
            #expect(reactor.isOnThread)
            return response.statusCode
        }
    }

    @Test func anActorMayWaitForTheAnswer() async throws {
        let server = try ScriptedServer { $0.echo() }
        let client = try TestClient(server)
        let asker = Asker(client.reactor, client.client)
        #expect(try await asker.get("/1") == 200)
        #expect(try await asker.get("/2") == 200)
        #expect(server.connectionCount == 1)
    }

    @Test func cancellingTheTaskCancelsTheRequest() async throws {
        // Waited for without a thread: the task needs one.
        let (received, continuation) = AsyncStream.makeStream(of: Void.self)
        let server = try ScriptedServer(
            { peer in
                _ = peer.receive()
                continuation.finish()
                #expect(peer.hasEnded())
            }, { $0.echo() })
        let client = try TestClient(server)
        let asker = Asker(client.reactor, client.client)
        let task = Task { try await asker.get("/never") }
        for await _ in received {}
        task.cancel()
        let error = await #expect(throws: HTTPClientError.self) { try await task.value }
        #expect(error?.cause == .cancelled)
        #expect(error?.wasSent == true)
        #expect(try await asker.get("/next") == 200)
    }

    @Test func aCancelledTaskDoesNotAsk() async throws {
        let server = try ScriptedServer { $0.echo() }
        let client = try TestClient(server)
        let asker = Asker(client.reactor, client.client)
        let task = Task {
            unsafe withUnsafeCurrentTask { unsafe $0?.cancel() }
            return try await asker.get("/never")
        }
        let error = await #expect(throws: HTTPClientError.self) { try await task.value }
        #expect(error?.cause == .cancelled)
        #expect(try await asker.get("/next") == 200)
    }
}
