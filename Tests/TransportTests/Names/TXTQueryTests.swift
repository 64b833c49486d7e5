// SPDX-License-Identifier: BSD-2-Clause
//
// Questions over real sockets, to name servers that answer well, badly, or not at all.

import Reactor
import SystemPackage
import Testing

@testable import Transport

private let name = "_sigsum_v1.example"

/// Asks servers for the name.
private func ask(
    _ servers: NameServer..., name: String = name, timeLimit: Duration = .seconds(60)
) -> TXTAnswer {
    TXTQuery(timeLimit: timeLimit, recordCountMax: 10, servers: servers.map(\.address)).answer(
        for: name)
}

/// A server that gives everybody the same answer, in a datagram.
private func server(_ message: DNSMessage) throws -> NameServer {
    try NameServer(datagrams: { [message.bytes(to: $0)] })
}

/// A server whose datagrams are truncated.
private func server(stream: @escaping NameServer.Script) throws -> NameServer {
    let message = DNSMessage(isTruncated: true)
    return try NameServer(datagrams: { [message.bytes(to: $0)] }, stream: stream)
}

private let good = DNSMessage(answers: [.text("good")])
private let goodAnswer = TXTAnswer.records([Array("good".utf8)], ttl: .seconds(300))

@Suite struct TXTQueryTests {
    @Test func aQuestionIsOneName() throws {
        let server = try server(good)
        #expect(ask(server) == goodAnswer)
        #expect(ask(server, name: "_Sigsum_V1.Example.") == goodAnswer)
        for question in server.asked {
            #expect(Array(question.dropFirst(2)) == Array(DNSMessage.question(name).dropFirst(2)))
        }
        #expect(server.asked.count == 2)
    }

    @Test func aNameWithoutDotIsNotSearchedFor() throws {
        let server = try server(DNSMessage(code: 3))
        #expect(ask(server, name: "localhost") == .nonexistent(ttl: .zero))
        #expect(server.asked.map { $0.count } == [DNSMessage.question("localhost").count])
    }

    @Test func noNameIsNotAskedFor() throws {
        let server = try server(good)
        #expect(ask(server, name: "a..b") == .nonexistent(ttl: .zero))
        #expect(server.asked.isEmpty)
    }

    @Test func elevenRecordsInADatagram() throws {
        let key = String(repeating: "0a", count: 32)
        let server = try server(
            DNSMessage(answers: (0..<11).map { _ in .text(key) }))
        #expect(
            ask(server)
                == .records(
                    [[UInt8]](repeating: Array(key.utf8), count: 10), ttl: .seconds(300)))
        #expect(server.asked.count == 1)
    }

    @Test func thereIsNone() throws {
        let soa = DNSRecord.startOfAuthority(ttl: 90, minimum: 60)
        for code in [0, 3] as [UInt8] {
            let server = try server(DNSMessage(code: code, authority: [soa]))
            #expect(ask(server) == .nonexistent(ttl: .seconds(60)))
        }
    }

    // MARK: Servers that do not answer

    @Test(arguments: [1, 2, 4, 5, 9] as [UInt8]) func refusals(code: UInt8) throws {
        let server = try server(DNSMessage(code: code))
        #expect(ask(server) == .failure(.refused(code: code)))
    }

    @Test func theNextServerIsAsked() throws {
        let first = try server(DNSMessage(code: 2))
        let second = try server(good)
        #expect(ask(first, second) == goodAnswer)
        #expect(first.asked.count == 1 && second.asked.count == 1)
    }

    @Test func silence() throws {
        let silent = try NameServer(datagrams: { _ in [] })
        #expect(ask(silent, timeLimit: .seconds(1)) == .failure(.unanswered))
        silent.end()
        #expect(silent.asked.count == 1)
        // Each has two seconds, twice.
        let (first, second) = (try NameServer(datagrams: { _ in [] }), try server(good))
        #expect(ask(first, second, timeLimit: .seconds(8)) == goodAnswer)
    }

    @Test func nobodyListens() throws {
        let end = try DatagramDeadEnd()
        let query = TXTQuery(timeLimit: .seconds(60), recordCountMax: 10, servers: [end.address])
        #expect(query.answer(for: name) == .failure(.unanswered))
    }

    /// Datagrams that are no answers are passed over, and do not end the wait for one.
    @Test func answersToOtherQuestions() throws {
        let server = try NameServer(datagrams: { question in
            var other = good.bytes(to: question)
            other[0] ^= 1
            let wrong = good.bytes(
                to: Array(question.prefix(2)) + DNSMessage.question("x").dropFirst(2))
            return [other, wrong, Array(question.prefix(2)) + [UInt8](repeating: 0xff, count: 60)]
                + [good.bytes(to: question)]
        })
        #expect(ask(server) == goodAnswer)
    }

    @Test func rubbish() throws {
        let server = try NameServer(datagrams: { question in
            [
                question.prefix(2)
                    + DNSMessage(answers: [.text("a")]).bytes(to: question).dropFirst(2) + [0]
            ]
        })
        #expect(ask(server) == .failure(.malformed))
        // The resolver knows that this is too short for a message, and gives up.
        let short = try NameServer(datagrams: { [Array($0.prefix(11))] })
        #expect(ask(short) == .failure(.unanswered))
    }

    // MARK: Truncated answers

    @Test func aTruncatedAnswerIsFetched() throws {
        let server = try server { peer in
            guard let question = peer.receiveMessage() else { return }
            peer.sendMessage(good.bytes(to: question))
        }
        #expect(ask(server) == goodAnswer)
        #expect(server.connectionCount == 1)
    }

    /// A truncated datagram may end anywhere, also within a record.
    @Test func aDatagramThatIsCut() throws {
        let server = try NameServer(
            datagrams: { question in
                var message = good
                message.isTruncated = true
                return [Array(message.bytes(to: question).dropLast(3))]
            },
            stream: { peer in
                guard let question = peer.receiveMessage() else { return }
                peer.sendMessage(good.bytes(to: question))
            })
        #expect(ask(server) == goodAnswer)
    }

    @Test func theLargestAnswerOfAll() throws {
        let string = String(repeating: "s", count: 255)
        // 65,535 bytes: header, question, 244 records, and one that fills it up.
        var message = DNSMessage(answers: (0..<244).map { _ in .text(string) })
        let rest = 65_535 - message.bytes(to: DNSMessage.question(name)).count
        message.answers.append(.text(String(repeating: "r", count: rest - 13)))
        let whole = message
        let server = try server { peer in
            guard let question = peer.receiveMessage() else { return }
            let bytes = whole.bytes(to: question)
            #expect(bytes.count == 65_535)
            peer.sendMessage(bytes)
        }
        let records = [[UInt8]](repeating: Array(string.utf8), count: 10)
        #expect(ask(server) == .records(records, ttl: .seconds(300)))
    }

    @Test func aStreamInPieces() throws {
        let server = try server { peer in
            guard let question = peer.receiveMessage() else { return }
            let bytes = good.bytes(to: question)
            for byte in DNSMessage.bytes(UInt16(bytes.count)) + bytes {
                #expect(peer.write([byte]))
            }
        }
        #expect(ask(server) == goodAnswer)
    }

    /// What streams do that give no answer.
    static let uselessStreams: [(String, NameServer.Script?)] = [
        ("refused", nil),
        ("closed", { _ in }),
        ("reset", { $0.reset() }),
        (
            "half a length",
            { peer in
                _ = peer.receiveMessage()
                _ = peer.write([0])
            }
        ),
        (
            "half a message",
            { peer in
                guard let question = peer.receiveMessage() else { return }
                let bytes = good.bytes(to: question)
                _ = peer.write(DNSMessage.bytes(UInt16(bytes.count)) + bytes.dropLast())
            }
        ),
        (
            "truncated again",
            { peer in
                guard let question = peer.receiveMessage() else { return }
                peer.sendMessage(DNSMessage(isTruncated: true).bytes(to: question))
            }
        ),
    ]

    @Test(arguments: 0..<6) func streamsThatGiveNoAnswer(index: Int) throws {
        let server = try NameServer(
            datagrams: { [DNSMessage(isTruncated: true).bytes(to: $0)] },
            stream: Self.uselessStreams[index].1)
        let what = Self.uselessStreams[index].0
        #expect(ask(server) == .failure(.truncated), "\(what)")
    }

    @Test func messagesOfAStreamThatAreNone() throws {
        for count in [0, 1, 11] {
            let server = try server { peer in
                guard let question = peer.receiveMessage() else { return }
                peer.sendMessage(Array(question.prefix(count)))
            }
            #expect(ask(server) == .failure(.malformed))
        }
        let other = try server { peer in
            guard var question = peer.receiveMessage() else { return }
            question[1] ^= 1
            peer.sendMessage(good.bytes(to: question))
        }
        #expect(ask(other) == .failure(.malformed))
    }

    /// A server that accepts a connection and says nothing costs a share of the time, and the next
    /// one is asked.
    @Test func streamsThatHang() throws {
        let release = try Channel<Void>()
        let silent = try server { peer in
            _ = peer.receiveMessage()
            _ = peer.hasEnded()
            release.send(())
        }
        let deadline = MonotonicInstant.now().advanced(by: .milliseconds(100))
        #expect(throws: Errno.timedOut) {
            let stream = try NameServerStream(to: silent.address, until: deadline)
            _ = try stream.exchange(DNSMessage.question(name))
        }
        release.receive()
        let second = try NameServer(
            datagrams: { _ in [] },
            stream: { peer in
                guard let question = peer.receiveMessage() else { return }
                peer.sendMessage(good.bytes(to: question))
            })
        // Three seconds for each datagram, and six for each stream.
        #expect(ask(silent, second, timeLimit: .seconds(12)) == goodAnswer)
    }

    @Test func aStreamThatIsNotAccepted() throws {
        let hole = try BlackHole()
        let deadline = MonotonicInstant.now().advanced(by: .milliseconds(50))
        #expect(throws: Errno.timedOut) {
            let stream = try NameServerStream(to: hole.address, until: deadline)
            _ = try stream.exchange([1, 2, 3])
        }
    }

    @Test func failuresHaveWords() {
        #expect("\(TXTFailure.refused(code: 2))" == "the name server answers SERVFAIL")
        #expect(
            "\(TXTFailure.refused(code: 11))" == "the name server answers with response code 11")
        #expect("\(TXTFailure.unavailable(.noMemory))" == "\(Errno.noMemory)")
    }
}
