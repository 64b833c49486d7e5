// SPDX-License-Identifier: BSD-2-Clause
//
// Responses, byte for byte.

import HTTPWire
import Testing

@Suite struct ResponseWriterTests {
    static let date = DateField(unixSeconds: 784_111_777)
    static let dateLine = "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
    static let plain = ResponseFraming(omitsBody: false, persistence: .implied)

    /// What `write` writes behind some output that is waiting.
    static func written(
        framing: ResponseFraming = plain, _ write: (inout ResponseWriter) -> Void
    ) -> String {
        let waiting = Array("waiting ".utf8)
        var writer = ResponseWriter(output: waiting, date: date)
        writer.framing = framing
        write(&writer)
        let isWriting = writer.isWriting
        let byteCount = writer.byteCount
        let output = writer.finish()
        #expect(!isWriting && output.count == byteCount && output.starts(with: waiting))
        return String(decoding: output.dropFirst(waiting.count), as: UTF8.self)
    }

    static func response(
        _ statusLine: String, type: String = "text/plain; charset=utf-8", length: String,
        _ fields: String = "", body: String
    ) -> String {
        "HTTP/1.1 \(statusLine)\r\n\(dateLine)Content-Type: \(type)\r\n"
            + "Content-Length: \(length)\r\n\(fields)\r\n\(body)"
    }

    @Test func everyWayToAppend() {
        let text = Self.written { writer in
            writer.begin(.ok, contentType: "text/html")
            writer.field("Allow", "GET, HEAD")
            writer.field("Retry-After", decimal: 30)
            writer.field("Location", [0x2f, 0x0d, 0x0a, 0x61, 0x00, 0x7f, 0xc3, 0xa9].span)
            writer.append("size=")
            writer.append(decimal: 0)
            writer.append(byte: 0x20)
            writer.append(decimal: .max)
            writer.append(String(repeating: "é", count: 2))
            writer.append(Array("span".utf8).span)
            writer.append(addingCapacity: 10) { output in
                output.append(0x78)
                output.append(0x79)
            }
            writer.end()
        }
        let fields = "Allow: GET, HEAD\r\nRetry-After: 30\r\nLocation: /  a  é\r\n"
        #expect(
            text
                == Self.response(
                    "200 OK", type: "text/html", length: "         37", fields,
                    body: "size=0 18446744073709551615ééspanxy"))
    }

    @Test(arguments: [
        (0, "          0"), (7, "          7"), (10, "         10"), (999_999, "     999999"),
        (1_000_000, "    1000000"),
    ])
    func lengthIsPatched(byteCount: Int, length: String) {
        let body = String(repeating: "x", count: byteCount)
        let text = Self.written { writer in
            writer.begin(.accepted, contentType: "a/b")
            if byteCount > 0 { writer.append(body) }
            writer.end()
        }
        #expect(
            text == Self.response("202 Accepted", type: "a/b", length: length, body: body))
    }

    @Test func headKeepsTheLengthAndDropsTheBody() {
        let framing = ResponseFraming(omitsBody: true, persistence: .implied)
        let text = Self.written(framing: framing) { writer in
            writer.text(.notFound, "not here")
            writer.text(.notFound, "\(404)")
        }
        #expect(
            text == Self.response("404 Not Found", length: "          9", body: "")
                + Self.response("404 Not Found", length: "          4", body: ""))
    }

    @Test(
        arguments: [
            (.implied, ""), (.keepAlive, "Connection: keep-alive\r\n"),
            (.close, "Connection: close\r\n"),
        ] as [(Persistence, String)])
    func connectionField(persistence: Persistence, line: String) {
        let framing = ResponseFraming(omitsBody: false, persistence: persistence)
        let body = Array("body".utf8)
        let prerendered = PrerenderedResponse(.ok, contentType: "a/b", body: body.span)
        let text = Self.written(framing: framing) { writer in
            writer.text(.badRequest, "no")
            writer.prerendered(prerendered)
        }
        #expect(
            text == Self.response("400 Bad Request", length: "          3", line, body: "no\n")
                + "HTTP/1.1 200 OK\r\nContent-Type: a/b\r\nContent-Length: 4\r\n"
                + Self.dateLine + line + "\r\nbody")
    }

    /// What was granted of a wait that was asked for is said in every kind of response.
    @Test(
        arguments: [
            (nil, ""), (0, "Preference-Applied: wait=0\r\n"),
            (60, "Preference-Applied: wait=60\r\n"),
            (.max, "Preference-Applied: wait=4294967295\r\n"),
        ] as [(UInt32?, String)])
    func preferenceApplied(seconds: UInt32?, line: String) {
        var framing = ResponseFraming(omitsBody: false, persistence: .close)
        framing.grantedWait = seconds
        let body = Array("body".utf8)
        let prerendered = PrerenderedResponse(.ok, contentType: "a/b", body: body.span)
        let text = Self.written(framing: framing) { writer in
            writer.text(.notFound, "no")
            writer.prerendered(prerendered)
        }
        let fields = "Connection: close\r\n" + line
        #expect(
            text == Self.response("404 Not Found", length: "          3", fields, body: "no\n")
                + "HTTP/1.1 200 OK\r\nContent-Type: a/b\r\nContent-Length: 4\r\n"
                + Self.dateLine + fields + "\r\nbody")
    }

    @Test(arguments: [false, true])
    func prerendered(omitsBody: Bool) {
        let body = Array("size=7\n".utf8)
        let response = PrerenderedResponse(.ok, contentType: "text/plain", body: body.span)
        let framing = ResponseFraming(omitsBody: omitsBody, persistence: .implied)
        let text = Self.written(framing: framing) { $0.prerendered(response) }
        #expect(
            text == "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 7\r\n"
                + Self.dateLine + "\r\n" + (omitsBody ? "" : "size=7\n"))
    }

    @Test func abandonedResponseLeavesNoTrace() {
        let text = Self.written { writer in
            writer.begin(.ok, contentType: "a/b")
            writer.append("half")
            writer.abandon()
            writer.begin(.ok, contentType: "a/b")
            writer.abandon()
            writer.text(.internalServerError, "no")
        }
        #expect(
            text
                == Self.response("500 Internal Server Error", length: "          3", body: "no\n"))
    }

    @Test func interimResponse() {
        let text = Self.written { $0.continueToBody() }
        #expect(text == "HTTP/1.1 100 Continue\r\n\r\n")
    }

    @Test func writerAnswersAsTheRequestAsks() {
        func framing(_ text: String) -> ResponseFraming {
            let bytes = Array(text.utf8)
            var parser = RequestParser(limits: RequestLimits())
            #expect(parser.parse(bytes.span) == .complete(byteCount: bytes.count))
            return ResponseFraming(answering: parser.head)
        }
        #expect(framing("GET / HTTP/1.1\r\nHost: a\r\n\r\n") == Self.plain)
        #expect(
            framing("HEAD / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
                == ResponseFraming(omitsBody: true, persistence: .keepAlive))
        #expect(framing("GET / HTTP/1.0\r\n\r\n") == .closing)
    }

    @Test func capacityIsKept() {
        var output: [UInt8] = []
        output.reserveCapacity(4096)
        let capacity = output.capacity
        var writer = ResponseWriter(output: output, date: Self.date)
        output = []
        writer.text(.ok, "short")
        output = writer.finish()
        output.removeAll(keepingCapacity: true)
        #expect(output.capacity == capacity)
    }

    @Test(
        arguments: [
            (.ok, "200 OK"), (.accepted, "202 Accepted"),
            (.movedPermanently, "301 Moved Permanently"), (.badRequest, "400 Bad Request"),
            (.forbidden, "403 Forbidden"), (.notFound, "404 Not Found"),
            (.methodNotAllowed, "405 Method Not Allowed"), (.requestTimeout, "408 Request Timeout"),
            (.contentTooLarge, "413 Content Too Large"), (.uriTooLong, "414 URI Too Long"),
            (.expectationFailed, "417 Expectation Failed"),
            (.tooManyRequests, "429 Too Many Requests"),
            (.fieldsTooLarge, "431 Request Header Fields Too Large"),
            (.internalServerError, "500 Internal Server Error"),
            (.notImplemented, "501 Not Implemented"),
            (.serviceUnavailable, "503 Service Unavailable"),
            (.versionNotSupported, "505 HTTP Version Not Supported"),
        ] as [(Status, String)])
    func statusLine(status: Status, line: String) {
        let text = Self.written { $0.text(status, "a") }
        #expect(text == Self.response(line, length: "          2", body: "a\n"))
        #expect(line.hasPrefix("\(status.code) "))
    }
}
