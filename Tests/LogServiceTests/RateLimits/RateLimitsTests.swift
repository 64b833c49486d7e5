// SPDX-License-Identifier: BSD-2-Clause

// On whose account a leaf goes: precedence, subdomains, public suffixes, the test domain; and when
// the public suffix list is read.

import LogCrypto
import LogService
import SigsumFormats
import TestSupport
import Testing

extension RateLimits {
    /// The limits of `file` with a small public suffix list.
    init(_ file: String, allowsTestDomain: Bool = false) throws(FormatError) {
        try self.init(RateLimitFile(file), allowsTestDomain: allowsTestDomain) {
            (_) throws(FormatError) in
            try PublicSuffixList("org\nco.uk\nse\nfree.example\n*.ck\n!www.ck\n")
        }
    }
}

@Suite struct RateLimitsTests {
    static func keyHash(_ number: UInt8) -> KeyHash {
        KeyHash(bytes: Digest(sha256OfBytes: [number]).bytes)
    }

    static let file = """
        key \(keyHash(1)) 10
        key \(keyHash(2)) 0
        domain example.org 20
        domain www.example.org 30
        domain zero.example.org 0
        domain räka.se 40
        domain listed.nowhere 50
        public list 5
        """

    /// A key, a domain, and the account and limit of a leaf with them.
    static let rows: [(key: UInt8, domain: String?, account: String?, limit: Int)] = [
        // The key's line is first, whatever else there is.
        (1, nil, "key", 10), (1, "example.org", "key", 10), (1, "unknown.tld", "key", 10),
        (2, "example.org", "key", 0),
        // The longest domain line, also for what is below it.
        (3, "example.org", "domain example.org", 20),
        (3, "a.b.example.org", "domain example.org", 20),
        (3, "www.example.org", "domain www.example.org", 30),
        (3, "a.WWW.example.org.", "domain www.example.org", 30),
        (3, "a.zero.example.org", "domain zero.example.org", 0),
        (3, "wwww.example.org", "domain example.org", 20),
        (3, "RÄKA.se", "domain xn--rka-qla.se", 40),
        (3, "a.xn--rka-qla.se", "domain xn--rka-qla.se", 40),
        (3, "listed.nowhere", "domain listed.nowhere", 50),
        // The registered domain.
        (3, "notexample.org", "public notexample.org", 5),
        (3, "a.b.other.org", "public other.org", 5),
        (3, "a.b.co.uk", "public b.co.uk", 5), (3, "co.uk", "public co.uk", 5),
        (3, "a.www.ck", "public www.ck", 5), (3, "a.b.c.ck", "public b.c.ck", 5),
        (3, "x.ä.se", "public xn--4ca.se", 5), (3, "a.b.free.example", "public b.free.example", 5),
        // Nothing.
        (3, nil, nil, 0), (3, "uk", nil, 0), (3, "example.com", nil, 0), (3, "nowhere", nil, 0),
        (3, "other.nowhere", nil, 0),
        // The test domain.
        (3, "test.sigsum.org", "domain test.sigsum.org", 0),
        (3, "a.Test.sigsum.org", "domain test.sigsum.org", 0),
        (3, "sigsum.org", "public sigsum.org", 5), (3, "a.sigsum.org", "public sigsum.org", 5),
        (1, "test.sigsum.org", "key", 10),
    ]

    static func text(_ account: Account?) -> String? {
        switch account {
        case .key: "key"
        case .domain(let name): "domain \(name.ascii)"
        case .publicDomain(let name): "public \(name.ascii)"
        case nil: nil
        }
    }

    @Test(arguments: rows)
    func accounts(key: UInt8, domain: String?, expected: String?, limit: Int) throws {
        let limits = try RateLimits(Self.file)
        let account = limits.account(
            for: Self.keyHash(key), domain: try domain.map { try DomainName($0) })
        #expect(Self.text(account) == expected)
        #expect(account.map(limits.limit) ?? 0 == limit)
        if case .key(let keyHash) = account { #expect(keyHash == Self.keyHash(key)) }
    }

    @Test func withoutAPublicLine() throws {
        let limits = try RateLimits("domain example.org 1\n")
        let (domain, other) = (try DomainName("example.org"), try DomainName("other.org"))
        #expect(limits.account(for: Self.keyHash(1), domain: domain) == .domain(domain))
        #expect(limits.account(for: Self.keyHash(1), domain: other) == nil)
        #expect(limits.account(for: Self.keyHash(1), domain: nil) == nil)
    }

    @Test func theTestDomain() throws {
        let test = try DomainName("test.sigsum.org")
        let (above, below) = (try DomainName("sigsum.org"), try DomainName("a.test.sigsum.org"))
        let key = Self.keyHash(1)
        // Its own line does not help, nor one of a domain above it; one of a domain below does.
        let file = "domain test.sigsum.org 7\ndomain sigsum.org 8\ndomain a.test.sigsum.org 9\n"
        var limits = try RateLimits(file)
        #expect(limits.limit(of: .domain(test)) == 0)
        #expect(limits.account(for: key, domain: test) == .domain(test))
        #expect(limits.limit(of: .domain(below)) == 9)
        limits = try RateLimits(file, allowsTestDomain: true)
        #expect(limits.limit(of: .domain(test)) == 7)
        // Allowed, it is a domain as others are.
        limits = try RateLimits("domain sigsum.org 8\n", allowsTestDomain: true)
        #expect(limits.account(for: key, domain: test) == .domain(above))
        limits = try RateLimits("public list 8\n", allowsTestDomain: true)
        #expect(limits.account(for: key, domain: test) == .publicDomain(above))
        limits = try RateLimits("", allowsTestDomain: true)
        #expect(limits.account(for: key, domain: test) == nil)
    }

    /// The list is asked for by the name in the file, once, and only if it matters.
    @Test(arguments: [("public some/list 1\n", ["some/list"]), ("public list 0\n", []), ("", [])])
    func whenTheListIsRead(file: String, expected: [String]) throws {
        var asked: [String] = []
        let limits = try RateLimits(RateLimitFile(file), allowsTestDomain: false) {
            (name) throws(FormatError) in
            asked.append(name)
            return try PublicSuffixList("org\n")
        }
        #expect(asked == expected)
        let account = limits.account(for: Self.keyHash(1), domain: try DomainName("a.org"))
        #expect((account != nil) == !expected.isEmpty)
    }

    @Test func aListThatCannotBeRead() throws {
        struct Unreadable: Error {}
        let file = try RateLimitFile("public list 1\n")
        #expect(throws: Unreadable.self) {
            try RateLimits(file, allowsTestDomain: false) { (_) throws(Unreadable) in
                throw Unreadable()
            }
        }
    }

    @Test func accountsThatAreNoMore() throws {
        let limits = try RateLimits("key \(Self.keyHash(1)) 1\n")
        #expect(limits.limit(of: .key(Self.keyHash(2))) == 0)
        #expect(limits.limit(of: .domain(try DomainName("a.org"))) == 0)
        #expect(limits.limit(of: .publicDomain(try DomainName("a.org"))) == 0)
        #expect(limits.publicTotal == nil)
    }
}
