// SPDX-License-Identifier: BSD-2-Clause

// The public suffix list: its published test cases, on an excerpt of it and, where Debian's package
// has put it, on the whole; and every malformed rule.

import Foundation
import LogService
import SigsumFormats
import TestSupport
import Testing

extension PublicSuffixList {
    init(_ text: String) throws(FormatError) {
        let bytes = Array(text.utf8)
        try self.init(parsing: bytes.span)
    }

    /// The registered domain of `name` in Unicode.
    func registered(_ name: String) throws(FormatError) -> String? {
        registeredDomain(of: try DomainName(name))?.unicode
    }
}

@Suite struct PublicSuffixListTests {
    /// Of the list, what the test cases are about.
    static let excerpt = """
        // ===BEGIN ICANN DOMAINS===
        ac
        biz
        *.ck
        !www.ck
        cn
        com.cn
        公司.cn
        com
        jp
        ac.jp
        kyoto.jp
        ide.kyoto.jp
        *.kobe.jp
        !city.kobe.jp
        *.mm
        us
        ak.us
        k12.ak.us

        // xn--fiqs8s ("Zhongguo/China", Chinese, Simplified) : CN
        中国
        // ===END ICANN DOMAINS===
        // ===BEGIN PRIVATE DOMAINS===
        uk.com
        // ===END PRIVATE DOMAINS===

        """

    /// The list's test_psl.txt (public domain). Nil: no registered domain, which a public suffix has
    /// not, either.
    static let cases: [(String, String?)] = [
        ("COM", nil), ("example.COM", "example.com"), ("WwW.example.COM", "example.com"),
        ("biz", nil), ("domain.biz", "domain.biz"), ("b.domain.biz", "domain.biz"),
        ("a.b.domain.biz", "domain.biz"), ("com", nil), ("example.com", "example.com"),
        ("b.example.com", "example.com"), ("a.b.example.com", "example.com"), ("uk.com", nil),
        ("example.uk.com", "example.uk.com"), ("b.example.uk.com", "example.uk.com"),
        ("a.b.example.uk.com", "example.uk.com"), ("test.ac", "test.ac"), ("mm", nil),
        ("c.mm", nil), ("b.c.mm", "b.c.mm"), ("a.b.c.mm", "b.c.mm"), ("jp", nil),
        ("test.jp", "test.jp"), ("www.test.jp", "test.jp"), ("ac.jp", nil),
        ("test.ac.jp", "test.ac.jp"), ("www.test.ac.jp", "test.ac.jp"), ("kyoto.jp", nil),
        ("test.kyoto.jp", "test.kyoto.jp"), ("ide.kyoto.jp", nil),
        ("b.ide.kyoto.jp", "b.ide.kyoto.jp"), ("a.b.ide.kyoto.jp", "b.ide.kyoto.jp"),
        ("c.kobe.jp", nil), ("b.c.kobe.jp", "b.c.kobe.jp"), ("a.b.c.kobe.jp", "b.c.kobe.jp"),
        ("city.kobe.jp", "city.kobe.jp"), ("www.city.kobe.jp", "city.kobe.jp"), ("ck", nil),
        ("test.ck", nil), ("b.test.ck", "b.test.ck"), ("a.b.test.ck", "b.test.ck"),
        ("www.ck", "www.ck"), ("www.www.ck", "www.ck"), ("us", nil), ("test.us", "test.us"),
        ("www.test.us", "test.us"), ("ak.us", nil), ("test.ak.us", "test.ak.us"),
        ("www.test.ak.us", "test.ak.us"), ("k12.ak.us", nil),
        ("test.k12.ak.us", "test.k12.ak.us"), ("www.test.k12.ak.us", "test.k12.ak.us"),
        ("食狮.com.cn", "食狮.com.cn"), ("食狮.公司.cn", "食狮.公司.cn"),
        ("www.食狮.公司.cn", "食狮.公司.cn"), ("shishi.公司.cn", "shishi.公司.cn"), ("公司.cn", nil),
        ("食狮.中国", "食狮.中国"), ("www.食狮.中国", "食狮.中国"), ("shishi.中国", "shishi.中国"),
        ("中国", nil), ("xn--85x722f.com.cn", "食狮.com.cn"),
        ("xn--85x722f.xn--55qx5d.cn", "食狮.公司.cn"),
        ("www.xn--85x722f.xn--55qx5d.cn", "食狮.公司.cn"),
        ("shishi.xn--55qx5d.cn", "shishi.公司.cn"), ("xn--55qx5d.cn", nil),
        ("xn--85x722f.xn--fiqs8s", "食狮.中国"), ("www.xn--85x722f.xn--fiqs8s", "食狮.中国"),
        ("shishi.xn--fiqs8s", "shishi.中国"), ("xn--fiqs8s", nil),
    ]

    /// Those cases that need the list's default rule, which is not applied here.
    static let unlisted = [
        "example", "example.example", "b.example.example", "a.b.example.example",
    ]

    /// Only the wildcard is on the list, not the top-level domain.
    static let onlyWildcard = ["mm", "ck"]

    static func check(_ list: PublicSuffixList) throws {
        for (name, expected) in cases {
            // A public suffix counts as itself.
            let itself = onlyWildcard.contains(name) ? nil : try DomainName(name).unicode
            #expect(try list.registered(name) == expected ?? itself, "\(name)")
        }
        for name in unlisted { #expect(try list.registered(name) == nil, "\(name)") }
    }

    @Test func publishedCases() throws {
        try Self.check(try PublicSuffixList(Self.excerpt))
    }

    static let installed = "/usr/share/publicsuffix/public_suffix_list.dat"

    @Test(.enabled(if: FileManager.default.fileExists(atPath: installed)))
    func publishedCasesOnTheWholeList() throws {
        let bytes = [UInt8](try Data(contentsOf: URL(filePath: Self.installed)))
        let list = try PublicSuffixList(parsing: bytes.span)
        try Self.check(list)
        // Each rule without `*` is a suffix, each exception a registered domain.
        var count = 0
        for line in String(decoding: bytes, as: UTF8.self).split(separator: "\n")
        where !line.hasPrefix("//") {
            let isException = line.hasPrefix("!")
            let name = try DomainName(String(line.drop { $0 == "!" || $0 == "*" || $0 == "." }))
            count += 1
            if line.hasPrefix("*.") {
                let below = try #require(name.child("a"))
                #expect(list.registeredDomain(of: below) == below)
                #expect(below.child("b").flatMap(list.registeredDomain) == below.child("b"))
            } else {
                #expect(list.registeredDomain(of: name) == name)
                let child = try #require(name.child("0-a-0"))
                #expect(list.registeredDomain(of: child) == (isException ? name : child))
            }
        }
        #expect(count > 9_000)
    }

    // MARK: Rules

    /// log-go's own example. The last but one is kobe.jp to log-go: it takes an exception only for
    /// the end of a wildcard.
    @Test func logGosExample() throws {
        let list = try PublicSuffixList("org\nnet\nexample.com\n*.example.net\n!foo.example.net\n")
        let expected = [
            ("example.org", "example.org"), ("example.com", "example.com"),
            ("foo.example.com", "foo.example.com"), ("foo.bar.example.com", "bar.example.com"),
            ("foo.bar.example.net", "foo.bar.example.net"),
            ("bar.foo.example.net", "foo.example.net"), ("bar.foo.example.mil", nil),
        ]
        for (name, registered) in expected {
            #expect(try list.registered(name) == registered, "\(name)")
        }
    }

    @Test func anExceptionPrevailsOverLongerRules() throws {
        let list = try PublicSuffixList("*.a\n!b.a\nd.c.b.a\n*.c.b.a\n")
        #expect(try list.registered("e.d.c.b.a") == "b.a")
        #expect(try list.registered("b.a") == "b.a")
        #expect(try list.registered("x.y.a") == "x.y.a")
        #expect(try list.registered("a") == nil)
    }

    @Test func whatRulesMayLookLike() throws {
        let list = try PublicSuffixList(
            "\u{20}\torg and more\r\nCOM\n\n  // com\n räka.se \n"
                + "*.B\u{FC}cher.example\n!x.b\u{FC}cher.example")
        #expect(try list.registered("a.org") == "a.org")
        #expect(try list.registered("b.a.com") == "a.com")
        #expect(try list.registered("a.xn--rka-qla.se") == "a.räka.se")
        #expect(try list.registered("a.b.c.bücher.example") == "b.c.bücher.example")
        #expect(try list.registered("a.x.bücher.example") == "x.bücher.example")
        #expect(try list.registered("more") == nil)
    }

    static let name = "a domain name of letters, digits, \"-\" and \"_\" between dots"
    static let errors = [
        ("", "line 1: expected a public suffix, found the end"),
        ("// a\n\n", "line 3: expected a public suffix, found the end"),
        ("org\n/ a\n", "line 2: expected \(name), found \"/\""),
        ("org\n*\n", "line 2: expected \(name), found \"*\""),
        ("*org\n", "line 1: expected \(name), found \"*org\""),
        ("*.\n", "line 1: expected \(name), found nothing"),
        ("a.*.org\n", "line 1: expected \(name), found \"a.*.org\""),
        ("*.*.org\n", "line 1: expected \(name), found \"*.org\""),
        ("org\n!\n", "line 2: expected \(name), found nothing"),
        (
            "org\n!www.ck\n*.uk",
            "line 2: expected an exception to a rule that begins with \"*.\", found \"!www.ck\""
        ),
        (
            "*.ck\n!ck\n",
            "line 2: expected an exception to a rule that begins with \"*.\", found \"!ck\""
        ),
        (
            "org\n<!DOCTYPE html>\n", "line 2: expected \(name), found \"<!DOCTYPE\""
        ),
        (
            "\u{FEFF}// a list\norg",
            "line 1: expected \(name), found \"\\xef\\xbb\\xbf//\""
        ),
    ]

    @Test(arguments: errors) func errorsSayWhatAndWhere(text: String, message: String) {
        let error = #expect(throws: FormatError.self) { try PublicSuffixList(text) }
        #expect(error?.description == message)
    }

    /// Mangled lists: nothing traps, and the registered domain of a name is it, or above it.
    @Test func mangled() throws {
        let names = try Self.cases.map { try DomainName($0.0) }
        let corpus = [Self.excerpt, "org\n*.ck\n!www.ck\n"].map { Array($0.utf8) }
        let tokens = ["*.", "!", "//", "\n", "jp", "\u{20}", "xn--"].map { Array($0.utf8) }
        var acceptedCount = 0
        for (seed, bytes) in Fuzzing.mutants(of: corpus, tokens: tokens, quick: 3_000) {
            guard let list = try? PublicSuffixList(parsing: bytes.span) else { continue }
            acceptedCount += 1
            for name in names {
                guard let registered = list.registeredDomain(of: name) else { continue }
                guard registered == name || name.ascii.hasSuffix(".\(registered.ascii)") else {
                    Issue.record("seed \(seed): \(name) became \(registered)")
                    return
                }
            }
        }
        #expect(acceptedCount > 0)
    }
}
