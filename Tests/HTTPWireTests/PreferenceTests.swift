// SPDX-License-Identifier: BSD-2-Clause
//
// How long a client is willing to wait: RFC 7240 as a table, and then anything that looks like it.

import HTTPWire
import TestSupport
import Testing

@Suite struct PreferenceTests {
    /// What a request with these Prefer fields is willing to wait.
    static func wait(_ values: [String], name: String = "Prefer") throws -> UInt64? {
        let fields = values.map { "\(name): \($0)\r\n" }.joined()
        let bytes = Array("GET / HTTP/1.1\r\nHost: a\r\nAccept: wait=9\r\n\(fields)\r\n".utf8)
        var parser = RequestParser(limits: RequestLimits())
        guard parser.parse(bytes.span) == .complete(byteCount: bytes.count) else {
            throw NoRequest()
        }
        return parser.head.preferredWait(in: bytes.span)
    }

    struct NoRequest: Error {}

    @Test(
        arguments: [
            ("wait=10", 10), ("wait=0", 0), ("WAIT=7", 7), ("wait=007", 7),
            ("wait=18446744073709551615", .max), ("wait=18446744073709551616", .max),
            ("wait=99999999999999999999999999", .max),
            // Bad white space, which is to be accepted.
            ("wait = 10", 10), ("wait\t=\t10", 10), ("wait =10", 10),
            // A word may be quoted.
            (#"wait="10""#, 10), (#"wait="1\0""#, 10), (#"wait = "10" ; a"#, 10),
            // Among others.
            ("respond-async, wait=10", 10), ("wait=10,respond-async", 10), (",, ,wait=3,", 3),
            ("handling=lenient , wait=100 , respond-async", 100),
            (#"foo="a, wait=1", wait=2"#, 2), (#"foo="\", wait=1", wait=2"#, 2),
            (#"foo="\\", wait=1"#, 1), (#"foo="", wait=1"#, 1), ("foo=, wait=1", 1),
            // With parameters, which mean nothing here.
            ("wait=10; a", 10), ("wait=10;a=b", 10), ("wait=10 ; a = b ; c = \"d;e,f\"", 10),
            ("wait=10;", 10), ("wait=10;;;a", 10), ("wait=10 ; ; ", 10), ("foo; wait=1", nil),
            ("foo; wait=1, wait=2", 2),
            // The first counts, of those that are any.
            ("wait=1, wait=2", 1), ("wait=0, wait=2", 0), ("wait, wait=2", 2),
            ("wait=x, wait=2", 2), ("wait=, wait=2", 2), (#"wait="", wait=2"#, 2),
            ("wait=1 2, wait=3", 3), ("=1, wait=2", 2), ("a b, wait=2", 2), ("wait=1;@, wait=2", 2),
            // None.
            ("", nil), (",", nil), ("wait", nil), ("wait=", nil), ("wait=-1", nil),
            ("wait=+1", nil), ("wait=1.5", nil), ("wait=10s", nil), ("wait==1", nil),
            ("wait:1", nil), ("waits=1", nil), ("wai=1", nil), ("xwait=1", nil),
            ("wait=1=2", nil), ("wait=1 a", nil), ("wait=\"1", nil), (#"wait="1\""#, nil),
            (#"wait="1\"#, nil), ("wait=1\"", nil), (#"wait="1"2"#, nil), (#"wait="\\1""#, nil),
            ("\"wait\"=1", nil), (#"foo=", wait=1"#, nil), ("wait=1;=", nil), ("wait=1;a b", nil),
            ("wait=é", nil), ("respond-async", nil),
        ] as [(String, UInt64?)])
    func oneField(value: String, expected: UInt64?) throws {
        #expect(try Self.wait([value]) == expected)
        // A tail that is none of our business changes nothing, nor does another field.
        #expect(try Self.wait([value, "respond-async"]) == expected)
        #expect(try Self.wait(["respond-async, foo; bar", value]) == expected)
        #expect(try Self.wait([value], name: "pREFER") == expected)
        #expect(try Self.wait([value], name: "Preference") == nil)
    }

    @Test(
        arguments: [
            ([], nil), (["wait=1", "wait=2"], 1), (["", "wait=2"], 2), (["wait=x", "wait=2"], 2),
            // An open quotation mark ends with its field.
            ([#"foo=""#, "wait=2"], 2), (["wait", "foo", "wait=3", "wait=4"], 3),
        ] as [([String], UInt64?)])
    func severalFields(values: [String], expected: UInt64?) throws {
        #expect(try Self.wait(values) == expected)
    }

    /// Anything has an outcome, and one that was found stands there in digits.
    @Test(arguments: 0..<8 as Range<UInt64>) func anything(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        let pieces = ["wait", "=", "1", "2", ",", ";", " ", "\"", "\\", "a", "@", "wait=3"]
        for _ in 0..<3_000 {
            let value = (0..<Int.random(in: 0...9, using: &random)).map { _ in
                pieces[Int.random(in: 0..<pieces.count, using: &random)]
            }.joined()
            guard let seconds = try Self.wait([value]) else { continue }
            let digits = value.filter { $0 != "\\" }
            #expect(value.contains("wait") && digits.contains("\(seconds)"), "\(value)")
        }
    }
}
