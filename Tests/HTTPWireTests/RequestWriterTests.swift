// SPDX-License-Identifier: BSD-2-Clause
//
// Requests, byte for byte; that each parses to what was written; and what the writer refuses.

import HTTPWire
import TestSupport
import Testing

@Suite struct RequestWriterTests {
    static let writer = RequestWriter(host: "witness.example:8080", userAgent: "sigsum/0.3 (log)")
    static let start = "Host: witness.example:8080\r\nUser-Agent: sigsum/0.3 (log)\r\n"

    static func written(
        _ method: Method, _ target: String, fields: [RequestField] = [],
        contentType: StaticString? = nil, body: String = ""
    ) -> String {
        let bytes = writer.render(
            method, target, fields: fields, contentType: contentType, body: Array(body.utf8).span)
        return String(decoding: bytes, as: UTF8.self)
    }

    @Test func post() {
        let text = Self.written(
            .post, "/w/add-checkpoint", fields: [RequestField("Prefer", "wait=10")],
            contentType: "text/plain; charset=utf-8", body: "old 0\n")
        #expect(
            text == "POST /w/add-checkpoint HTTP/1.1\r\n\(Self.start)Prefer: wait=10\r\n"
                + "Content-Type: text/plain; charset=utf-8\r\nContent-Length: 6\r\n\r\nold 0\n")
    }

    @Test func postOfNothing() {
        #expect(
            Self.written(.post, "/")
                == "POST / HTTP/1.1\r\n\(Self.start)Content-Length: 0\r\n\r\n")
    }

    @Test func get() {
        #expect(Self.written(.get, "/a?b=c") == "GET /a?b=c HTTP/1.1\r\n\(Self.start)\r\n")
        #expect(Self.written(.head, "/") == "HEAD / HTTP/1.1\r\n\(Self.start)\r\n")
    }

    @Test(arguments: ["a", "a.example:1", "192.0.2.1:80", "[2001:db8::1]", "[::1]:6965"])
    func host(host: String) {
        let writer = RequestWriter(host: host, userAgent: "x")
        let bytes = writer.render(.get, "/", body: [UInt8]().span)
        #expect(transcript(of: bytes).requests.map(\.fields.first) == ["Host: \(host)"])
    }

    /// What is written parses to the same, whatever it is.
    @Test func isReadAsWritten() {
        let limits = RequestLimits(headBytesMax: 1 << 16, bodyBytesMax: 1 << 16)
        for seed in 1...2_000 as ClosedRange<UInt64> {
            var generator = RequestGenerator(seed: seed)
            let request = generator.next()
            let bytes = Self.writer.render(
                request.method, request.target, fields: request.fields.map(\.field),
                contentType: request.contentType, body: request.body.span)
            let host = ["Host: witness.example:8080", "User-Agent: sigsum/0.3 (log)"]
            let content =
                (request.contentType.map { ["Content-Type: \($0)"] } ?? [])
                + (request.method == .post ? ["Content-Length: \(request.body.count)"] : [])
            let expected = ParsedRequest(
                method: request.method, target: request.target,
                fields: host + request.fields.map(\.line) + content, isHTTP10: false,
                persistence: .implied,
                framing: request.method == .post ? .length(request.body.count) : .none,
                body: request.body, byteCount: bytes.count)
            #expect(
                transcript(of: bytes, limits: limits) == Transcript(requests: [expected]),
                "seed \(seed)")
        }
    }
}

/// Makes requests of all that a writer takes.
private struct RequestGenerator {
    struct Request {
        var method: Method
        var target: String
        var fields: [(field: RequestField, line: String)]
        var contentType: StaticString?
        var body: [UInt8]
    }

    private var random: SeededGenerator

    init(seed: UInt64) { random = SeededGenerator(seed: seed) }

    mutating func next() -> Request {
        let method = [Method.get, .head, .post][below(3)]
        let isPost = method == .post
        let names: [StaticString] = ["A", "prefer", "Sigsum-Token", "!#$%&'*+-.^_`|~9"]
        return Request(
            method: method,
            target: "/" + text(of: Self.targetCharacters, upTo: 40),
            fields: (0..<below(5)).map { _ in
                let name = names[below(names.count)]
                let value = text(of: Self.valueCharacters, upTo: 40).trimmed
                return (RequestField(name, value), "\(name): \(value)")
            },
            contentType: isPost && below(2) == 0 ? "text/plain" : nil,
            body: isPost ? (0..<below(200)).map { _ in UInt8(below(256)) } : [])
    }

    private mutating func text(of characters: [Character], upTo count: Int) -> String {
        String((0..<below(count + 1)).map { _ in characters[below(characters.count)] })
    }

    private mutating func below(_ bound: Int) -> Int {
        Int.random(in: 0..<bound, using: &random)
    }

    private static let visible = (0x21...0x7e).map { Character(UnicodeScalar($0)) }
    private static let targetCharacters = visible.filter { $0 != "#" }
    private static let valueCharacters = visible + [" ", "\t", "é", "\u{80}", "💧"]
}

extension String {
    fileprivate var trimmed: String {
        let rest = drop { $0 == " " || $0 == "\t" }
        return String(rest.reversed().drop { $0 == " " || $0 == "\t" }.reversed())
    }
}

/// Whatever could end a line early, or say another thing than the caller means, traps.
@Suite struct RequestWriterPreconditionTests {
    @Test func field() async {
        await #expect(processExitsWith: .failure) { _ = RequestField("X", "a\r\nB: c") }
        await #expect(processExitsWith: .failure) { _ = RequestField("X", " a") }
        await #expect(processExitsWith: .failure) { _ = RequestField("X: a\r\nB", "c") }
        await #expect(processExitsWith: .failure) { _ = RequestField("content-LENGTH", "1") }
    }

    @Test func hostAndUserAgent() async {
        await #expect(processExitsWith: .failure) {
            _ = RequestWriter(host: "a\r\nB: c", userAgent: "x")
        }
        await #expect(processExitsWith: .failure) {
            _ = RequestWriter(host: "a", userAgent: "x\r\nB: c")
        }
    }

    @Test func target() async {
        await #expect(processExitsWith: .failure) {
            _ = RequestWriterTests.written(.get, "http://a/")
        }
        await #expect(processExitsWith: .failure) {
            _ = RequestWriterTests.written(.get, "/ HTTP/1.1\r\nX: y")
        }
    }

    @Test func methodAndBody() async {
        await #expect(processExitsWith: .failure) {
            _ = RequestWriterTests.written(.other, "/")
        }
        await #expect(processExitsWith: .failure) {
            _ = RequestWriterTests.written(.get, "/", body: "x")
        }
    }
}
