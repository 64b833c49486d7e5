// SPDX-License-Identifier: BSD-2-Clause
//
// The table of requests, however it is cut; what a head says; expectations; and limits at their
// bound and one past.

import HTTPWire
import Testing

@Suite struct RequestTableTests {
    @Test(arguments: RequestRow.all)
    func comesTo(row: RequestRow) {
        let whole = transcript(of: row.bytes)
        #expect(whole.requests.map(\.summary) == row.requests)
        #expect(whole.end == row.end)
    }

    @Test(arguments: RequestRow.all)
    func cutChangesNothing(row: RequestRow) {
        let whole = transcript(of: row.bytes)
        #expect(transcript(of: row.bytes, cut: .everyByte) == whole)
        for cut in 0...row.bytes.count {
            #expect(transcript(of: row.bytes, cut: .at([cut])) == whole, "cut at \(cut)")
        }
    }

    @Test(arguments: RequestRow.all)
    func readsNothingBehindItsBytes(row: RequestRow) throws {
        let page = try GuardedPage()
        for byteCount in 0...row.bytes.count {
            let prefix = Array(row.bytes[..<byteCount])
            var parser = RequestParser(limits: RequestLimits())
            let step = parser.parse(prefix.span)
            var guarded = RequestParser(limits: RequestLimits())
            #expect(page.withBytesAtItsEnd(prefix) { guarded.parse($0) } == step)
        }
    }

    @Test func everyErrorOccursInTheTable() {
        let errors = RequestRow.all.map(\.end)
        // These need a large request; LimitTests has them.
        let large: Set<RequestError> = [
            .targetTooLong, .message(.fieldsTooMany), .message(.headTooLarge),
            .message(.chunkFramingTooLarge),
        ]
        for error in RequestError.all where !large.contains(error) {
            #expect(errors.contains(.refused(error)), "\(error)")
        }
    }
}

extension ParsedRequest {
    var summary: String {
        let method =
            switch method {
            case .get: "GET"
            case .head: "HEAD"
            case .post: "POST"
            case .other: "OTHER"
            }
        let start = "\(method) \(target)"
        return body.isEmpty ? start : "\(start) \(String(decoding: body, as: UTF8.self))"
    }
}

@Suite struct RequestHeadTests {
    @Test(
        arguments: [
            ("HTTP/1.1", "", .implied),
            ("HTTP/1.1", "Connection: close\r\n", .close),
            ("HTTP/1.1", "Connection: Upgrade, CLOSE\r\n", .close),
            ("HTTP/1.1", "Connection: a\r\nconnection: ,\tclose ,\r\n", .close),
            ("HTTP/1.1", "Connection: keep-alive\r\n", .implied),
            ("HTTP/1.1", "Connection: closed\r\n", .implied),
            ("HTTP/1.0", "", .close),
            ("HTTP/1.0", "Connection: Keep-Alive\r\n", .keepAlive),
            ("HTTP/1.0", "Connection: keep-alive, close\r\n", .close),
        ] as [(String, String, Persistence)])
    func persistence(version: String, lines: String, expected: Persistence) {
        let text = "GET / \(version)\r\nHost: a\r\n\(lines)\r\n"
        let requests = transcript(of: Array(text.utf8)).requests
        #expect(requests.map(\.persistence) == [expected])
        #expect(requests.map(\.isHTTP10) == [version == "HTTP/1.0"])
    }

    @Test func fieldsAreFoundInAnyCase() {
        let text =
            "GET / HTTP/1.1\r\nHost: a\r\nSIGSUM-Token: b c\r\nX: 1\r\nx:2\r\nEmpty: \t\r\n\r\n"
        let bytes = Array(text.utf8)
        var parser = RequestParser(limits: RequestLimits())
        #expect(parser.parse(bytes.span) == .complete(byteCount: bytes.count))
        let head = parser.head
        #expect(head.fields.count == 5)
        #expect(head.value(of: "sigsum-token", in: bytes.span).map { bytes.span.text($0) } == "b c")
        #expect(head.value(of: "x", in: bytes.span).map { bytes.span.text($0) } == "1")
        #expect(head.value(of: "empty", in: bytes.span).map { bytes.span.text($0) } == "")
        #expect(head.value(of: "sigsum", in: bytes.span) == nil)
        #expect(head.occurrence(of: "x", in: bytes.span) == .repeated)
        #expect(head.occurrence(of: "y", in: bytes.span) == .absent)
        #expect(head.occurrence(of: "host", in: bytes.span) == .once(22..<23))
    }

    @Test func theNextRequestStartsAfresh() {
        let first = Array("POST /a HTTP/1.0\r\nX: y\r\nContent-Length: 1\r\n\r\nz".utf8)
        let second = Array("GET /b HTTP/1.1\r\nHost: a\r\n\r\n".utf8)
        let both = transcript(of: first + second + first).requests
        #expect(both.count == 3)
        #expect(both == [first, second, first].flatMap { transcript(of: $0).requests })
    }
}

@Suite struct ExpectationTests {
    static let head = "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n"

    @Test(arguments: [
        ("Content-Length: 2\r\n\r\n", "ab"), ("Transfer-Encoding: chunked\r\n\r\n", "0\r\n\r\n"),
    ])
    func continuesOnceWhenTheBodyIsAwaited(end: String, body: String) {
        let head = Array((Self.head + end).utf8)
        var parser = RequestParser(limits: RequestLimits())
        #expect(parser.parse(head.span.extracting(droppingLast: 1)) == .needMore(.head))
        #expect(parser.parse(head.span) == .sendContinue)
        #expect(parser.parse(head.span) == .needMore(.body))
        let whole = head + Array(body.utf8)
        #expect(parser.parse(whole.span) == .complete(byteCount: whole.count))
    }

    @Test func staysSilentWhenTheBodyHasBegun() {
        let bytes = Array((Self.head + "Content-Length: 2\r\n\r\na").utf8)
        var parser = RequestParser(limits: RequestLimits())
        #expect(parser.parse(bytes.span) == .needMore(.body))
    }

    @Test func staysSilentWithoutABody() {
        for end in ["\r\n", "Content-Length: 0\r\n\r\n"] {
            let bytes = Array((Self.head + end).utf8)
            var parser = RequestParser(limits: RequestLimits())
            #expect(parser.parse(bytes.span) == .complete(byteCount: bytes.count))
        }
    }

    @Test func refusesRatherThanContinues() {
        let bytes = Array((Self.head + "Content-Length: 4097\r\n\r\n").utf8)
        var parser = RequestParser(limits: RequestLimits())
        #expect(parser.parse(bytes.span) == .malformed(.message(.bodyTooLarge)))
    }
}

@Suite struct ErrorTests {
    @Test func everyErrorHasAStatusAndOneLine() {
        for error in RequestError.all {
            #expect((400...599).contains(error.status.code))
            let reason = error.reason.description
            #expect(!reason.isEmpty && reason.utf8.allSatisfy { (0x20...0x7e).contains($0) })
        }
    }

    @Test(
        arguments: [
            (.targetTooLong, 414), (.expectationUnknown, 417), (.hostMissing, 400),
            (.message(.fieldsTooMany), 431), (.message(.headTooLarge), 431),
            (.message(.bodyTooLarge), 413), (.message(.versionNotSupported), 505),
            (.message(.transferEncodingUnknown), 501),
            (.message(.lengthAndTransferEncoding), 400), (.message(.chunkFramingTooLarge), 400),
        ] as [(RequestError, UInt16)])
    func statusOf(error: RequestError, code: UInt16) {
        #expect(error.status.code == code)
    }
}
