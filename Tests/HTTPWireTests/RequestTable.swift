// SPDX-License-Identifier: BSD-2-Clause
//
// The table of requests, good and bad, one named row each. Every row is also corpus for the
// mangler.

import HTTPWire
import Testing

/// A connection's bytes and what they must come to.
struct RequestRow: Sendable, CustomTestStringConvertible {
    let name: String
    let bytes: [UInt8]
    /// Method, target and body of each request, as `GET /` or `POST /add-leaf body`.
    let requests: [String]
    let end: Transcript.End

    var testDescription: String { name }

    static func accepted(_ name: String, _ text: String, _ requests: String...) -> RequestRow {
        RequestRow(name: name, bytes: Array(text.utf8), requests: requests, end: .awaiting(.head))
    }

    static func refused(_ name: String, _ text: String, _ error: RequestError) -> RequestRow {
        RequestRow(name: name, bytes: Array(text.utf8), requests: [], end: .refused(error))
    }

    static func refused(_ name: String, _ text: String, _ error: MessageError) -> RequestRow {
        refused(name, text, .message(error))
    }

    static func awaiting(_ name: String, _ text: String, _ phase: RequestPhase) -> RequestRow {
        RequestRow(name: name, bytes: Array(text.utf8), requests: [], end: .awaiting(phase))
    }
}

extension RequestRow {
    static let all = accepted + incomplete + badLines + badFields + badFraming + badChunks

    static let accepted: [RequestRow] = [
        .accepted("plain", "GET /get-tree-head HTTP/1.1\r\nHost: a\r\n\r\n", "GET /get-tree-head"),
        .accepted("head", "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n", "HEAD /"),
        .accepted("other method", "PATCH / HTTP/1.1\r\nHost: a\r\n\r\n", "OTHER /"),
        .accepted("lower-case method is another", "get / HTTP/1.1\r\nHost: a\r\n\r\n", "OTHER /"),
        .accepted("query", "GET /a?b=/?c HTTP/1.1\r\nHost: a\r\n\r\n", "GET /a?b=/?c"),
        .accepted("escapes kept", "GET /a%2Fb%00 HTTP/1.1\r\nHost: a\r\n\r\n", "GET /a%2Fb%00"),
        .accepted("absolute form", "GET http://a:80/b?c HTTP/1.1\r\nHost: a\r\n\r\n", "GET /b?c"),
        .accepted("absolute https", "GET HTTPS://a/b HTTP/1.1\r\nHost: a\r\n\r\n", "GET /b"),
        .accepted("absolute, no path", "GET http://[::1] HTTP/1.1\r\nHost: a\r\n\r\n", "GET /"),
        .accepted("absolute, query only", "GET http://a?b HTTP/1.1\r\nHost: a\r\n\r\n", "GET /"),
        .accepted("asterisk", "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", "OTHER *"),
        .accepted("later minor version", "GET / HTTP/1.9\r\nHost: a\r\n\r\n", "GET /"),
        .accepted("HTTP/1.0 without Host", "GET / HTTP/1.0\r\n\r\n", "GET /"),
        .accepted("empty Host", "GET / HTTP/1.1\r\nHost:\r\n\r\n", "GET /"),
        .accepted("Host with port", "GET / HTTP/1.1\r\nhOST:\t[::1]:80 \r\n\r\n", "GET /"),
        .accepted("empty lines", "\r\n\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", "GET /"),
        .accepted("tab and obs-text", "GET / HTTP/1.1\r\nHost: a\r\nX: \u{e9}\tb\r\n\r\n", "GET /"),
        .accepted(
            "odd field name", "GET / HTTP/1.1\r\nHost: a\r\n!#$%&'*+-.^_`|~9: b\r\n\r\n", "GET /"),
        .accepted(
            "length", "POST /add-leaf HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody",
            "POST /add-leaf body"),
        .accepted(
            "length 0", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", "POST /"),
        .accepted(
            "GET with a body", "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody",
            "GET / body"),
        .accepted(
            "chunked", chunked("4\r\nbody\r\n0\r\n\r\n"), "POST / body"),
        .accepted(
            "chunked in capitals",
            "POST / HTTP/1.1\r\nHost: a\r\nTRANSFER-ENCODING: CHUNKED\r\n\r\n0\r\n\r\n", "POST /"),
        .accepted("two chunks", chunked("3\r\nbod\r\n1\r\ny\r\n0\r\n\r\n"), "POST / body"),
        .accepted(
            "hex sizes", chunked("A\r\n0123456789\r\n00a\r\nabcdefghij\r\n000\r\n\r\n"),
            "POST / 0123456789abcdefghij"),
        .accepted(
            "chunk data like framing", chunked("5\r\n0\r\n\r\n\r\n0\r\n\r\n"), "POST / 0\r\n\r\n"),
        .accepted("extensions", chunked("4;a\r\nbody\r\n0 \t;b=\"c;\"\r\n\r\n"), "POST / body"),
        .accepted("trailers", chunked("4\r\nbody\r\n0\r\nA: b\r\nHost: c\r\n\r\n"), "POST / body"),
        .accepted(
            "pipelined", "GET /a HTTP/1.1\r\nHost: a\r\n\r\nHEAD /b HTTP/1.0\r\n\r\n",
            "GET /a", "HEAD /b"),
        .accepted(
            "pipelined bodies",
            chunked("4\r\nbody\r\n0\r\n\r\n") + "\r\n"
                + "POST /c HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nGET"
                + chunked("0\r\n\r\n") + "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
            "POST / body", "POST /c GET", "POST /", "GET /"),
        .accepted(
            "expectation",
            "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue\r\n"
                + "Content-Length: 4\r\n\r\nbody", "POST / body"),
        .accepted("any expectation in HTTP/1.0", "GET / HTTP/1.0\r\nExpect: x\r\n\r\n", "GET /"),
    ]

    static let incomplete: [RequestRow] = [
        .awaiting("nothing", "", .head),
        .awaiting("empty line", "\r\n", .head),
        .awaiting("half a request line", "GET / HT", .head),
        .awaiting("no end of head", "GET / HTTP/1.1\r\nHost: a\r\n\r", .head),
        .awaiting(
            "half a body", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbod", .body),
        .awaiting("half a chunk", chunked("4\r\nbod"), .body),
        .awaiting("no end of a chunk", chunked("4\r\nbody\r"), .body),
        .awaiting("no last chunk", chunked("4\r\nbody\r\n"), .body),
        .awaiting("no end of trailers", chunked("0\r\nA: b\r\n"), .body),
    ]

    static let badLines: [RequestRow] = [
        .refused("bare LF", "GET / HTTP/1.1\nHost: a\r\n\r\n", .bareLineFeed),
        .refused("bare LF ends the head", "GET / HTTP/1.1\r\nHost: a\r\n\n", .bareLineFeed),
        .refused(
            "bare CR in a value", "GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n",
            .bareCarriageReturn),
        .refused("CR CR LF", "GET / HTTP/1.1\r\r\nHost: a\r\n\r\n", .bareCarriageReturn),
        .refused("NUL in a value", "GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n", .controlByte),
        .refused("NUL in the target", "GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n", .controlByte),
        .refused("DEL in a value", "GET / HTTP/1.1\r\nHost: a\r\nX: \u{7f}\r\n\r\n", .controlByte),
        .refused("vertical tab", "GET / HTTP/1.1\r\nHost:\u{b}a\r\n\r\n", .controlByte),
        .refused("TLS greeting", "\u{16}\u{3}\u{1}", .controlByte),
        .refused("five empty lines", "\r\n\r\n\r\n\r\n\r\nGET", .emptyLinesTooMany),
        .refused("no method", " / HTTP/1.1\r\nHost: a\r\n\r\n", .requestLineMalformed),
        .refused("method is no token", "G(T / HTTP/1.1\r\nHost: a\r\n\r\n", .requestLineMalformed),
        .refused("method alone", "GET\r\n\r\n", .requestLineMalformed),
        .refused("HTTP/0.9", "GET /\r\n", .requestLineMalformed),
        .refused("two spaces", "GET  / HTTP/1.1\r\nHost: a\r\n\r\n", .requestLineMalformed),
        .refused("tab for space", "GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n", .requestLineMalformed),
        .refused("space in target", "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", .versionMalformed),
        .refused("space after version", "GET / HTTP/1.1 \r\nHost: a\r\n\r\n", .versionMalformed),
        .refused("no slash", "GET a HTTP/1.1\r\nHost: a\r\n\r\n", .targetMalformed),
        .refused("fragment", "GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n", .targetMalformed),
        .refused("not ASCII", "GET /\u{e9} HTTP/1.1\r\nHost: a\r\n\r\n", .targetMalformed),
        .refused("asterisk for GET", "GET * HTTP/1.1\r\nHost: a\r\n\r\n", .targetMalformed),
        .refused("authority form", "CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n", .targetMalformed),
        .refused("other scheme", "GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n", .targetMalformed),
        .refused("no authority", "GET http:///a HTTP/1.1\r\nHost: a\r\n\r\n", .targetMalformed),
        .refused("user info", "GET http://b@a/ HTTP/1.1\r\nHost: a\r\n\r\n", .targetMalformed),
        .refused("lower-case version", "GET / http/1.1\r\nHost: a\r\n\r\n", .versionMalformed),
        .refused("long minor version", "GET / HTTP/1.10\r\nHost: a\r\n\r\n", .versionMalformed),
        .refused("no minor version", "GET / HTTP/1\r\nHost: a\r\n\r\n", .versionMalformed),
        .refused("HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", .versionNotSupported),
        .refused("HTTP/0.1", "GET / HTTP/0.1\r\n\r\n", .versionNotSupported),
    ]

    static let badFields: [RequestRow] = [
        .refused("blank before colon", "GET / HTTP/1.1\r\nHost : a\r\n\r\n", .fieldNameMalformed),
        .refused("no colon", "GET / HTTP/1.1\r\nHost\r\n\r\n", .fieldNameMalformed),
        .refused("no name", "GET / HTTP/1.1\r\n: a\r\n\r\n", .fieldNameMalformed),
        .refused("name is no token", "GET / HTTP/1.1\r\nHo(st: a\r\n\r\n", .fieldNameMalformed),
        .refused("folded", "GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n", .lineFolded),
        .refused(
            "folded with tab", "GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n\tb\r\n\r\n", .lineFolded),
        .refused("blank before the first", "GET / HTTP/1.1\r\n Host: a\r\n\r\n", .lineFolded),
        .refused("no Host", "GET / HTTP/1.1\r\nX: a\r\n\r\n", .hostMissing),
        .refused("two Hosts", "GET / HTTP/1.1\r\nHost: a\r\nhost: a\r\n\r\n", .hostRepeated),
        .refused(
            "two Hosts in HTTP/1.0", "GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n", .hostRepeated),
        .refused("Host with path", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", .hostMalformed),
        .refused("Host with blank", "GET / HTTP/1.1\r\nHost: a b\r\n\r\n", .hostMalformed),
        .refused("Host with user", "GET / HTTP/1.1\r\nHost: a@b\r\n\r\n", .hostMalformed),
        .refused(
            "other expectation", "GET / HTTP/1.1\r\nHost: a\r\nExpect: x\r\n\r\n",
            .expectationUnknown),
    ]

    static let badFraming: [RequestRow] =
        Malformed.lengths.map {
            .refused("length '\($0)'", posted("Content-Length: \($0)\r\n"), .lengthMalformed)
        } + [
            .refused("length past the bound", posted("Content-Length: 4097\r\n"), .bodyTooLarge),
            .refused(
                "vast length", posted("Content-Length: 9223372036854775807\r\n"), .bodyTooLarge),
            .refused(
                "two lengths", posted("Content-Length: 4\r\nContent-Length: 4\r\n"), .lengthRepeated
            ),
            .refused(
                "length and coding", posted("Content-Length: 4\r\nTransfer-Encoding: chunked\r\n"),
                .lengthAndTransferEncoding),
            .refused(
                "coding and two lengths",
                posted("Transfer-Encoding: x\r\nContent-Length: 4\r\nContent-Length: 4\r\n"),
                .lengthAndTransferEncoding),
            .refused(
                "two codings fields",
                posted("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"),
                .transferEncodingRepeated),
            .refused(
                "coding in HTTP/1.0",
                "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                .transferEncodingInHTTP10),
        ]
        + Malformed.unknownCodings.map {
            .refused(
                "coding '\($0)'", posted("Transfer-Encoding: \($0)\r\n"), .transferEncodingUnknown)
        }
        + Malformed.codings.map {
            .refused(
                "coding '\($0)'", posted("Transfer-Encoding: \($0)\r\n"), .transferEncodingMalformed
            )
        }

    static let badChunks: [RequestRow] =
        Malformed.chunkSizes.map {
            .refused(
                "chunk size '\($0)'", chunked("\($0)\r\nbody\r\n0\r\n\r\n"), .chunkSizeMalformed)
        } + [
            .refused("vast chunk", chunked("7fffffffffffffff\r\n"), .bodyTooLarge),
            .refused("chunk past the bound", chunked("1001\r\n"), .bodyTooLarge),
            .refused("chunks past the bound", chunked("1\r\na\r\n1000\r\n"), .bodyTooLarge),
            .refused("chunk too long", chunked("4\r\nbody5\r\n0\r\n\r\n"), .chunkEndMissing),
            .refused("chunk too short", chunked("4\r\nbod\r\n0\r\n\r\n"), .chunkEndMissing),
            .refused("chunk ended by LF", chunked("4\r\nbody\n0\r\n\r\n"), .chunkEndMissing),
            .refused("chunk ended by CR", chunked("4\r\nbody\r0\r\n\r\n"), .chunkEndMissing),
            .refused("size ended by LF", chunked("4\nbody\r\n0\r\n\r\n"), .bareLineFeed),
            .refused("NUL in extension", chunked("4;\0\r\nbody\r\n0\r\n\r\n"), .controlByte),
            .refused("bad trailer", chunked("0\r\nA b\r\n\r\n"), .fieldNameMalformed),
            .refused("folded trailer", chunked("0\r\nA: b\r\n c\r\n\r\n"), .lineFolded),
            .refused("trailers ended by LF", chunked("0\r\n\n"), .bareLineFeed),
        ]

    static func posted(_ fieldLines: String) -> String {
        "POST / HTTP/1.1\r\nHost: a\r\n\(fieldLines)\r\nbody"
    }

    static func chunked(_ body: String) -> String {
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\(body)"
    }
}

/// What neither a request nor a response may say of its body's end.
enum Malformed {
    static let lengths = [
        "+4", "-4", "4,4", "4, 4", "0x4", "4 4", "4.0", "", "four", "18446744073709551620",
        "9223372036854775808", "004", "00",
    ]
    static let unknownCodings = [
        "gzip", "identity", "gzip, chunked", "chunked, gzip", "xchunked", "chunked,x",
    ]
    static let codings = [
        "", "chunked, chunked", "chunked;a=b", ", chunked", "chunked,", "chunk ed", "\"chunked\"",
        "gzip;q=1",
    ]
    static let chunkSizes = [
        "", " 4", "+4", "-4", "0x4", "g", ";a", "4 ", "4 4", "4\t", "8000000000000000",
        "10000000000000004", "fffffffffffffffff",
    ]
}
