// SPDX-License-Identifier: BSD-2-Clause

// Rate-limit files: what is read out of them, log-go's verdict on eighty of them, and what our errors
// say.

import LogCrypto
import LogService
import SigsumFormats
import TestSupport
import Testing

extension RateLimitFile {
    init(_ text: String) throws(FormatError) {
        let bytes = Array(text.utf8)
        try self.init(parsing: bytes.span)
    }
}

@Suite struct RateLimitFileTests {
    static let key = "1c25f8a44c635457e2e391d1efbca7d4c2951a0aef06225a881e46b98962ac6c"

    /// What log-go accepts and is refused here.
    static let refused: Set<String> = [
        // White space that is not ASCII.
        "no-break space for blank", "U+0085 for blank", "ideographic space for blank",
        // No names: see DomainNameTests.
        "a domain that is no name", "a domain with a slash", "a domain of symbols",
        "a wildcard domain", "a domain in Latin-1",
        // The same name twice.
        "a domain twice with a final dot",
    ]

    @Test func logGoAgrees() throws {
        let files = try Vectors.rateLimits()
        #expect(files.count > 75)
        #expect(Set(files.map(\.name)).count == files.count)
        #expect(Self.refused.isSubset(of: files.map(\.name)))
        for file in files {
            let accepted = (try? RateLimitFile(parsing: file.bytes.span)) != nil
            let expected = file.accepted && !Self.refused.contains(file.name)
            #expect(accepted == expected, "\(file.name)")
        }
    }

    @Test func whatIsReadOut() throws {
        let file = try RateLimitFile(
            """
            # ours
            key \(Self.key) 1000 # a thousand
            \tkey \(Self.key.dropLast().uppercased())0 0\r
            domain R\u{C4}KA.se 500
            domain example.org 2147483647

            public-total 0010
            public list.dat#with a comment
            """.replacing("list.dat#", with: "list.dat 20#"))
        #expect(
            file.keys == [
                try #require(KeyHash(hex: Self.key)): 1000,
                try #require(KeyHash(hex: Self.key.dropLast() + "0")): 0,
            ])
        #expect(
            file.domains == [
                try DomainName("räka.se"): 500, try DomainName("example.org"): 2_147_483_647,
            ])
        #expect(file.publicLine?.suffixFile == "list.dat")
        #expect(file.publicLine?.limit == 20)
        #expect(file.publicLine?.line == 8)
        #expect(file.publicTotal == 10)
    }

    @Test func nothing() throws {
        let file = try RateLimitFile("\n# nobody\n")
        #expect(file.keys.isEmpty && file.domains.isEmpty)
        #expect(file.publicLine == nil && file.publicTotal == nil)
    }

    static let errors = [
        (
            "\nlimit a 1\n",
            "line 2: expected key, domain, public or public-total, found \"limit\""
        ),
        ("key\n", "line 1: expected \"key <key hash> <limit>\", found \"key\""),
        (
            "domain a.org # 1\n",
            "line 1: expected \"domain <domain> <limit>\", found \"domain a.org\""
        ),
        (
            "public a b 1\n",
            "line 1: expected \"public <public suffix file> <limit>\", found \"public a b 1\""
        ),
        (
            "public-total a 1",
            "line 1: expected \"public-total <limit>\", found \"public-total a 1\""
        ),
        ("key 00 1\n", "line 1: expected a key hash of 64 hex digits, found \"00\""),
        (
            "domain a..org 1\n",
            "line 1: expected a domain name of letters, digits, \"-\" and \"_\" between dots, "
                + "found \"a..org\""
        ),
        ("domain a.org -1\n", "line 1: expected a decimal limit below 2^31, found \"-1\""),
        (
            "domain a.org 2147483648\n",
            "line 1: expected a decimal limit below 2^31, found \"2147483648\""
        ),
        (
            "domain a.org 99999999999999999999999999\n",
            "line 1: expected a decimal limit below 2^31, found \"99999999999999999999999999\""
        ),
        (
            "key \(key) 1\n\nkey \(key) 1",
            "line 3: expected each key once, found that of line 1 again"
        ),
        (
            "domain a.org 1\ndomain A.ORG. 1\n",
            "line 2: expected each domain once, found that of line 1 again"
        ),
        (
            "public a 1\npublic b 1\n",
            "line 2: expected one \"public\" line, found another after that of line 1"
        ),
        (
            "public a 1\npublic-total 1\npublic-total 1\n",
            "line 3: expected one \"public-total\" line, found another after that of line 2"
        ),
        (
            "#\npublic-total 1\n",
            "line 2: expected \"public-total\" only beside \"public\", found no \"public\""
        ),
        ("public a\0b 1\n", "line 1: expected a file name in UTF-8, found \"a\\x00b\""),
    ]

    @Test(arguments: errors) func errorsSayWhatAndWhere(text: String, message: String) {
        let error = #expect(throws: FormatError.self) { try RateLimitFile(text) }
        #expect(error?.description == message)
    }

    /// Mangled files: nothing traps, and what is accepted has as many lines of each kind as it says.
    @Test func mangled() throws {
        let corpus = try Vectors.rateLimits().filter(\.accepted).map(\.bytes)
        let tokens = ["key ", "domain ", "public ", "public-total ", "#", "\n", " ", "0", Self.key]
            .map { Array($0.utf8) }
        var acceptedCount = 0
        for (seed, bytes) in Fuzzing.mutants(of: corpus, tokens: tokens, quick: 10_000) {
            guard let file = try? RateLimitFile(parsing: bytes.span) else { continue }
            acceptedCount += 1
            let keywords = bytes.split(separator: 0x0A).compactMap { line in
                line.prefix { $0 != 0x23 }.split { $0 == 0x20 || (0x09...0x0D).contains($0) }
                    .first.map { String(decoding: $0, as: UTF8.self) }
            }
            let isRight =
                keywords.count { $0 == "key" } == file.keys.count
                && keywords.count { $0 == "domain" } == file.domains.count
                && keywords.count { $0 == "public" } == (file.publicLine == nil ? 0 : 1)
                && keywords.count { $0 == "public-total" } == (file.publicTotal == nil ? 0 : 1)
            guard isRight else {
                Issue.record("seed \(seed)")
                return
            }
        }
        #expect(acceptedCount > 0)
    }
}
