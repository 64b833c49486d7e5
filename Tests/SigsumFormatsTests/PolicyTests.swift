// SPDX-License-Identifier: BSD-2-Clause

// Policy files: what is read out of them, sigsum-go's verdict on a hundred of them, and what our
// errors say.

import LogCrypto
import SigsumFormats
import TestSupport
import Testing

@Suite struct PolicyTests {
    static func parse(_ bytes: [UInt8]) throws(FormatError) -> Policy {
        try Policy(parsing: bytes.span)
    }

    static func parse(_ text: String) throws(FormatError) -> Policy {
        try parse(Array(text.utf8))
    }

    /// A key of 64 digits that end in `number`.
    static func key(_ number: Int) -> String {
        String(repeating: "0", count: 64 - "\(number)".utf8.count) + "\(number)"
    }

    /// sigsum-go 0.14.1's verdict is ours, but for CR LF, which the format does not allow.
    @Test func sigsumGoAgrees() throws {
        let policies = try Vectors.policies()
        #expect(policies.count > 90)
        #expect(Set(policies.map(\.name)).count == policies.count)
        for policy in policies {
            let isDifferent = policy.name == "CR LF for LF"
            let accepted = (try? Self.parse(policy.bytes)) != nil
            #expect(accepted == (policy.accepted != isDifferent), "\(policy.name)")
        }
    }

    /// Of the recorded policies, what the errors say.
    static let errors = [
        (
            "nothing",
            "line 1: expected \"quorum <name>\" or \"quorum none\", found the end"
        ),
        (
            "no quorum",
            "line 5: expected \"quorum <name>\" or \"quorum none\", found the end"
        ),
        (
            "a byte order mark",
            "line 1: expected log, witness, group or quorum, found \"\\xef\\xbb\\xbfquorum\""
        ),
        (
            "FF in a comment",
            "line 2: expected no control character but tab and line feed, found \"\\x0c\""
        ),
        (
            "CR LF for LF",
            "line 1: expected no control character but tab and line feed, found \"\\r\""
        ),
        (
            "keyword in upper case",
            "line 1: expected log, witness, group or quorum, found \"Log\""
        ),
        ("log alone", "line 1: expected \"log <public key> [<url>]\", found \"log\""),
        (
            "witness without a key",
            "line 1: expected \"witness <name> <public key> [<url>]\", found \"witness W\""
        ),
        (
            "group without members",
            "line 2: expected \"group <name> all|any|<k> <member>...\", found \"group G any\""
        ),
        (
            "quorum of two", "line 3: expected \"quorum <name>\", found \"quorum W1 W2\""
        ),
        (
            "key and name exchanged",
            "line 1: expected a public key of 64 hex digits, found \"W\""
        ),
        (
            "a log twice in another case",
            "line 2: expected each log once, found the key of line 1"
        ),
        (
            "a witness key twice",
            "line 2: expected each witness once, found the key of line 1"
        ),
        (
            "a group named as a witness",
            "line 3: expected a new name, found \"W1\", which is defined on line 1"
        ),
        (
            "a witness named none",
            "line 1: expected a new name, found \"none\", which is predefined"
        ),
        (
            "undefined member",
            "line 3: expected a witness or group of an earlier line, found \"W3\""
        ),
        (
            "a group in itself",
            "line 2: expected a witness or group of an earlier line, found \"G\""
        ),
        (
            "none as a member",
            "line 2: expected a witness or group of an earlier line, found \"none\""
        ),
        (
            "a member twice in a group",
            "line 3: expected each name at most once as a member, "
                + "found \"W1\", which is one of \"G\" on line 3"
        ),
        (
            "a group in two groups",
            "line 6: expected each name at most once as a member, "
                + "found \"G\", which is one of \"H\" on line 5"
        ),
        ("threshold n + 1", "line 3: expected all, any or a number from 1 to 2, found \"3\""),
        (
            "undefined quorum",
            "line 2: expected a witness or group of an earlier line, found \"W2\""
        ),
        ("two quorums", "line 4: expected one quorum, found another after that of line 3"),
    ]

    @Test(arguments: errors) func errorsSayWhatAndWhere(name: String, message: String) throws {
        let policy = try #require(try Vectors.policies().first { $0.name == name })
        let error = #expect(throws: FormatError.self) { try Self.parse(policy.bytes) }
        #expect(error?.description == message)
    }

    @Test func whatIsReadOut() throws {
        let policy = try Self.parse(
            """
            # ours
            log \(Self.key(1))
            \tlog \(Self.key(2)) https://log.example/a

            witness caf\u{e9} \(Self.key(3))  http://[::1]:8080/
            witness b\\"b \(Self.key(4))
            quorum caf\u{e9}
            """)
        #expect(policy.logs.map(\.publicKey) == [1, 2].map { PublicKey(hex: Self.key($0)) })
        #expect(policy.logs.map(\.url) == [nil, "https://log.example/a"])
        #expect(policy.logs.map(\.line) == [2, 3])
        #expect(policy.witnesses.map(\.name) == ["caf\\xc3\\xa9", "b\\\\\\\"b"])
        #expect(policy.witnesses.map(\.publicKey) == [3, 4].map { PublicKey(hex: Self.key($0)) })
        #expect(policy.witnesses.map(\.keyHash) == policy.witnesses.map(\.publicKey.keyHash))
        #expect(policy.witnesses.map(\.url) == ["http://[::1]:8080/", nil])
        #expect(policy.witnesses.map(\.line) == [5, 6])
        #expect(!policy.quorum.isNone)
    }

    /// Names that Swift holds for equal strings are different here, and stay so.
    @Test(arguments: ["a Kelvin sign is no K", "decomposed is not composed"])
    func differentNamesAreDifferentStrings(name: String) throws {
        let vector = try #require(try Vectors.policies().first { $0.name == name })
        let policy = try Self.parse(vector.bytes)
        #expect(Set(policy.witnesses.map(\.name)).count == 2)
        let one = Set(policy.witnesses.prefix(1).map(\.keyHash))
        #expect(!policy.quorum.isMet(by: one))
        #expect(policy.quorum.isMet(by: Set(policy.witnesses.map(\.keyHash))))
    }

    /// Far more of everything than the 32 that the format asks for, and lines longer than the 64 KiB
    /// that sigsum-go reads.
    @Test func hundreds() throws {
        let numbers = 0..<2_000
        var text = numbers.map { "log \(Self.key($0)) https://log\($0).example\n" }.joined()
        text += numbers.map { "witness a-long-name-of-a-witness-\($0) \(Self.key($0))\n" }.joined()
        text += numbers.map {
            "group a-longer-name-of-a-group-\($0) any a-long-name-of-a-witness-\($0)\n"
        }
        .joined()
        text += "group all-of-them 1999 "
        text += numbers.map { "a-longer-name-of-a-group-\($0)" }.joined(separator: " ")
        text += "\n# " + String(repeating: "x", count: 1 << 20) + "\nquorum all-of-them\n"
        let policy = try Self.parse(text)
        #expect(policy.logs.count == numbers.count)
        #expect(policy.witnesses.count == numbers.count)
        let keyHashes = policy.witnesses.map(\.keyHash)
        #expect(policy.quorum.isMet(by: Set(keyHashes.dropLast(1))))
        #expect(!policy.quorum.isMet(by: Set(keyHashes.dropLast(2))))
    }
}
