// SPDX-License-Identifier: BSD-2-Clause
//
// The table of responses, however it is cut; what a head says; what the parser asks of its caller.

import HTTPWire
import Testing

@Suite struct ResponseTableTests {
    @Test(arguments: ResponseRow.all)
    func comesTo(row: ResponseRow) {
        let whole = transcript(of: row.connection)
        #expect(whole.responses.map(\.summary) == row.responses)
        #expect(whole.end == row.end)
    }

    @Test(arguments: ResponseRow.all)
    func cutChangesNothing(row: ResponseRow) {
        let whole = transcript(of: row.connection)
        #expect(transcript(of: row.connection, cut: .everyByte) == whole)
        for cut in 0...row.connection.bytes.count {
            #expect(transcript(of: row.connection, cut: .at([cut])) == whole, "cut at \(cut)")
        }
    }

    /// The end may become known together with the last bytes, or with all of them.
    @Test(arguments: ResponseRow.all.filter { $0.connection.isEnded && $0.responses.count < 2 })
    func endMayComeWithTheBytes(row: ResponseRow) {
        let bytes = row.connection.bytes
        for cut in 0...bytes.count {
            var parser = ResponseParser(limits: ResponseLimits())
            parser.begin(answering: row.connection.methods.first ?? .get)
            let step = parser.parse(bytes.span.extracting(first: cut))
            guard step == .needMore else { continue }
            switch (parser.end(bytes.span), row.end) {
            case (.complete(let byteCount), .awaiting):
                #expect(byteCount == bytes.count)
            case (.malformed(let error), .refused(let expected)):
                #expect(error == expected)
            default:
                Issue.record("cut at \(cut)")
            }
        }
    }

    @Test(arguments: ResponseRow.all)
    func readsNothingBehindItsBytes(row: ResponseRow) throws {
        let page = try GuardedPage()
        for byteCount in 0...row.connection.bytes.count {
            let prefix = Array(row.connection.bytes[..<byteCount])
            var parser = ResponseParser(limits: ResponseLimits())
            parser.begin(answering: row.connection.methods.first ?? .get)
            let step = parser.parse(prefix.span)
            var guarded = ResponseParser(limits: ResponseLimits())
            guarded.begin(answering: row.connection.methods.first ?? .get)
            #expect(page.withBytesAtItsEnd(prefix) { guarded.parse($0) } == step)
        }
    }

    @Test func everyErrorOccursInTheTable() {
        let errors = ResponseRow.all.map(\.end)
        // These need a large response; ResponseLimitTests has them.
        let large: Set<ResponseError> = [
            .message(.fieldsTooMany), .message(.headTooLarge), .message(.chunkFramingTooLarge),
        ]
        for error in ResponseError.all where !large.contains(error) {
            #expect(errors.contains(.refused(error)), "\(error)")
        }
    }

    @Test func everyErrorHasOneLine() {
        for error in ResponseError.all {
            let reason = error.reason.description
            #expect(!reason.isEmpty && reason.utf8.allSatisfy { (0x20...0x7e).contains($0) })
        }
    }
}

extension ParsedResponse {
    var summary: String {
        body.isEmpty ? "\(statusCode)" : "\(statusCode) \(String(decoding: body, as: UTF8.self))"
    }
}

@Suite struct ResponseHeadTests {
    @Test(
        arguments: [
            ("HTTP/1.1", "Content-Length: 0\r\n", .implied),
            ("HTTP/1.1", "Content-Length: 0\r\nConnection: close\r\n", .close),
            ("HTTP/1.1", "Content-Length: 0\r\nConnection: Upgrade, CLOSE\r\n", .close),
            ("HTTP/1.1", "Content-Length: 0\r\nConnection: keep-alive\r\n", .implied),
            ("HTTP/1.1", "Transfer-Encoding: chunked\r\n", .implied),
            ("HTTP/1.1", "", .close),
            ("HTTP/1.1", "Connection: keep-alive\r\n", .close),
            ("HTTP/1.0", "Content-Length: 0\r\n", .close),
            ("HTTP/1.0", "Content-Length: 0\r\nConnection: Keep-Alive\r\n", .keepAlive),
            ("HTTP/1.0", "Connection: keep-alive\r\n", .close),
        ] as [(String, String, Persistence)])
    func persistence(version: String, lines: String, expected: Persistence) {
        let body = lines.contains("chunked") ? "0\r\n\r\n" : ""
        let text = "\(version) 200 OK\r\n\(lines)\r\n\(body)"
        let responses = transcript(of: ResponseBytes(bytes: Array(text.utf8), isEnded: true))
            .responses
        #expect(responses.map(\.persistence) == [expected])
        #expect(responses.map(\.isHTTP10) == [version == "HTTP/1.0"])
    }

    /// Nothing that a response without a body says of one ends the connection.
    @Test(arguments: ["HTTP/1.1 204 X\r\n\r\n", "HTTP/1.1 304 X\r\nContent-Length: 4\r\n\r\n"])
    func goesOnWithoutABody(text: String) {
        let responses = transcript(of: ResponseBytes(bytes: Array(text.utf8))).responses
        #expect(responses.map(\.persistence) == [.implied])
        #expect(responses.map(\.framing) == [.none])
    }

    @Test func fieldsAreFoundInAnyCase() {
        let text =
            "HTTP/1.1 100 X\r\nX: 0\r\nY: 0\r\n\r\nHTTP/1.1 409 Conflict\r\n"
            + "CONTENT-Type: text/x.tlog.size\r\nX: 1\r\nx:2\r\nEmpty: \t\r\n"
            + "Content-Length: 2\r\n\r\n7\n"
        let bytes = Array(text.utf8)
        var parser = ResponseParser(limits: ResponseLimits())
        parser.begin(answering: .post)
        #expect(parser.parse(bytes.span) == .complete(byteCount: bytes.count))
        let head = parser.head
        func value(of name: StaticString) -> String? {
            head.value(of: name, in: bytes.span).map { bytes.span.text($0) }
        }
        #expect(head.statusCode == 409)
        #expect(head.fields.count == 5)
        #expect(value(of: "content-type") == "text/x.tlog.size")
        #expect(value(of: "x") == "1")
        #expect(value(of: "empty") == "")
        #expect(value(of: "content") == nil)
        #expect(value(of: "y") == nil)
        #expect(parser.withBody(of: bytes.span) { $0.copied } == Array("7\n".utf8))
    }

    /// A client goes on with the same parser on another connection.
    @Test func beginsAnewAfterAnything() {
        let text = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody"
        let bytes = Array(text.utf8)
        var parser = ResponseParser(limits: ResponseLimits())
        for rest in ["", "HTTP/1.1 100 X\r\n\r\nHTTP/1.1 500 X\r\nA: b\r\nC", "\0", text] {
            parser.begin(answering: .get)
            _ = parser.parse(Array(rest.utf8).span)
            parser.begin(answering: .get)
            #expect(parser.parse(bytes.span.extracting(droppingLast: 1)) == .needMore)
            #expect(parser.parse(bytes.span) == .complete(byteCount: bytes.count))
            let head = parser.head
            #expect(head.statusCode == 200 && head.fields.count == 1)
            #expect(parser.withBody(of: bytes.span) { $0.copied } == Array("body".utf8))
        }
    }

    @Test func saysWhereItEnds() {
        let text = "HTTP/1.1 100 X\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody"
        let bytes = Array((text + "surplus").utf8)
        var parser = ResponseParser(limits: ResponseLimits())
        parser.begin(answering: .get)
        #expect(parser.parse(bytes.span) == .complete(byteCount: text.utf8.count))
    }

    @Test func asksToBeBegun() async {
        await #expect(processExitsWith: .failure) {
            var parser = ResponseParser(limits: ResponseLimits())
            _ = parser.parse([UInt8]().span)
        }
        await #expect(processExitsWith: .failure) {
            let bytes = Array("HTTP/1.1 204 X\r\n\r\n".utf8)
            var parser = ResponseParser(limits: ResponseLimits())
            parser.begin(answering: .get)
            guard parser.parse(bytes.span) == .complete(byteCount: bytes.count) else { return }
            _ = parser.parse(bytes.span)
        }
    }
}
