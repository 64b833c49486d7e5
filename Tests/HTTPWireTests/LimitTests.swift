// SPDX-License-Identifier: BSD-2-Clause
//
// Every limit, met exactly and passed by one.

import HTTPWire
import Testing

@Suite struct LimitTests {
    static let limits = RequestLimits(
        headBytesMax: 100, fieldCountMax: 3, bodyBytesMax: 20, chunkFramingBytesMax: 30)

    /// The transcript of `text`, which must not depend on how it is cut.
    static func read(_ text: String) -> Transcript {
        let bytes = Array(text.utf8)
        let whole = transcript(of: bytes, limits: limits)
        #expect(transcript(of: bytes, cut: .everyByte, limits: limits) == whole)
        for cut in 0...bytes.count {
            #expect(transcript(of: bytes, cut: .at([cut]), limits: limits) == whole)
        }
        return whole
    }

    /// A request whose head has `byteCount` bytes.
    static func head(byteCount: Int, before: String = "", lines: String = "") -> String {
        let start = before + "GET / HTTP/1.1\r\nHost: a\r\n" + lines + "X: "
        let end = "\r\n\r\n"
        return start + String(repeating: "x", count: byteCount - (start + end).utf8.count) + end
    }

    @Test(arguments: ["", "\r\n\r\n"])
    func headBytes(before: String) {
        let exact = Self.read(Self.head(byteCount: 100, before: before))
        #expect(exact.requests.map(\.byteCount) == [100])
        let past = Self.read(Self.head(byteCount: 101, before: before))
        #expect(past == Transcript(end: .refused(.headTooLarge)))
        let pastTwo = Self.read(Self.head(byteCount: 102, before: before))
        #expect(pastTwo == Transcript(end: .refused(.headTooLarge)))
    }

    @Test func headBytesOfASecondRequest() {
        let text = Self.head(byteCount: 100)
        #expect(Self.read(text + text).requests.map(\.byteCount) == [100, 100])
    }

    @Test func requestLineBytes() {
        func request(lineByteCount: Int) -> String {
            "GET /\(String(repeating: "x", count: lineByteCount - 16)) HTTP/1.1\r\n"
        }
        #expect(Self.read(request(lineByteCount: 100)).end == .refused(.headTooLarge))
        #expect(Self.read(request(lineByteCount: 101)).end == .refused(.targetTooLong))
        let endless = String(repeating: "x", count: 100)
        #expect(Self.read(String(endless.dropLast())).end == .awaiting(.head))
        #expect(Self.read(endless).end == .refused(.targetTooLong))
    }

    @Test func fieldCount() {
        let exact = Self.read("GET / HTTP/1.1\r\nHost: a\r\nA: b\r\nA: b\r\n\r\n")
        #expect(exact.requests.map(\.fields.count) == [3])
        let past = Self.read("GET / HTTP/1.1\r\nHost: a\r\nA: b\r\nA: b\r\nA: b\r\n\r\n")
        #expect(past.end == .refused(.fieldsTooMany))
    }

    @Test func bodyBytes() {
        let body = String(repeating: "x", count: 20)
        let head = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: "
        #expect(Self.read("\(head)20\r\n\r\n\(body)").requests.map(\.body.count) == [20])
        #expect(Self.read("\(head)21\r\n\r\n").end == .refused(.bodyTooLarge))
    }

    @Test func chunkedBodyBytes() {
        let body = String(repeating: "x", count: 18)
        let exact = RequestRow.chunked("12\r\n\(body)\r\n2\r\nyz\r\n0\r\n\r\n")
        #expect(Self.read(exact).requests.map(\.body.count) == [20])
        let past = RequestRow.chunked("12\r\n\(body)\r\n3\r\n")
        #expect(Self.read(past).end == .refused(.bodyTooLarge))
    }

    /// Of the bytes here, those that are not content: 3 + 2 of the chunk and 5 of the end.
    @Test(arguments: [
        ("extension of the first chunk", "4;", "\r\nbody\r\n0\r\n\r\n", 11),
        ("extension of the last chunk", "4\r\nbody\r\n0;", "\r\n\r\n", 11),
        ("zeros before the size", "", "4\r\nbody\r\n0\r\n\r\n", 10),
        ("trailer section", "4\r\nbody\r\n0\r\nA:", "\r\n\r\n", 14),
    ])
    func chunkFramingBytes(name: String, start: String, end: String, framingByteCount: Int) {
        func request(framingByteCount wanted: Int) -> String {
            let padding = String(repeating: "0", count: wanted - framingByteCount)
            return RequestRow.chunked(start + padding + end)
        }
        let exact = Self.read(request(framingByteCount: 30))
        #expect(exact.requests.map(\.body) == [Array("body".utf8)])
        let past = Self.read(request(framingByteCount: 31))
        #expect(past == Transcript(end: .refused(.chunkFramingTooLarge)))
    }

    @Test func framingBetweenDataHasItsLimitToo() {
        let small = String(repeating: "1\r\nx\r\n", count: 5)
        #expect(Self.read(RequestRow.chunked(small + "0\r\n\r\n")).requests.count == 1)
        let more = String(repeating: "1\r\nx\r\n", count: 6)
        #expect(
            Self.read(RequestRow.chunked(more + "0\r\n\r\n")).end == .refused(.chunkFramingTooLarge)
        )
    }

    /// A connection's buffer is as large as `requestBytesMax`; `transcript` checks that a parser
    /// never asks for more than that, and this is the largest request there is.
    @Test func largestRequestFillsTheBuffer() {
        let head = Self.head(byteCount: 100, lines: "Transfer-Encoding: chunked\r\n")
        let body = "14;eeeeeeeeeeeeeeee\r\n\(String(repeating: "x", count: 20))\r\n0;e\r\n\r\n"
        let largest = Self.read(head + body)
        #expect(largest.requests.map(\.byteCount) == [150])
        #expect(Self.limits.requestBytesMax == 150)
    }
}
