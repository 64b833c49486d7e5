// SPDX-License-Identifier: BSD-2-Clause

// The internal face: all committed leaves, and the metrics.

import HTTPWire
import LogService
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
}
