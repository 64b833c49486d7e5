// SPDX-License-Identifier: BSD-2-Clause

// The internal face: all committed leaves, and the metrics; what may be waited for, and for how
// long.

import HTTPWire
import LogService
import MerkleLog
import TestSupport
import Testing
import TileStore

@Suite struct InternalAnswersTests {
    /// Published or not, all that is committed; a larger end is cut, at the end 404, behind it 400.
    @Test(arguments: [nil, 0, 100, 300] as [Int?]) func leaves(published: Int?) throws {
        let fixture = try LogFixture(committed: 300, published: published, prefix: "/log")
        for (start, end, expected) in [
            (0, 1, 0..<1), (0, 300, 0..<300), (0, 301, 0..<300), (255, 257, 255..<257),
            (299, 300, 299..<300), (299, 9000, 299..<300), (0, Int.max, 0..<300),
        ] {
            let path = "/log/get-leaves/\(start)/\(end)"
            let exchange = try fixture.exchangeInside(Request(path))
            #expect(exchange.status == 200 && exchange.response?.isWhole == true)
            #expect(try exchange.body == Golden.lines(expected))
            #expect(try exchange.answer.get() == .written(.getLeaves, .ok))
            let head = try fixture.exchangeInside(Request(path, method: "HEAD"))
            #expect(head.body == "" && head.response?.fields == exchange.response?.fields)
        }
        for (path, status, body) in [
            ("/log/get-leaves/300/301", 404, "at end of tree\n"),
            ("/log/get-leaves/300/9223372036854775807", 404, "at end of tree\n"),
            ("/log/get-leaves/301/302", 400, nil),
            ("/log/get-leaves/9223372036854775806/9223372036854775807", 400, nil),
            ("/log/get-leaves/0/0", 400, nil), ("/log/get-leaves/300/300", 400, nil),
            ("/log/get-leaves/2/1", 400, nil), ("/log/get-leaves/x/1", 400, nil),
            ("/log/get-leaves", 301, nil), ("/log/get-tree-head", 404, nil),
            ("/get-leaves/0/1", 404, nil), ("/", 404, nil), ("/log/", 404, nil),
        ] as [(String, UInt16, String?)] {
            let exchange = try fixture.exchangeInside(Request(path))
            #expect(exchange.status == status && exchange.counted?.code == status, "\(path)")
            #expect(exchange.response?.isWhole == true)
            if let body { #expect(exchange.body == body) }
        }
        #expect(
            try fixture.exchangeInside(Request("/log/get-leaves/0/1", method: "POST")).status == 405
        )
    }

    @Test func anEmptyTree() throws {
        let fixture = try LogFixture(committed: 0, published: 0)
        #expect(try fixture.exchangeInside(Request("/get-leaves/0/1")).status == 404)
        #expect(try fixture.exchangeInside(Request("/get-leaves/1/2")).status == 400)
    }

    @Test func atMostMaxRangeLeaves() throws {
        let fixture = try LogFixture(committed: 300, published: nil, leafCountMax: 7)
        for (start, end) in [(0, 300), (295, 300), (254, 300)] {
            let exchange = try fixture.exchangeInside(Request("/get-leaves/\(start)/\(end)"))
            #expect(try exchange.body == Golden.lines(start..<min(end, start + 7)))
        }
    }

    @Test func metrics() throws {
        let fixture = try LogFixture(committed: 0, published: nil, prefix: "/log")
        let exchange = try fixture.exchangeInside(Request("/metrics"))
        #expect(try exchange.answer.get() == .written(.metrics, .ok))
        #expect(exchange.status == 200 && exchange.body == "metric 1\n")
        #expect(
            exchange.response?.fields["content-type"] == "text/plain; version=0.0.4; charset=utf-8")
        #expect(try fixture.exchangeInside(Request("/metrics", method: "HEAD")).body == "")
        #expect(try fixture.exchangeInside(Request("/log/metrics")).status == 404)
        let refused = try fixture.exchangeInside(Request("/metrics", method: "PUT"))
        #expect(refused.status == 405 && refused.response?.fields["allow"] == "GET, HEAD")
    }

    // MARK: Waiting

    /// A Prefer field, and the seconds that are granted.
    static let waits: [(prefer: String, granted: UInt32?)] = [
        ("wait=10", 10), ("respond-async, wait=1", 1), ("wait=60", 60), ("wait=61", 60),
        ("wait=18446744073709551616", 60), ("wait=0", 0), ("wait", nil), ("respond-async", nil),
    ]

    /// Only the end of the tree is worth a wait, and only one that was asked for.
    @Test(arguments: [0, 1, 256, 300], waits)
    func leavesThatAreWaitedFor(size: Int, wait: (prefer: String, granted: UInt32?)) throws {
        let fixture = try LogFixture(committed: size, published: nil, prefix: "/log")
        let mayHold = wait.granted.map { $0 > 0 } ?? false
        let fields = "Prefer: \(wait.prefer)\r\n"
        for (start, end) in [
            (0, size), (size - 1, size), (size - 1, size + 9), (size, size), (size, size + 1),
            (size, Int.max), (size + 1, size + 2), (size + 1, Int.max), (Int.max, Int.max),
        ] where start >= 0 {
            let path = "/log/get-leaves/\(start)/\(end)"
            for request in [
                Request(path, fields: fields), Request(path, method: "HEAD", fields: fields),
            ] {
                let exchange = try fixture.exchangeInside(request)
                let isHeld = mayHold && start == size && end > start
                #expect((exchange.response == nil) == isHeld, "\(path)")
                #expect(exchange.grantedWait == wait.granted)
                let plain = try fixture.exchangeInside(Request(path))
                #expect(plain.grantedWait == nil && plain.response != nil)
                #expect(plain.response?.fields["preference-applied"] == nil)
                guard !isHeld else {
                    let read = HeldRead.leaves(start: UInt64(start), end: UInt64(end))
                    let beyond = try #require(TreeSize(UInt64(size)))
                    #expect(try exchange.answer.get() == .hold(read, beyond: beyond))
                    continue
                }
                #expect(exchange.status == plain.status && exchange.counted?.code == plain.status)
                #expect(
                    exchange.response?.fields["preference-applied"]
                        == wait.granted.map { "wait=\($0)" })
            }
        }
    }

    /// What was held is answered with what there is then.
    @Test func releasedLeaves() throws {
        let fixture = try LogFixture(committed: 3, published: nil)
        for (count, body) in [(3, "at end of tree\n"), (300, try Golden.lines(3..<300))] {
            _ = try fixture.writer.append(Array(Golden.hashed.get()[..<count]))
            let exchange = try Request("/held").exchange { _, _, _, response throws(StoreError) in
                response.framing.grantedWait = 10
                return InternalAnswer.written(
                    .getLeaves, try fixture.inside.leaves(from: 3, to: 1_000, response: &response))
            }
            #expect(exchange.body == body && exchange.counted?.code == exchange.status)
            #expect(exchange.response?.fields["preference-applied"] == "wait=10")
        }
    }

    /// Refusals and other endpoints are not waited for, and do not say so.
    @Test func whatIsNeverWaitedFor() throws {
        let fixture = try LogFixture(committed: 3, published: nil, prefix: "/log")
        for (path, status) in [
            ("/metrics", 200), ("/log/get-leaves", 301), ("/log/get-leaves/3", 400),
            ("/log/get-secondary-tree-head", 404), ("/nothing", 404),
        ] {
            let exchange = try fixture.exchangeInside(Request(path, fields: "Prefer: wait=9\r\n"))
            #expect(exchange.status == UInt16(status), "\(path)")
            #expect(exchange.response?.fields["preference-applied"] == nil)
        }
    }

    // MARK: A secondary

    /// The tree head is for others to sign: at once, unless the client has it and would wait.
    @Test(arguments: waits) func secondaryTreeHead(wait: (prefer: String, granted: UInt32?)) throws
    {
        let fixture = try LogFixture(committed: 300, published: nil, prefix: "/log")
        let mayHold = wait.granted.map { $0 > 0 } ?? false
        let fields = "Prefer: \(wait.prefer)\r\n"
        for (query, known) in [
            ("", nil), ("?size=0", 0), ("?size=299", 299), ("?size=300", 300), ("?size=301", 301),
            ("?size=9223372036854775807", UInt64(Int64.max)),
        ] as [(String, UInt64?)] {
            let path = "/log/get-secondary-tree-head\(query)"
            let exchange = try fixture.exchangeWithSecondary(Request(path, fields: fields))
            #expect(exchange.response == nil && exchange.grantedWait == wait.granted)
            var expected = InternalAnswer.signTreeHead
            if mayHold, let known, known >= 300 {
                expected = .hold(.treeHead, beyond: try #require(TreeSize(known)))
            }
            #expect(try exchange.answer.get() == expected, "\(query)")
            let plain = try fixture.exchangeWithSecondary(Request(path))
            #expect(try plain.answer.get() == .signTreeHead)
            #expect(plain.response == nil && plain.grantedWait == nil)
        }
    }

    /// What else a secondary has is as a primary has it.
    @Test func besideTheTreeHead() throws {
        let fixture = try LogFixture(committed: 300, published: nil, prefix: "/log")
        for path in ["/log/get-leaves/7/300", "/log/get-leaves/300/301", "/log/get-leaves/x"] {
            let exchange = try fixture.exchangeWithSecondary(Request(path))
            let primary = try fixture.exchangeInside(Request(path))
            #expect(exchange.status == primary.status && exchange.body == primary.body)
        }
        #expect(try fixture.exchangeWithSecondary(Request("/metrics")).body == "metric 2\n")
        let malformed = try fixture.exchangeWithSecondary(
            Request("/log/get-secondary-tree-head?size=x"))
        #expect(
            try malformed.answer.get() == .written(.getSecondaryTreeHead, .badRequest))
        #expect(malformed.status == 400)
        #expect(try fixture.exchangeWithSecondary(Request("/log/add-leaf")).status == 404)
    }
}
