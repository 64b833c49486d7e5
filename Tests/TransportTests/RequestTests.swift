// SPDX-License-Identifier: BSD-2-Clause
//
// Requests over real sockets: how they may be cut, batched and framed, and what is refused.

import HTTPWire
import Testing
import Transport

@Suite struct RequestTests {
    @Test func aConnectionServesOneRequestAfterTheOther() throws {
        let server = try TestServer()
        let client = try server.client()
        for number in 0..<50 {
            client.get("/\(number)")
            let response = try client.response()
            #expect(response.status == 200)
            #expect(response.text == "/\(number)\n")
            #expect(response.fields["connection"] == nil)
            #expect(response.fields["date"]?.hasSuffix(" GMT") == true)
        }
        #expect(server.counters.accepted == 1)
        #expect(server.counters.open == 1)
    }

    @Test(arguments: [1, 2, 300, 5_000])
    func pipelinedRequestsAreAnsweredInOrder(count: Int) throws {
        let server = try TestServer()
        let client = try server.client()
        client.send(
            (0..<count).map { "GET /\($0) HTTP/1.1\r\nHost: test\r\n\r\n" }.joined())
        for number in 0..<count {
            #expect(try client.response().text == "/\(number)\n")
        }
    }

    @Test func pipelinedResponsesPastTheOutputBoundAllCome() throws {
        let server = try TestServer(limits: ServerLimits(outputBytesMax: 1_000))
        let client = try server.client()
        client.send(
            (0..<200).map { "GET /large/\($0 * 100) HTTP/1.1\r\nHost: test\r\n\r\n" }.joined())
        for number in 0..<200 {
            #expect(try client.response().body.count == number * 100)
        }
    }

    @Test(arguments: [
        "GET /echo HTTP/1.1\r\nHost: test\r\n\r\n",
        "POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: 5\r\n\r\nhello",
        "POST /echo HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n"
            + "2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\nTrailer: t\r\n\r\n",
    ])
    func aRequestMayComeByteByByte(request: String) throws {
        let server = try TestServer()
        let client = try server.client()
        for byte in request.unicodeScalars {
            client.send(String(byte))
            try server.settle()
        }
        let response = try client.response()
        #expect(response.status == 200)
        #expect(response.text == (request.hasPrefix("GET") ? "" : "hello"))
        // And the connection stands where the next request begins.
        client.get("/next")
        #expect(try client.response().text == "/next\n")
    }

    @Test func aClientThatExpectsContinueGetsIt() throws {
        let server = try TestServer()
        let client = try server.client()
        client.send(
            "POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: 5\r\n"
                + "Expect: 100-continue\r\n\r\n")
        #expect(try client.response().status == 100)
        client.send("hello")
        #expect(try client.response().text == "hello")
    }

    @Test func headIsAnsweredWithoutBody() throws {
        let server = try TestServer()
        let client = try server.client()
        client.send("HEAD /abc HTTP/1.1\r\nHost: test\r\n\r\n")
        client.get("/def")
        #expect(try client.response(hasBody: false).fields["content-length"] == "5")
        #expect(try client.response().text == "/def\n")
    }

    @Test func olderClientsGetOneAnswerUnlessTheyAskForMore() throws {
        let server = try TestServer()
        let first = try server.client()
        first.send("GET /a HTTP/1.0\r\n\r\n")
        #expect(try first.response().closes)
        #expect(first.hasEnded())
        let second = try server.client()
        for _ in 0..<3 {
            second.send("GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
            #expect(try second.response().fields["connection"] == "keep-alive")
        }
    }

    @Test(arguments: [
        "GET /a HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n",
        "GET /close HTTP/1.1\r\nHost: test\r\n\r\n",
    ])
    func whatFollowsTheLastRequestIsNotAnswered(request: String) throws {
        let server = try TestServer()
        let client = try server.client()
        client.send(request + "GET /b HTTP/1.1\r\nHost: test\r\n\r\n")
        #expect(try client.response().closes)
        #expect(client.hasEnded())
    }

    @Test(
        arguments: [
            (
                "POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 3\r\n"
                    + "Transfer-Encoding: chunked\r\n\r\nabc", Status.badRequest
            ),
            (
                "POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
                .badRequest
            ),
            ("GET / HTTP/1.1\r\n\r\n", .badRequest),
            ("GET / HTTP/1.1\nHost: t\n\n", .badRequest),
            ("\u{16}\u{3}\u{1}\u{2}\u{0}", .badRequest),
            ("POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 4097\r\n\r\n", .contentTooLarge),
            (
                "GET / HTTP/1.1\r\nHost: t\r\nA: \(String(repeating: "a", count: 9_000))\r\n\r\n",
                .fieldsTooLarge
            ),
            ("GET /\(String(repeating: "a", count: 9_000)) HTTP/1.1\r\n", .uriTooLong),
            ("GET / HTTP/3.0\r\nHost: t\r\n\r\n", .versionNotSupported),
            ("POST / HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: gzip\r\n\r\n", .notImplemented),
        ] as [(String, Status)])
    func whatCannotBeUnderstoodIsRefusedAndTheConnectionEnds(
        request: String, status: Status
    ) throws {
        let server = try TestServer()
        let client = try server.client()
        // All at once: what comes while the server closes would make the end a reset.
        client.send(
            "GET /before HTTP/1.1\r\nHost: t\r\n\r\n" + request
                + "GET /after HTTP/1.1\r\nHost: t\r\n\r\n")
        #expect(try client.response().text == "/before\n")
        let refusal = try client.response()
        #expect(refusal.status == Int(status.code))
        #expect(refusal.closes)
        #expect(client.hasEnded())
        #expect(server.counters.malformed == [status: 1])
    }

    @Test func aClientThatIsRefusedWhileItSendsSeesWhy() throws {
        let server = try TestServer()
        let client = try server.client()
        client.send(
            "POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 200000\r\n\r\n"
                + String(repeating: "x", count: 200_000))
        // Without lingering the unread bytes would turn the end into a reset.
        #expect(try client.response().status == 413)
        #expect(client.hasEnded())
    }

    @Test func aClientThatNeverStopsSendingIsCutOff() throws {
        let server = try TestServer(limits: ServerLimits(lingerBytesMax: 10_000))
        let client = try server.client()
        client.send("nonsense\r\n\r\n")
        #expect(try client.response().status == 400)
        // Ends because the server closes, at which sending fails.
        while server.counters.open > 0 {
            client.send(String(repeating: "x", count: 1_000))
        }
    }
}
