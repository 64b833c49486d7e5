// SPDX-License-Identifier: BSD-2-Clause
//
// What a name server's message says, taken from its bytes: right ones, wrong ones, broken ones.

import TestSupport
import Testing

@testable import Transport

/// Reads a message as the answer to a question of ours.
private func read(
    _ message: [UInt8], name: String = "_sigsum_v1.example", recordCountMax: Int = 10
) throws -> TXTAnswer {
    let name = try #require(DNSName(name))
    do throws(TXTFailure) {
        return try TXTResponse(message, to: DNSMessage.question(name.text)).answer(
            for: name, recordCountMax: recordCountMax)
    } catch {
        return .failure(error)
    }
}

private func read(
    _ message: DNSMessage, name: String = "_sigsum_v1.example", recordCountMax: Int = 10
) throws -> TXTAnswer {
    let bytes = message.bytes(to: DNSMessage.question(name))
    return try read(bytes, name: name, recordCountMax: recordCountMax)
}

/// The records of an answer, as text.
private func records(_ texts: String..., ttl: Int = 300) -> TXTAnswer {
    .records(texts.map { Array($0.utf8) }, ttl: .seconds(ttl))
}

/// A message, and what it comes to.
struct ResponseCase: CustomTestStringConvertible, Sendable {
    let what: String
    let answer: TXTAnswer
    let bytes: [UInt8]
    var testDescription: String { what }

    init(
        _ what: String, _ answer: TXTAnswer, question: [UInt8]? = nil,
        _ change: (inout DNSMessage) -> Void
    ) {
        var message = DNSMessage()
        change(&message)
        self.what = what
        self.answer = answer
        bytes = message.bytes(to: question ?? DNSMessage.question("_sigsum_v1.example"))
    }
}

@Suite struct TXTResponseTests {
    static let found: [ResponseCase] = [
        ResponseCase("one record", records("a")) { $0.answers = [.text("a")] },
        ResponseCase("two, in order", records("b", "a")) {
            $0.answers = [.text("b"), .text("a")]
        },
        ResponseCase("strings are joined", records("abc", "de")) {
            $0.answers = [.text("a", "", "bc"), .text("d", "e")]
        },
        ResponseCase("records without bytes", records("", "")) {
            $0.answers = [.text(""), DNSRecord(type: 16, ttl: 300, data: [])]
        },
        ResponseCase("the shortest TTL", records("a", "b", "c", ttl: 60)) {
            $0.answers = [.text("a", ttl: 70), .text("b", ttl: 60), .text("c", ttl: 80)]
        },
        ResponseCase("a TTL that is none", records("a", ttl: 0)) {
            $0.answers = [.text("a", ttl: 1 << 31)]
        },
        ResponseCase("the longest TTL", records("a", ttl: 2_147_483_647)) {
            $0.answers = [.text("a", ttl: (1 << 31) - 1)]
        },
        ResponseCase("a full name, in another case", records("a")) {
            $0.answers = [.text("a", name: "_SIGSUM_v1.Example")]
        },
        ResponseCase("others' records beside it", records("a")) {
            $0.answers = [
                .text("x", name: "other.example"), .text("x", name: "v1.example"),
                DNSRecord(type: 1, ttl: 1, data: [127, 0, 0, 1]),
                DNSRecord(type: 16, class: 3, ttl: 1, data: [1, 120]), .text("a"),
            ]
            $0.authority = [.nameServer("ns.example"), .text("x")]
            $0.additional = [.text("x"), DNSRecord(type: 41, ttl: 0, data: [])]
        },
        ResponseCase("an alias", records("a", ttl: 20)) {
            $0.answers = [.alias(of: "b.example", ttl: 20), .text("a", name: "B.example")]
        },
        ResponseCase("aliases in any order", records("a", ttl: 10)) {
            $0.answers = [
                .text("a", name: "c.example"), .alias("b.example", of: "c.example", ttl: 10),
                .alias(of: "b.example"), .text("x", name: "b.example"), .text("x"),
            ]
        },
    ]

    @Test(arguments: found) func recordsOfTheName(_ row: ResponseCase) throws {
        #expect(try read(row.bytes) == row.answer)
    }

    static let missing: [ResponseCase] = [
        ResponseCase("no name, nothing said", .nonexistent(ttl: .zero)) { $0.code = 3 },
        ResponseCase("no name, TTL of the SOA", .nonexistent(ttl: .seconds(30))) {
            $0.code = 3
            $0.authority = [.startOfAuthority(ttl: 30, minimum: 40)]
        },
        ResponseCase("no name, minimum of the SOA", .nonexistent(ttl: .seconds(30))) {
            $0.code = 3
            $0.authority = [.nameServer("a"), .startOfAuthority(ttl: 40, minimum: 30)]
        },
        ResponseCase("no record", .nonexistent(ttl: .seconds(30))) {
            $0.authority = [.startOfAuthority(ttl: 30, minimum: 40)]
        },
        ResponseCase("no record, nothing said", .nonexistent(ttl: .zero)) { _ in },
        ResponseCase("no record of the type", .nonexistent(ttl: .zero)) {
            $0.answers = [DNSRecord(type: 1, ttl: 1, data: [127, 0, 0, 1])]
        },
        ResponseCase("no record, from one who knows", .nonexistent(ttl: .zero)) {
            $0.isAuthoritative = true
            $0.authority = [.nameServer("ns.example")]
        },
        ResponseCase("an alias of nothing", .nonexistent(ttl: .seconds(7))) {
            $0.code = 3
            $0.answers = [.alias(of: "b.example"), .text("x")]
            $0.authority = [.startOfAuthority(ttl: 7, minimum: 7)]
        },
    ]

    @Test(arguments: missing) func thereIsNone(_ row: ResponseCase) throws {
        #expect(try read(row.bytes) == row.answer)
    }

    static let useless: [ResponseCase] = [
        ResponseCase("a query", .failure(.malformed)) {
            $0.isResponse = false
            $0.answers = [.text("a")]
        },
        ResponseCase(
            "another number", .failure(.malformed),
            question: DNSMessage.question("_sigsum_v1.example", number: 0x1235)
        ) { $0.answers = [.text("a")] },
        ResponseCase(
            "another name", .failure(.malformed),
            question: DNSMessage.question("_sigsum_v1.example.com")
        ) { $0.answers = [.text("a", name: "_sigsum_v1.example")] },
        ResponseCase(
            "another type", .failure(.malformed),
            question: DNSMessage.question("_sigsum_v1.example", type: 255)
        ) { $0.answers = [.text("a")] },
        ResponseCase(
            "another class", .failure(.malformed),
            question: DNSMessage.question("_sigsum_v1.example", class: 3)
        ) { $0.answers = [.text("a")] },
        ResponseCase("truncated", .failure(.truncated)) {
            $0.isTruncated = true
            $0.answers = [.text("a")]
        },
        ResponseCase("a referral", .failure(.referred)) {
            $0.authority = [.nameServer("ns.example")]
        },
        ResponseCase("a string that goes too far", .failure(.malformed)) {
            $0.answers = [.text("a"), DNSRecord(type: 16, ttl: 1, data: [3, 97, 97])]
        },
        ResponseCase("an alias of itself", .failure(.malformed)) {
            $0.answers = [.alias(of: "_sigsum_v1.example"), .text("a")]
        },
        ResponseCase("aliases in a circle", .failure(.malformed)) {
            $0.answers = [.alias(of: "b.example"), .alias("b.example", of: "_sigsum_v1.example")]
        },
        ResponseCase("more aliases than anybody has", .failure(.malformed)) {
            $0.answers = [.alias(of: "0.example")]
            $0.answers += (0..<16).map { .alias("\($0).example", of: "\($0 + 1).example") }
        },
        ResponseCase("an alias without target", .failure(.malformed)) {
            $0.answers = [DNSRecord(type: 5, ttl: 1, data: [])]
        },
        ResponseCase("an alias with more than a target", .failure(.malformed)) {
            $0.answers = [DNSRecord(type: 5, ttl: 1, data: [1, 97, 0, 0])]
        },
        ResponseCase("an alias that points to itself", .failure(.malformed)) {
            $0.answers = [DNSRecord(type: 5, ttl: 1, data: [0xc0, 48])]
        },
        ResponseCase("an SOA that is too short", .failure(.malformed)) {
            $0.authority = [DNSRecord(type: 6, ttl: 1, data: [UInt8](repeating: 0, count: 21))]
        },
    ]

    @Test(arguments: useless) func itIsNotKnown(_ row: ResponseCase) throws {
        #expect(try read(row.bytes) == row.answer)
    }

    @Test(arguments: [1, 2, 4, 5, 6, 15] as [UInt8])
    func codesOtherThanTheTwo(code: UInt8) throws {
        let message = DNSMessage(code: code, answers: [.text("a")])
        #expect(try read(message) == .failure(.refused(code: code)))
        // Some answer so without repeating the question.
        let header = Array(message.bytes(to: DNSMessage.question("a")).prefix(12))
        #expect(try read(header) == .failure(.refused(code: code)))
    }

    @Test func noMoreRecordsThanAskedFor() throws {
        let message = DNSMessage(answers: (0..<2_000).map { .text("\($0)") })
        for count in [1, 10, 1_999, 2_000, 2_001] {
            let kept = (0..<min(count, 2_000)).map { Array("\($0)".utf8) }
            #expect(
                try read(message, recordCountMax: count) == .records(kept, ttl: .seconds(300)))
        }
    }

    @Test func aRecordOfManyBytes() throws {
        let string = [UInt8](repeating: UInt8(ascii: "s"), count: 255)
        let data: [UInt8] = Array([[UInt8]](repeating: [255] + string, count: 255).joined())
        let message = DNSMessage(answers: [DNSRecord(type: 16, ttl: 300, data: data)])
        let text = [UInt8](repeating: UInt8(ascii: "s"), count: 255 * 255)
        #expect(try read(message) == .records([text], ttl: .seconds(300)))
    }

    /// Names that have bytes in them that names do not have are compared as they are.
    @Test func namesWithOddBytes() throws {
        let odd = DNSRecord(
            name: "_sigsum_v1\u{1}\\..example", type: 16, ttl: 300, data: [1, 120])
        let message = DNSMessage(answers: [odd, .text("a")])
        #expect(try read(message) == records("a"))
    }

    // MARK: Broken messages

    private static let corpus: [[UInt8]] = (found + missing + useless).map(\.bytes)

    /// A message that ends too soon, or goes on, is none.
    @Test func wholeMessagesOnly() throws {
        let whole = Self.found[0].bytes
        for count in 0..<whole.count {
            #expect(try read(Array(whole.prefix(count))) == .failure(.malformed))
        }
        #expect(try read(whole + [0]) == .failure(.malformed))
    }

    /// Whatever comes, it is read within its bounds, and gives nothing that is not in it.
    @Test func mangledMessages() throws {
        let tokens: [[UInt8]] = [[0xc0, 12], [0xc0, 0], [0, 16, 0, 1], [63], [0xff, 0xff]]
        var mangler = Mangler(seed: Fuzzing.seed, tokens: tokens)
        for _ in 0..<Fuzzing.iterationCount(quick: 5_000) {
            let bytes = mangler.mutant(of: Self.corpus)
            guard case .records(let records, let ttl) = try read(bytes) else { continue }
            #expect(!records.isEmpty && records.count <= 10, "seed \(Fuzzing.seed)")
            #expect(ttl >= .zero && ttl < .seconds(1 << 31))
            #expect(records.map(\.count).reduce(0, +) <= bytes.count)
        }
    }
}
