// SPDX-License-Identifier: BSD-2-Clause

// What can be said of an add-leaf at once, and the answers that are given later.

import HTTPWire
import LogCrypto
import LogService
import MerkleLog
import SigsumFormats
import TestSupport
import Testing
import TileStore

@Suite struct AddLeafTests {
    static let token = "sigsum-token: test.example \(String(repeating: "0f", count: 64))\r\n"

    static func expectRefused(
        _ fixture: LogFixture, _ request: Request, _ why: String,
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        let exchange = try fixture.exchange(request)
        #expect(exchange.status == 400, "\(why)", sourceLocation: sourceLocation)
        #expect(exchange.counted == .badRequest, sourceLocation: sourceLocation)
        #expect(exchange.endpoint == .addLeaf, sourceLocation: sourceLocation)
        #expect(exchange.response?.isWhole == true, sourceLocation: sourceLocation)
        #expect(
            exchange.body?.hasPrefix("expected ") == true
                || exchange.body?.hasPrefix("line ") == true,
            "\(exchange.body ?? "")", sourceLocation: sourceLocation)
    }

    @Test(arguments: [nil, 0, 3] as [Int?]) func malformedBodies(published: Int?) throws {
        let fixture = try LogFixture(committed: 3, published: published)
        let good = String(decoding: try Golden.leaves.get()[5].body, as: UTF8.self)
        let lines = good.split(separator: "\n").map { "\($0)\n" }
        let hex = String(repeating: "ab", count: 32)
        for (body, why) in [
            ("", "empty"), ("\n", "an empty line"), (String(good.dropLast()), "no last line feed"),
            (good + "\n", "an empty line after it"), (good + "more=1\n", "a fourth line"),
            ("\n" + good, "an empty line before it"), (good + good, "twice"),
            (lines[0] + lines[1], "two lines"), (lines[1] + lines[0] + lines[2], "another order"),
            (lines[0] + lines[0] + lines[1] + lines[2], "a line twice"),
            (good.replacing("\n", with: "\r\n"), "CR LF"),
            (good.replacing("message=", with: "Message="), "another case"),
            (good.replacing("message=", with: "message = "), "blanks"),
            (good.replacing("message=", with: "checksum="), "another key"),
            ("message=\(hex)00\n" + lines[1] + lines[2], "a long message"),
            ("message=\(hex.dropLast(2))\n" + lines[1] + lines[2], "a short message"),
            ("message=\(hex.dropLast())\n" + lines[1] + lines[2], "an odd message"),
            ("message=\(hex.dropLast())g\n" + lines[1] + lines[2], "no hex"),
            (lines[0] + "signature=\(hex)\n" + lines[2], "a short signature"),
            (lines[0] + lines[1] + "public_key=ssh-ed25519\n", "another key format"),
            (String(good.prefix(50)), "truncated"),
        ] { try Self.expectRefused(fixture, .addLeaf(Array(body.utf8)), why) }
        try Self.expectRefused(
            fixture, Request("/add-leaf", method: "POST"), "no body")
    }

    /// Hex is read in either case, and the leaf is the same one.
    @Test func upperCaseIsTheSameLeaf() throws {
        let fixture = try LogFixture(committed: 3, published: 3)
        let leaf = try Golden.leaves.get()[2]
        let body =
            "message=\(leaf.message.uppercased())\nsignature=\(leaf.signature.uppercased())\n"
            + "public_key=\(leaf.publicKey.uppercased())\n"
        #expect(try fixture.exchange(.addLeaf(Array(body.utf8))).status == 200)
    }

    @Test func tokens() throws {
        let fixture = try LogFixture(committed: 3, published: 3)
        let body = try Golden.leaves.get()[1].body
        let hex = String(repeating: "0f", count: 64)
        for (fields, why) in [
            (Self.token + Self.token, "twice"),
            (Self.token + "Sigsum-Token:\r\n", "twice, one empty"),
            ("sigsum-token: \r\n", "empty"), ("sigsum-token: test.example\r\n", "no signature"),
            ("sigsum-token: \(hex)\r\n", "no domain"),
            ("sigsum-token: test.example  \(hex)\r\n", "two blanks"),
            ("sigsum-token: test.example\t\(hex)\r\n", "a tab"),
            ("sigsum-token: test.example \(hex) x\r\n", "three parts"),
            ("sigsum-token: test.example \(hex)0f\r\n", "a long signature"),
            ("sigsum-token: test.example \(hex.dropLast(2))\r\n", "a short signature"),
            ("sigsum-token: test.example \(hex.dropLast())g\r\n", "no hex"),
        ] { try Self.expectRefused(fixture, .addLeaf(body, fields: fields), why) }
        for fields in [
            Self.token, "SIGSUM-TOKEN:  test.example \(hex.uppercased()) \r\n",
            "x-sigsum-token: nonsense\r\n", "",
        ] { #expect(try fixture.exchange(.addLeaf(body, fields: fields)).status == 200) }
    }

    /// A token of a new leaf goes on as it came, for somebody else to look into.
    @Test func tokensOfNewLeaves() throws {
        let fixture = try LogFixture(committed: 3, published: 3)
        let body = try Golden.leaves.get()[5].body
        for (domain, isPlausible) in [("test.example", true), ("-.\u{FC}..", false)] {
            let hex = String(repeating: "0F", count: 64)
            let exchange = try fixture.exchange(
                .addLeaf(body, fields: "Sigsum-Token: \(domain) \(hex)\r\n"))
            guard case .success(.submit(_, _, let token?)) = exchange.answer else {
                Issue.record("\(exchange.answer)")
                continue
            }
            #expect(exchange.response == nil)
            #expect(token.domain == Array(domain.utf8))
            #expect(token.signature == Signature(hex: hex))
            #expect(((try? DomainName(parsing: token.domain.span)) != nil) == isPlausible)
        }
        guard case .success(.submit(_, _, nil)) = try fixture.exchange(.addLeaf(body)).answer else {
            Issue.record("a token that did not come")
            return
        }
    }

    /// A new leaf goes on as it came, whether its signature is good or not; nothing is written yet.
    @Test(arguments: [nil, 0, 3] as [Int?]) func newLeaves(published: Int?) throws {
        let fixture = try LogFixture(committed: 3, published: published)
        let golden = try Golden.leaves.get()
        let bad = addLeafBody(
            message: golden[1].message, signature: golden[0].signature,
            publicKey: golden[1].publicKey)
        for (body, isValid) in [(golden[3].body, true), (golden[599].body, true), (bad, false)] {
            let exchange = try fixture.exchange(.addLeaf(body))
            guard case .success(.submit(let leaf, let leafHash, nil)) = exchange.answer else {
                Issue.record("\(exchange.answer)")
                continue
            }
            var hasher = TreeHasher()
            #expect(exchange.response == nil)
            #expect(try leaf == UnverifiedLeaf(parsing: body.span))
            #expect(leafHash == leaf.leafHash(hasher: &hasher))
            #expect(((try? leaf.verified()) != nil) == isValid)
        }
    }

    /// A leaf of the tree: held while it is not published, then 200 at once.
    @Test func knownLeaves() throws {
        let fixture = try LogFixture(committed: 300, published: 257)
        let golden = try Golden.leaves.get()
        for index in [0, 255, 256, 257, 298, 299] {
            let exchange = try fixture.exchange(.addLeaf(golden[index].body))
            #expect(fixture.primary.isPublished(LeafIndex(UInt64(index))) == (index < 257))
            if index < 257 {
                #expect(try exchange.answer.get() == .written(.addLeaf, .ok))
                #expect(exchange.status == 200 && exchange.body == "")
            } else {
                #expect(try exchange.answer.get() == .hold(LeafIndex(UInt64(index))))
                #expect(exchange.response == nil)
            }
        }
        fixture.board.publish(Publication(try Golden.published(300)))
        #expect(try fixture.exchange(.addLeaf(golden[299].body)).status == 200)
        #expect(!fixture.primary.isPublished(LeafIndex(300)))
    }

    @Test func committedAndNothingPublished() throws {
        let fixture = try LogFixture(committed: 3, published: nil)
        let exchange = try fixture.exchange(.addLeaf(try Golden.leaves.get()[0].body))
        #expect(try exchange.answer.get() == .hold(LeafIndex(0)))
        #expect(!fixture.primary.isPublished(LeafIndex(0)))
    }

    @Test(
        arguments: [
            (AddLeafAnswer.logged, 200, ""),
            (
                .accepted, 202,
                "the leaf is stored and waits for the secondaries; send it again later"
            ),
            (.invalidToken(.domain), 400, "the submit token's domain is no normalised domain name"),
            (
                .invalidToken(.noKey), 400,
                "the submit token's domain has no key in TXT records of _sigsum_v1"
            ),
            (
                .invalidToken(.signature), 400,
                "the submit token was not made for this log by a key of its domain"
            ),
            (.invalidSignature, 403, "invalid leaf signature"),
            (
                .overLimit(.unknownKey), 429,
                "rate limit: this key has none of its own, and no submit token came along"
            ),
            (
                .overLimit(.unknownDomain), 429,
                "rate limit: neither this key nor this domain may submit here"
            ),
            (
                .overLimit(.quota(.overLimit)), 429,
                "rate limit: what this key or domain may submit in 24 hours is used up"
            ),
            (
                .overLimit(.quota(.overPublicTotal)), 429,
                "rate limit: what all public domains may submit in 24 hours is used up"
            ),
            (
                .overLimit(.quota(.tooManyDomains)), 429,
                "rate limit: too many domains have submitted in these 24 hours"
            ),
            (
                .tokenUnchecked, 500,
                "the DNS records of the submit token's domain could not be read"
            ),
            (.storeFailed, 500, "the log's store failed"),
            (.unavailable(.overloaded), 503, "too many leaves are waiting; try again later"),
            (
                .unavailable(.tokensOverloaded), 503,
                "too many submit tokens are being checked; try again later"
            ),
            (
                .unavailable(.diskNearlyFull), 503,
                "the log's disk is nearly full; no new leaves are taken"
            ),
            (
                .unavailable(.signingHalted), 503,
                "the log has stopped signing; see its log file"
            ),
            (
                .unavailable(.nothingPublished), 503,
                "the log has not published its first tree head yet"
            ),
        ] as [(AddLeafAnswer, UInt16, String)])
    func laterAnswers(answer: AddLeafAnswer, status: UInt16, text: String) throws {
        let exchange = try Request("/").exchange { _, _, _, response throws(StoreError) in
            answer.write(to: &response)
            return Answer.written(.addLeaf, answer.status)
        }
        #expect(exchange.status == status && exchange.counted?.code == status)
        #expect(exchange.response?.isWhole == true)
        #expect((exchange.response?.fields["retry-after"] != nil) == (status == 503))
        #expect(exchange.response?.fields["content-type"] == "text/plain; charset=utf-8")
        #expect(exchange.body == (text.isEmpty ? "" : text + "\n"))
        #expect(answer.isWorthWaiting == (status < 300))
    }
}

/// The body of an add-leaf with these parts, which need not belong together.
private func addLeafBody(message: String, signature: String, publicKey: String) -> [UInt8] {
    Array("message=\(message)\nsignature=\(signature)\npublic_key=\(publicKey)\n".utf8)
}
