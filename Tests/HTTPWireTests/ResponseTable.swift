// SPDX-License-Identifier: BSD-2-Clause
//
// The table of responses, good and bad, one named row each. Every row is also corpus for the
// mangler.

import HTTPWire
import Testing

/// A connection's bytes and what they must come to.
struct ResponseRow: Sendable, CustomTestStringConvertible {
    let name: String
    let connection: ResponseBytes
    /// Status and body of each response, as `200 body` or `204`.
    let responses: [String]
    let end: ResponseTranscript.End

    var testDescription: String { name }

    static func accepted(
        _ name: String, _ text: String, _ responses: String..., to methods: Method...
    ) -> ResponseRow {
        let connection = ResponseBytes(bytes: Array(text.utf8), methods: methods)
        return ResponseRow(
            name: name, connection: connection, responses: responses, end: .awaiting)
    }

    /// Accepted when the peer ends the connection.
    static func ended(
        _ name: String, _ text: String, _ responses: String..., to methods: Method...
    ) -> ResponseRow {
        let connection = ResponseBytes(bytes: Array(text.utf8), methods: methods, isEnded: true)
        return ResponseRow(
            name: name, connection: connection, responses: responses, end: .awaiting)
    }

    static func refused(_ name: String, _ text: String, _ error: ResponseError) -> ResponseRow {
        let connection = ResponseBytes(bytes: Array(text.utf8))
        return ResponseRow(name: name, connection: connection, responses: [], end: .refused(error))
    }

    static func refused(_ name: String, _ text: String, _ error: MessageError) -> ResponseRow {
        refused(name, text, .message(error))
    }

    /// Incomplete; and truncated, if the peer ends the connection.
    static func incomplete(_ name: String, _ text: String) -> [ResponseRow] {
        let open = ResponseBytes(bytes: Array(text.utf8))
        let ended = ResponseBytes(bytes: open.bytes, isEnded: true)
        return [
            ResponseRow(name: name, connection: open, responses: [], end: .awaiting),
            ResponseRow(
                name: "\(name), and the end", connection: ended, responses: [],
                end: .refused(.truncated)),
        ]
    }
}

extension ResponseRow {
    static let all = accepted + incomplete + badLines + badFields + badFraming + badChunks

    static let accepted = plain + withoutBody + interim + untilClose + http10

    static let plain: [ResponseRow] = [
        .accepted("length", "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody", "200 body"),
        .accepted("length 0", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "200"),
        .accepted("chunked", chunked("4\r\nbody\r\n0\r\n\r\n"), "200 body"),
        .accepted("two chunks", chunked("3\r\nbod\r\n1\r\ny\r\n0\r\n\r\n"), "200 body"),
        .accepted(
            "chunked in capitals",
            "HTTP/1.1 200 OK\r\nTRANSFER-ENCODING: CHUNKED\r\n\r\n0\r\n\r\n", "200"),
        .accepted("extensions", chunked("4;a\r\nbody\r\n0 \t;b=\"c;\"\r\n\r\n"), "200 body"),
        .accepted("trailers", chunked("4\r\nbody\r\n0\r\nA: b\r\n\r\n"), "200 body"),
        .accepted("no reason", "HTTP/1.1 409 \r\nContent-Length: 1\r\n\r\n7", "409 7"),
        .accepted("no second space", "HTTP/1.1 409\r\nContent-Length: 1\r\n\r\n7", "409 7"),
        .accepted(
            "odd reason", "HTTP/1.1 200  \t\u{e9} HTTP/1.1\r\nContent-Length: 0\r\n\r\n", "200"),
        .accepted("later minor version", "HTTP/1.9 200 OK\r\nContent-Length: 0\r\n\r\n", "200"),
        .accepted("status without meaning", "HTTP/1.1 999 X\r\nContent-Length: 0\r\n\r\n", "999"),
        .accepted(
            "a request's fields mean nothing",
            "HTTP/1.1 200 OK\r\nHost: a/\r\nHost: b\r\nExpect: x\r\nContent-Length: 0\r\n\r\n",
            "200"),
        .accepted(
            "tab and obs-text",
            "HTTP/1.1 200 OK\r\ncontent-LENGTH:\t0 \r\nX: \u{e9}\tb\r\n\r\n", "200"),
        .accepted(
            "one after the other",
            chunked("4\r\nbody\r\n0\r\n\r\n") + "HTTP/1.1 404 No\r\nContent-Length: 4\r\n\r\nHTTP"
                + chunked("0\r\n\r\n"),
            "200 body", "404 HTTP", "200"),
    ]

    static let withoutBody: [ResponseRow] = [
        .accepted(
            "answer to HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n", "200", to: .head),
        .accepted(
            "answer to HEAD of any length",
            "HTTP/1.1 200 OK\r\nContent-Length: 9223372036854775807\r\n\r\n", "200", to: .head),
        .accepted(
            "chunked answer to HEAD", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            "200", to: .head),
        .accepted("answer to HEAD without length", "HTTP/1.1 200 OK\r\n\r\n", "200", to: .head),
        .accepted("204", "HTTP/1.1 204 No Content\r\n\r\n", "204"),
        .accepted("204 with length", "HTTP/1.1 204 No Content\r\nContent-Length: 4\r\n\r\n", "204"),
        .accepted("304", "HTTP/1.1 304 Not Modified\r\nContent-Length: 4\r\n\r\n", "304"),
        .accepted(
            "HEAD, then GET",
            "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n"
                + "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody",
            "200", "200 body", to: .head, .get),
        .accepted(
            "answer to POST", "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody", "200 body",
            to: .post),
    ]

    static let interim: [ResponseRow] = [
        .accepted(
            "continue", "HTTP/1.1 100 Continue\r\n\r\n" + body, "200 body", to: .post),
        .accepted(
            "early hints",
            "HTTP/1.1 103 Early Hints\r\nLink: a\r\nLink: b\r\n\r\n" + body, "200 body"),
        .accepted(
            "interim fields have no meaning",
            "HTTP/1.1 102 X\r\nContent-Length: 4\r\nTransfer-Encoding: x\r\nConnection: close\r\n"
                + "\r\n" + body, "200 body"),
        .accepted(
            "eight interim", String(repeating: "HTTP/1.1 199\r\n\r\n", count: 8) + body,
            "200 body"),
        .accepted(
            "eight interim each", String(repeating: interimMany(8) + body, count: 2),
            "200 body", "200 body"),
        .accepted(
            "interim before an answer to HEAD",
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", "200", to: .head),
    ]

    static let untilClose: [ResponseRow] = [
        .ended("until the end", "HTTP/1.1 200 OK\r\nX: y\r\n\r\nbody", "200 body"),
        .ended("nothing until the end", "HTTP/1.1 200 OK\r\n\r\n", "200"),
        .ended(
            "anything until the end", "HTTP/1.1 200 OK\r\n\r\n\0\r\n\n\u{e9}",
            "200 \0\r\n\n\u{e9}"),
        .ended(
            "until the end, though kept alive",
            "HTTP/1.1 500 X\r\nConnection: keep-alive\r\n\r\nbody", "500 body"),
        .ended(
            "length, then until the end", body + "HTTP/1.0 200 OK\r\n\r\nbody",
            "200 body", "200 body"),
        .ended("an end between responses", body, "200 body"),
        .ended("an end behind an answer to HEAD", "HTTP/1.1 200 OK\r\n\r\n", "200", to: .head),
        .ended("an end behind chunks", chunked("4\r\nbody\r\n0\r\n\r\n"), "200 body"),
    ]

    static let http10: [ResponseRow] = [
        .accepted(
            "HTTP/1.0", "HTTP/1.0 200 OK\r\nContent-Length: 4\r\n\r\nbody", "200 body"),
        .accepted(
            "HTTP/1.0, kept alive",
            "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 4\r\n\r\nbody",
            "200 body"),
        .ended("HTTP/1.0 until the end", "HTTP/1.0 200 OK\r\n\r\nbody", "200 body"),
    ]

    static let incomplete: [ResponseRow] = [
        incomplete("nothing", ""),
        incomplete("half a status line", "HTTP/1.1 20"),
        incomplete("no fields", "HTTP/1.1 200 OK\r\n"),
        incomplete("no end of head", "HTTP/1.1 200 OK\r\nX: y\r\n\r"),
        incomplete("interim alone", "HTTP/1.1 100 Continue\r\n\r\n"),
        incomplete("half a body", "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbod"),
        incomplete("half a chunk", chunked("4\r\nbod")),
        incomplete("no end of a chunk", chunked("4\r\nbody\r")),
        incomplete("no last chunk", chunked("4\r\nbody\r\n")),
        incomplete("no end of trailers", chunked("0\r\nA: b\r\n")),
    ].flatMap { $0 }

    static let badLines: [ResponseRow] = [
        .refused("bare LF", "HTTP/1.1 200 OK\nX: y\r\n\r\n", .bareLineFeed),
        .refused("bare LF ends the head", "HTTP/1.1 200 OK\r\nX: y\r\n\n", .bareLineFeed),
        .refused("bare CR", "HTTP/1.1 200 OK\r\nX: y\rz\r\n\r\n", .bareCarriageReturn),
        .refused("NUL in the reason", "HTTP/1.1 200 O\0K\r\n\r\n", .controlByte),
        .refused("TLS alert", "\u{15}\u{3}\u{1}", .controlByte),
        .refused("empty line", "\r\n" + body, .statusLineMalformed),
        .refused("HTTP/0.9", "body\r\n", .statusLineMalformed),
        .refused("SSH", "SSH-2.0-OpenSSH_9.2\r\n", .statusLineMalformed),
        .refused("a request", "GET / HTTP/1.1\r\n", .statusLineMalformed),
        .refused("no status", "HTTP/1.1\r\n", .statusLineMalformed),
        .refused("no status behind a space", "HTTP/1.1 \r\n", .statusLineMalformed),
        .refused("two digits", "HTTP/1.1 20\r\n", .statusLineMalformed),
        .refused("two digits and a space", "HTTP/1.1 20 OK\r\n", .statusLineMalformed),
        .refused("four digits", "HTTP/1.1 2000 OK\r\n", .statusLineMalformed),
        .refused("letters", "HTTP/1.1 2xx OK\r\n", .statusLineMalformed),
        .refused("status 099", "HTTP/1.1 099 OK\r\n", .statusLineMalformed),
        .refused("status 000", "HTTP/1.1 000 OK\r\n", .statusLineMalformed),
        .refused("two spaces", "HTTP/1.1  200 OK\r\n", .statusLineMalformed),
        .refused("tab for space", "HTTP/1.1\t200 OK\r\n", .statusLineMalformed),
        .refused("tab behind the status", "HTTP/1.1 200\tOK\r\n", .statusLineMalformed),
        .refused("blank before the version", " HTTP/1.1 200 OK\r\n", .statusLineMalformed),
        .refused("long minor version", "HTTP/1.10 200 OK\r\n", .statusLineMalformed),
        .refused("lower-case version", "http/1.1 200 OK\r\n", .versionMalformed),
        .refused("other protocol", "ICAP/1.0 200 OK\r\n", .versionMalformed),
        .refused("no digit", "HTTP/1.x 200 OK\r\n", .versionMalformed),
        .refused("HTTP/2.0", "HTTP/2.0 200 OK\r\n", .versionNotSupported),
        .refused("101", "HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n", .protocolSwitched),
        .refused("101 behind 100", interimMany(1) + "HTTP/1.1 101 X\r\n\r\n", .protocolSwitched),
        .refused("nine interim", interimMany(9), .interimTooMany),
    ]

    static let badFields: [ResponseRow] = [
        .refused("blank before colon", "HTTP/1.1 200 OK\r\nX : y\r\n\r\n", .fieldNameMalformed),
        .refused("no colon", "HTTP/1.1 200 OK\r\nX\r\n\r\n", .fieldNameMalformed),
        .refused("no name", "HTTP/1.1 200 OK\r\n: y\r\n\r\n", .fieldNameMalformed),
        .refused("folded", "HTTP/1.1 200 OK\r\nX: y\r\n z\r\n\r\n", .lineFolded),
        .refused("blank before the first", "HTTP/1.1 200 OK\r\n X: y\r\n\r\n", .lineFolded),
        .refused("interim, folded", "HTTP/1.1 100 X\r\nX: y\r\n z\r\n\r\n", .lineFolded),
    ]

    static let badFraming: [ResponseRow] =
        Malformed.lengths.map {
            .refused("length '\($0)'", framed("Content-Length: \($0)\r\n"), .lengthMalformed)
        } + [
            .refused("length past the bound", framed("Content-Length: 65537\r\n"), .bodyTooLarge),
            .refused(
                "vast length", framed("Content-Length: 9223372036854775807\r\n"), .bodyTooLarge),
            .refused(
                "two lengths", framed("Content-Length: 4\r\nContent-Length: 4\r\n"), .lengthRepeated
            ),
            .refused(
                "length and coding", framed("Content-Length: 4\r\nTransfer-Encoding: chunked\r\n"),
                .lengthAndTransferEncoding),
            .refused(
                "two coding fields",
                framed("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"),
                .transferEncodingRepeated),
            .refused(
                "coding in HTTP/1.0",
                "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                .transferEncodingInHTTP10),
            .refused(
                "204 with a bad length", "HTTP/1.1 204 X\r\nContent-Length: x\r\n\r\n",
                .lengthMalformed),
        ]
        + Malformed.unknownCodings.map {
            .refused(
                "coding '\($0)'", framed("Transfer-Encoding: \($0)\r\n"), .transferEncodingUnknown)
        }
        + Malformed.codings.map {
            .refused(
                "coding '\($0)'", framed("Transfer-Encoding: \($0)\r\n"), .transferEncodingMalformed
            )
        }

    static let badChunks: [ResponseRow] =
        Malformed.chunkSizes.map {
            .refused(
                "chunk size '\($0)'", chunked("\($0)\r\nbody\r\n0\r\n\r\n"), .chunkSizeMalformed)
        } + [
            .refused("vast chunk", chunked("7fffffffffffffff\r\n"), .bodyTooLarge),
            .refused("chunk past the bound", chunked("10001\r\n"), .bodyTooLarge),
            .refused("chunk too long", chunked("4\r\nbody5\r\n0\r\n\r\n"), .chunkEndMissing),
            .refused("chunk too short", chunked("4\r\nbod\r\n0\r\n\r\n"), .chunkEndMissing),
            .refused("size ended by LF", chunked("4\nbody\r\n0\r\n\r\n"), .bareLineFeed),
            .refused("bad trailer", chunked("0\r\nA b\r\n\r\n"), .fieldNameMalformed),
        ]

    static let body = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody"

    static func interimMany(_ count: Int) -> String {
        String(repeating: "HTTP/1.1 100 Continue\r\n\r\n", count: count)
    }

    static func framed(_ fieldLines: String) -> String {
        "HTTP/1.1 200 OK\r\n\(fieldLines)\r\nbody"
    }

    static func chunked(_ body: String) -> String {
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\(body)"
    }
}
