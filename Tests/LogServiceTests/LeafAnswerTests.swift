// SPDX-License-Identifier: BSD-2-Clause

// What a primary's HTTP answer to get-leaves means: every status, with bodies good and bad.

import LogCrypto
import SigsumFormats
import TestSupport
import Testing
import TileStore

@testable import LogService

@Suite struct LeafAnswerTests {
    static func request(_ start: UInt64, _ end: UInt64) -> LeafRequest {
        LeafRequest(
            lane: 0, start: start, end: end, waits: false, purpose: .copy, overlaps: false,
            attempt: 0, isOpen: true)
    }

    static func answer(
        _ status: Int, _ body: String, isWaitHonored: Bool = false, count: UInt64 = 3
    ) -> LeafAnswer {
        LeafAnswer(
            status: status, body: Array(body.utf8).span, isWaitHonored: isWaitHonored,
            to: request(7, 7 + count))
    }

    static func reason(_ answer: LeafAnswer) -> String? {
        guard case .failed(let reason) = answer else { return nil }
        return reason
    }

    @Test func theTarget() {
        #expect(Self.request(0, 1).target == "/get-leaves/0/1")
        #expect(Self.request(17, 65_553).target == "/get-leaves/17/65553")
    }

    @Test(arguments: 1...3) func leaves(count: Int) throws {
        let expected = try Golden.hashed.get()[..<count].map(\.leaf)
        #expect(Self.answer(200, try Golden.lines(0..<count)) == .leaves(expected))
    }

    @Test func moreThanAskedFor() throws {
        let answer = Self.answer(200, try Golden.lines(0..<4))
        #expect(Self.reason(answer) == "answered 200, but with 4 leaves instead of 3")
    }

    @Test(
        arguments: [
            ("", "answered 200, but line 1: expected \"leaf=\", found nothing"),
            ("<html>\n<body>", "answered 200, but line 1: expected \"leaf=\", found \"<html>\""),
            ("leaf=\n", "answered 200, but line 1: expected a hex digit in column 6"),
            ("at end of tree", "answered 200, but line 1: expected \"leaf=\""),
        ])
    func noLeaves(body: String, reason: String) {
        let found = Self.reason(Self.answer(200, body))
        #expect(found?.hasPrefix(reason) == true, "\(found ?? "")")
        #expect(found?.contains("\n") == false)
    }

    /// The third is log-go's.
    @Test(
        arguments: [
            "at end of tree", "at end of tree\n", "(404) at end of tree\n",
            "404\nat end of tree",
        ], [false, true])
    func theEnd(body: String, isWaitHonored: Bool) {
        #expect(
            Self.answer(404, body, isWaitHonored: isWaitHonored)
                == .atEnd(isWaitHonored: isWaitHonored))
    }

    private static let databaseGone =
        "failed getting tree head: failed fetching tree head: rpc error: code = Unknown desc = dial "
        + "tcp 127.0.0.1:3306: connect: connection refused"

    @Test func beyondTheEnd() {
        #expect(
            Self.answer(400, "the tree has 3 leaves\n")
                == .beyondEnd(reason: "answered 400 \"the tree has 3 leaves\""))
        #expect(Self.answer(400, "") == .beyondEnd(reason: "answered 400 nothing"))
    }

    @Test(
        arguments: [
            (404, "404 page not found\n", "answered 404 \"404 page not found\""),
            (404, "", "answered 404 nothing"),
            (404, "at end of", "answered 404 \"at end of\""),
            (204, "", "answered 204 nothing"),
            (206, "leaf=", "answered 206 \"leaf=\""),
            (301, "moved\n", "answered 301 \"moved\""),
            (403, "at end of tree", "answered 403 \"at end of tree\""),
            (500, "oh\u{1b}[2J\nno", "answered 500 \"oh\\x1b[2J\""),
            (503, "later", "answered 503 \"later\""),
            // What log-go says when its Trillian's database is gone: the cause comes last.
            (500, databaseGone, "answered 500 \"\(databaseGone)\""),
            (
                500, String(repeating: "x", count: 241) + "\n",
                "answered 500 \"\(String(repeating: "x", count: 240))\"..."
            ),
        ])
    func anythingElse(status: Int, body: String, reason: String) {
        #expect(Self.answer(status, body) == .failed(reason: reason))
    }
}
