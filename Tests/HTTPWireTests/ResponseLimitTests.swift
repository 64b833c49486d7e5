// SPDX-License-Identifier: BSD-2-Clause
//
// Every limit of a response, met exactly and passed by one.

import HTTPWire
import Testing

@Suite struct ResponseLimitTests {
    static let limits = ResponseLimits(
        headBytesMax: 100, fieldCountMax: 3, bodyBytesMax: 20, chunkFramingBytesMax: 30)

    /// The transcript of `text`, which must not depend on how it is cut.
    static func read(
        _ text: String, isEnded: Bool = false, limits: ResponseLimits = limits
    ) -> ResponseTranscript {
        let connection = ResponseBytes(bytes: Array(text.utf8), isEnded: isEnded)
        let whole = transcript(of: connection, limits: limits)
        #expect(transcript(of: connection, cut: .everyByte, limits: limits) == whole)
        for cut in 0...connection.bytes.count {
            #expect(transcript(of: connection, cut: .at([cut]), limits: limits) == whole)
        }
        return whole
    }

    /// A response whose head, what is `before` it included, has `byteCount` bytes.
    static func head(
        byteCount: Int, before: String = "", lines: String = "Content-Length: 0\r\n"
    ) -> String {
        let start = before + "HTTP/1.1 200 OK\r\n" + lines + "X: "
        let end = "\r\n\r\n"
        return start + String(repeating: "x", count: byteCount - (start + end).utf8.count) + end
    }

    @Test(arguments: ["", "HTTP/1.1 100 X\r\n\r\n", "HTTP/1.1 103 X\r\nA: b\r\n\r\n"])
    func headBytes(before: String) {
        let exact = Self.read(Self.head(byteCount: 100, before: before))
        #expect(exact.responses.map(\.byteCount) == [100])
        let past = Self.read(Self.head(byteCount: 101, before: before))
        #expect(past == ResponseTranscript(end: .refused(.headTooLarge)))
        let pastTwo = Self.read(Self.head(byteCount: 102, before: before))
        #expect(pastTwo == ResponseTranscript(end: .refused(.headTooLarge)))
    }

    @Test func headBytesOfASecondResponse() {
        let text = Self.head(byteCount: 100)
        #expect(Self.read(text + text).responses.map(\.byteCount) == [100, 100])
    }

    @Test func statusLineBytes() {
        let endless = "HTTP/1.1 200 " + String(repeating: "x", count: 87)
        #expect(Self.read(String(endless.dropLast())).end == .awaiting)
        #expect(Self.read(endless).end == .refused(.headTooLarge))
    }

    @Test func fieldCount() {
        let line = "A: b\r\n"
        let exact = Self.read("HTTP/1.1 204 X\r\n\(line)\(line)\(line)\r\n")
        #expect(exact.responses.map(\.fields.count) == [3])
        let past = Self.read("HTTP/1.1 204 X\r\n\(line)\(line)\(line)\(line)\r\n")
        #expect(past.end == .refused(.fieldsTooMany))
        let interim = Self.read("HTTP/1.1 100 X\r\n\(line)\(line)\(line)\(line)\r\n")
        #expect(interim.end == .refused(.fieldsTooMany))
    }

    @Test func fieldCountOfEachHead() {
        let text = "HTTP/1.1 100 X\r\nA: b\r\nA: b\r\n\r\nHTTP/1.1 204 X\r\nA: b\r\nA: b\r\n\r\n"
        #expect(Self.read(text).responses.map(\.fields.count) == [2])
    }

    @Test func bodyBytes() {
        let body = String(repeating: "x", count: 20)
        let head = "HTTP/1.1 200 OK\r\nContent-Length: "
        #expect(Self.read("\(head)20\r\n\r\n\(body)").responses.map(\.body.count) == [20])
        #expect(Self.read("\(head)21\r\n\r\n").end == .refused(.bodyTooLarge))
    }

    @Test func bodyBytesUntilTheEnd() {
        let exact = "HTTP/1.1 200 OK\r\n\r\n" + String(repeating: "x", count: 20)
        #expect(Self.read(exact, isEnded: true).responses.map(\.body.count) == [20])
        #expect(Self.read(exact).end == .awaiting)
        #expect(Self.read(exact + "x", isEnded: true).end == .refused(.bodyTooLarge))
        #expect(Self.read(exact + "x").end == .refused(.bodyTooLarge))
    }

    @Test func chunkedBodyBytes() {
        let body = String(repeating: "x", count: 18)
        let exact = ResponseRow.chunked("12\r\n\(body)\r\n2\r\nyz\r\n0\r\n\r\n")
        #expect(Self.read(exact).responses.map(\.body.count) == [20])
        let past = ResponseRow.chunked("12\r\n\(body)\r\n3\r\n")
        #expect(Self.read(past).end == .refused(.bodyTooLarge))
    }

    /// Of the bytes here, those that are not content: 3 + 2 of the chunk and 5 of the end.
    @Test(arguments: [
        ("extension of the first chunk", "4;", "\r\nbody\r\n0\r\n\r\n", 11),
        ("extension of the last chunk", "4\r\nbody\r\n0;", "\r\n\r\n", 11),
        ("trailer section", "4\r\nbody\r\n0\r\nA:", "\r\n\r\n", 14),
    ])
    func chunkFramingBytes(name: String, start: String, end: String, framingByteCount: Int) {
        func response(framingByteCount wanted: Int) -> String {
            let padding = String(repeating: "0", count: wanted - framingByteCount)
            return ResponseRow.chunked(start + padding + end)
        }
        let exact = Self.read(response(framingByteCount: 30))
        #expect(exact.responses.map(\.body) == [Array("body".utf8)])
        let past = Self.read(response(framingByteCount: 31))
        #expect(past == ResponseTranscript(end: .refused(.chunkFramingTooLarge)))
    }

    /// A client's buffer is as large as `responseBytesMax`; `transcript` checks that a parser never
    /// asks for more than that, and these are the largest responses there are.
    @Test func largestResponseFillsTheBuffer() {
        let head = Self.head(
            byteCount: 100, before: "HTTP/1.1 100 X\r\n\r\n",
            lines: "Transfer-Encoding: chunked\r\n")
        let body = "14;eeeeeeeeeeeeeeee\r\n\(String(repeating: "x", count: 20))\r\n0;e\r\n\r\n"
        let largest = Self.read(head + body)
        #expect(largest.responses.map(\.byteCount) == [150])
        #expect(Self.limits.responseBytesMax == 150)
    }

    @Test func largestResponseUntilTheEndLeavesRoomToSeeIt() {
        let limits = ResponseLimits(
            headBytesMax: 100, fieldCountMax: 3, bodyBytesMax: 20, chunkFramingBytesMax: 0)
        let largest =
            Self.head(byteCount: 100, lines: "") + String(repeating: "x", count: 20)
        let read = Self.read(largest, isEnded: true, limits: limits)
        #expect(read.responses.map(\.byteCount) == [120])
        #expect(limits.responseBytesMax == 121)
        let past = Self.read(largest + "x", limits: limits)
        #expect(past.end == .refused(.bodyTooLarge))
    }
}
