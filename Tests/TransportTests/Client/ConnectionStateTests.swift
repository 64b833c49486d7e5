// SPDX-License-Identifier: BSD-2-Clause
//
// A connection by itself, over a pair of sockets and on the test's own thread: for what cannot be
// brought about from outside, because the client looks before it speaks.

import CLinux
import HTTPWire
import Reactor
import SystemPackage
import Testing

@testable import Transport

@Suite struct ConnectionStateTests {
    /// The near end for the connection, and the far end as a peer.
    private func socketPair() throws -> (near: Int32, far: Peer) {
        let type = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue)
        var numbers: [Int32] = [-1, -1]
        // The call writes two descriptors to an array of two.
        _ = try Syscall.value { unsafe socketpair(AF_UNIX, type, 0, &numbers) }
        return (numbers[0], Peer(OwnedDescriptor(adopting: numbers[1])))
    }

    /// The peer closes between the look and the request, not a byte of which is sent.
    @Test func aConnectionThatTakesNothingIsStaleAndWasNotSentTo() throws {
        let reactor = try Reactor()
        let (near, far) = try socketPair()
        var closedCount = 0
        let connection = ClientConnection(
            ClientStream(OwnedDescriptor(adopting: near), session: nil), on: reactor,
            limits: ResponseLimits(), idleTimeout: .seconds(100)
        ) { closedCount += 1 }
        func exchange(_ then: @escaping (Answer) -> Void) -> ClientConnection.Exchange {
            ClientConnection.Exchange(
                request: Array("GET / HTTP/1.1\r\n\r\n".utf8), method: .get,
                timeout: .seconds(100), then: then)
        }

        var answers: [Answer] = []
        try connection.open(
            exchange { answer in
                answers.append(answer)
                #expect(connection.isReusable())
                far.close()
                connection.begin(
                    exchange { answer in
                        answers.append(answer)
                        #expect(closedCount == 1)
                        reactor.stop()
                    })
            })
        #expect(far.receive() != nil)
        far.answer("hi")
        reactor.run()
        #expect(answers.first?.text == "hi")
        let error = try #require(answers.last?.error)
        #expect(error.isStaleConnection)
        #expect(!error.wasSent)
        #expect(closedCount == 1)
    }

    /// An answer takes no more storage than the limit, and leaves none behind.
    @Test func aBufferGrowsToItsLimit() throws {
        let (near, far) = try socketPair()
        let socket = OwnedDescriptor(adopting: near)
        var buffer = ResponseBuffer(byteCountMax: 5_000)
        #expect(far.write(TestHandler.alphabet(6_000)))
        while buffer.hasRoom {
            guard case .moved(let count) = buffer.receive(from: socket), count > 0 else { break }
        }
        #expect(buffer.byteCount == 5_000)
        let bytes = buffer.take(first: 4_000)
        #expect(bytes == TestHandler.alphabet(4_000))
        #expect(buffer.isEmpty && buffer.hasRoom)
    }
}
