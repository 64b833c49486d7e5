// SPDX-License-Identifier: BSD-2-Clause
//
// Responses that come later: their order, their number, and connections that are gone meanwhile.

import HTTPWire
import Reactor
import Synchronization
import Testing

@testable import Transport

@Suite struct DeferredTests {
    @Test func connectionsAreAnsweredInTheOrderOfCompletion() throws {
        let server = try TestServer()
        let clients = try [server.client(), server.client(), server.client()]
        let tickets = clients.map { client in
            client.get("/defer")
            return server.handler.tickets.receive()
        }
        #expect(Set(tickets).count == 3)
        for index in [2, 0, 1] {
            tickets[index].complete(.accepted, "\(index)")
            let response = try clients[index].response()
            #expect(response.status == 202)
            #expect(response.text == "\(index)\n")
        }
    }

    @Test func aPipelineWaitsForItsDeferredResponses() throws {
        let server = try TestServer()
        let client = try server.client()
        for target in ["/1", "/defer", "/2", "/defer", "/3", "/at-once", "/4"] {
            client.get(target)
        }
        #expect(try client.response().text == "/1\n")
        server.handler.tickets.receive().complete(.ok, "a")
        #expect(try client.response().text == "a\n")
        #expect(try client.response().text == "/2\n")
        server.handler.tickets.receive().complete(.ok, "b")
        for text in ["b", "/3", "first", "/4"] {
            #expect(try client.response().text == text + "\n")
        }
    }

    @Test func aDeferredResponseToHeadHasNoBody() throws {
        let server = try TestServer()
        let client = try server.client()
        client.send("HEAD /defer HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n")
        server.handler.tickets.receive().complete(.ok, "12345")
        let response = try client.response(hasBody: false)
        #expect(response.fields["content-length"] == "6")
        #expect(response.closes)
        #expect(client.hasEnded())
    }

    @Test func onlyTheFirstCompletionCounts() throws {
        let server = try TestServer()
        let client = try server.client()
        client.get("/defer")
        let ticket = server.handler.tickets.receive()
        let threads = try (0..<4).map { try ThreadExecutor(name: "worker-\($0)") }
        for (number, thread) in threads.enumerated() {
            thread.post { ticket.complete(.ok, "one of \(number)") }
        }
        #expect(try client.response().text.hasPrefix("one of "))
        threads.forEach { $0.stop() }
        // A ticket of an answered request says nothing about the next one.
        client.get("/defer")
        let next = server.handler.tickets.receive()
        #expect(next != ticket)
        ticket.complete(.ok, "stale")
        try server.settle()
        next.complete(.ok, "right")
        #expect(try client.response().text == "right\n")
    }

    @Test func manyThreadsAnswerManyConnections() throws {
        let server = try TestServer(reactorCount: 2)
        let clients = try (0..<40).map { _ in try server.client() }
        let workers = try (0..<4).map { try ThreadExecutor(name: "worker-\($0)") }
        for round in 0..<20 {
            for client in clients {
                client.get("/defer")
                let ticket = server.handler.tickets.receive()
                workers[round % 4].post { ticket.complete(.ok, "\(round)") }
            }
            for client in clients {
                #expect(try client.response().text == "\(round)\n")
            }
        }
        workers.forEach { $0.stop() }
    }

    @Test(arguments: [true, false])
    func aTicketOfADeadConnectionIsDropped(isReset: Bool) throws {
        let server = try TestServer()
        let doomed = try server.client()
        doomed.get("/defer")
        let ticket = server.handler.tickets.receive()
        // The next connection probably gets the number of the one that is closed.
        if isReset {
            doomed.reset()
            try server.wait(forOpen: 0)
            let next = try server.client()
            next.get("/defer")
            let other = server.handler.tickets.receive()
            ticket.complete { _ in Issue.record("rendered for nobody") }
            try server.settle()
            other.complete(.ok, "mine")
            #expect(try next.response().text == "mine\n")
        } else {
            // An orderly end could be the end of one direction: the response is sent into the void.
            doomed.close()
            try server.settle()
            ticket.complete(.ok, "unheard")
            try server.wait(forOpen: 0)
        }
    }

    @Test func aClientMayEndItsSideAndStillGetItsAnswers() throws {
        let server = try TestServer()
        let client = try server.client()
        client.get("/1")
        client.get("/defer")
        client.get("/2")
        client.send("GET /half")
        client.finishSending()
        #expect(try client.response().text == "/1\n")
        let ticket = server.handler.tickets.receive()
        try server.settle()
        ticket.complete(.ok, "late")
        #expect(try client.response().text == "late\n")
        #expect(try client.response().text == "/2\n")
        #expect(client.hasEnded())
    }

    @Test func aFullInputBufferPausesReadingUntilTheResponseIsThere() throws {
        let server = try TestServer()
        let client = try server.client()
        client.get("/defer")
        let ticket = server.handler.tickets.receive()
        // Several times what the buffer holds, and less than the kernel's buffers take.
        let count = 2_000
        client.send((0..<count).map { "GET /\($0) HTTP/1.1\r\nHost: test\r\n\r\n" }.joined())
        try server.settle()
        ticket.complete(.ok, "go")
        #expect(try client.response().text == "go\n")
        for number in 0..<count {
            #expect(try client.response().text == "/\(number)\n")
        }
    }
}
