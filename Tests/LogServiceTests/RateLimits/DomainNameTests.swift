// SPDX-License-Identifier: BSD-2-Clause

// Domain names in all their forms: against log-go 0.15.2 on 240 of them, with every difference
// listed, and against rules that hold for any name, on mangled ones.

import LogService
import SigsumFormats
import TestSupport
import Testing

extension DomainName {
    init(_ text: String) throws(FormatError) {
        let bytes = Array(text.utf8)
        try self.init(parsing: bytes.span)
    }
}

@Suite struct DomainNameTests {
    // MARK: Against log-go

    /// What log-go takes for a name and DNS, or IDNA, does not.
    static let refused: [(why: String, names: [String])] = [
        (
            "a label is empty, or ends in a hyphen, or has what no name of a host has",
            [
                "a..b", ".a", "a..", ".", "a-.com", "-a.com", "a/b.com", "a!b.com", "a:b.com",
                "a*b.com", "*.com", "a@b.com", "a\\b.com", "\"a\".com", "ä!.com", "ä/b.com",
                "\u{7F}.com", "\u{2100}.com", "ä-.com", "-ä.com", "xn----0fa.com",
                "xn----zfa.com", "xn--/b-uia.com", "xn--.b-uia.com",
            ]
        ),
        (
            "too long",
            [
                String(repeating: "a", count: 64) + ".com",
                [63, 63, 63, 62].map { String(repeating: "a", count: $0) }.joined(separator: "."),
                [63, 63, 63, 63].map { String(repeating: "a", count: $0) }.joined(separator: "."),
                String(repeating: "ä", count: 60) + ".com", String(repeating: "é", count: 500),
                Array(repeating: "a", count: 128).joined(separator: "."),
            ]
        ),
        (
            "an A-label of ASCII, of nothing, or of another A-label",
            [
                "xn--a.com", "xn--.com", "xn--abc-.com", "xn--a-.com", "xn--foo-.com",
                "xn--xn---epa.com", "äb--cd.com", "xn--b--cd-fra.com",
            ]
        ),
        (
            "right to left mixed with left to right",
            [
                "\u{FDFA}.com", "a\u{5D0}.com", "1\u{5D0}.com", "\u{661}\u{662}.com",
                "\u{660}a.com",
            ]
        ),
        (
            "joined or combined with nothing",
            [
                "a\u{200D}b.com", "a\u{200C}b.com", "\u{BCD}a.com", "\u{301}a.com",
                "xn--a-wbb.com", "xn--jua.com",
            ]
        ),
        (
            "symbols; their A-labels are taken",
            [
                "\u{2603}.net", "\u{1F4A9}.la", "i\u{2764}.ws", "i\u{2764}\u{FE0F}.ws",
                "\u{2665}.com", "\u{20AC}.com", "\u{2020}.com", "\u{BD}.com",
                "\u{1F1F8}\u{1F1EA}.com", String(repeating: "\u{1F600}", count: 20) + ".com",
            ]
        ),
        (
            "not assigned, private, controlling or replacing",
            [
                "\u{378}.com", "xn--zva.com", "\u{E000}.com", "xn--0y0c.com", "\u{FFFD}.com",
                "\u{FFFF}.com", "\u{E0041}.com", "\u{61C}a.com", "\u{80}.com",
                "\u{30AB}\u{309B}.jp",
            ]
        ),
        (
            "Cherokee: IDNA has its upper case only, log-go its lower case only",
            ["\u{13A0}.com", "\u{AB70}.com", "xn--kz9a.com"]
        ),
        (
            "an A-label of what IDNA makes into something else",
            [
                "xn--i-7iqv272g.ws", "xn--0qg.com", "xn--ab-5da.com", "xn--zug.com",
                "xn--4ca732v.com",
            ]
        ),
    ]

    /// What IDNA makes into something else than log-go does.
    static let different: [String: String] = [
        // A final dot; log-go keeps it.
        "a.": "a", "foo.com.": "foo.com", "räka.se.": "räka.se",
        // Dots of other keyboards; log-go takes them for letters.
        "räka\u{3002}se": "räka.se", "räka\u{FF61}se": "räka.se", "a\u{3002}b": "a.b",
        "xn--rka-qla\u{3002}se": "räka.se",
        // What nobody sees; log-go keeps it.
        "\u{200B}ä.com": "ä.com", "soft\u{AD}hyphen.com": "softhyphen.com",
        "a\u{2060}b.com": "ab.com", "a\u{FE0F}b.com": "ab.com", "a\u{34F}b.com": "ab.com",
        "a\u{FEFF}b.com": "ab.com",
        // A iota below the letter.
        "\u{345}a.com": "\u{3B9}a.com", "\u{1F88}.gr": "\u{1F00}\u{3B9}.gr",
        "\u{1F80}.gr": "\u{1F00}\u{3B9}.gr",
    ]

    @Test func logGoAgrees() throws {
        let vectors = try Vectors.domains()
        #expect(vectors.count > 230)
        let refused = Set(Self.refused.flatMap(\.names).map { Array($0.utf8) })
        let different = Dictionary(
            uniqueKeysWithValues: Self.different.map { (Array($0.utf8), Array($1.utf8)) })
        var seen: Set<[UInt8]> = []
        for vector in vectors {
            let bytes = Array(vector.name.utf8)
            seen.insert(bytes)
            // Octets: strings are equal that are only composed differently.
            let ours = (try? DomainName(vector.name)).map { Array($0.unicode.utf8) }
            let expected =
                refused.contains(bytes)
                ? nil : different[bytes] ?? vector.log_go.map { Array($0.utf8) }
            #expect(ours == expected, "\(vector.name.debugDescription)")
        }
        #expect(seen.isSuperset(of: refused) && seen.isSuperset(of: different.keys))
    }

    // MARK: Forms

    /// Names that are one, in the form that is looked up.
    static let sames: [(ascii: String, texts: [String])] = [
        ("example.org", ["example.org", "EXAMPLE.org", "example.org.", "ｅｘａｍｐｌｅ．ｏｒｇ"]),
        (
            "xn--rka-qla.se",
            [
                "räka.se", "RÄKA.SE", "ra\u{308}ka.se", "RA\u{308}KA.se", "xn--rka-qla.se",
                "XN--RKA-QLA.SE", "ｘn--rka-qla.se", "räka\u{3002}se\u{3002}", "r\u{AD}äka.se.",
            ]
        ),
        (
            "xn--ngstrm-hua5l.se",
            ["ångström.se", "\u{212B}ngström.se", "A\u{30A}NGSTRO\u{308}M.se"]
        ),
        ("xn--fa-hia.de", ["faß.de", "FAß.de", "FA\u{1E9E}.de"]),
        ("fass.de", ["fass.de", "FASS.de"]),
        ("xn--fiqs8s", ["中国", "xn--fiqs8s."]),
        ("_sigsum_v1.xn--_rka-moa.se", ["_sigsum_v1._räka.se"]),
        ("r3---sn.example.com", ["r3---sn.example.com"]),
        ("i.com", ["\u{130}.com", "I.com"]),
    ]

    @Test(arguments: sames) func oneName(ascii: String, texts: [String]) throws {
        for text in texts {
            let name = try DomainName(text)
            #expect(name.ascii == ascii, "\(text)")
            #expect(try DomainName(name.unicode) == name)
            #expect(try DomainName(name.ascii) == name)
        }
    }

    /// A symbol is taken in this form only.
    @Test func symbols() throws {
        let name = try DomainName("XN--N3H.net")
        #expect(name.ascii == "xn--n3h.net")
        #expect(name.unicode == "\u{2603}.net")
        #expect(throws: FormatError.self) { try DomainName(name.unicode) }
    }

    static let lookalikes = [
        ("faß.de", "fass.de"), ("σας.gr", "σασ.gr"), ("ı.com", "i.com"), ("中国", "中國"),
        ("apple.com", "аррӏе.com"), ("a_b.com", "a-b.com"), ("räka.se", "raka.se"),
    ]

    @Test(arguments: lookalikes) func twoNames(left: String, right: String) throws {
        #expect(try DomainName(left) != DomainName(right))
    }

    @Test func lengths() throws {
        let label = String(repeating: "a", count: 63)
        let longest = "\(label).\(label).\(label).\(label.dropLast(2))"
        #expect(try DomainName(longest).ascii.utf8.count == DomainName.byteCountMax)
        #expect(try DomainName(longest + ".").ascii == longest)
        #expect(throws: FormatError.self) { try DomainName("a" + longest) }
        #expect(throws: FormatError.self) { try DomainName("a\(label).com") }
        // A label of 63 bytes in ASCII, and one of 64.
        let (letters, more) = ("中", "\u{4E2E}")
        let international = String(repeating: letters, count: 54)
        #expect(try DomainName(international).ascii.utf8.count <= DomainName.labelByteCountMax)
        #expect(throws: FormatError.self) {
            try DomainName(String(repeating: letters + more, count: 54))
        }
        let text = String(repeating: "a", count: DomainName.textByteCountMax)
        #expect(throws: FormatError.self) { try DomainName(text + "a") }
        #expect(throws: FormatError.self) { try DomainName(text) }
    }

    static let errors = [
        (
            "a b",
            "expected a domain name of letters, digits, \"-\" and \"_\" between dots, found \"a b\""
        ),
        (
            "",
            "expected a domain name of letters, digits, \"-\" and \"_\" between dots, found nothing"
        ),
        (
            "xn--72g.com",
            "expected an internationalised domain name, found \"xn--72g.com\" "
                + "(string is not in Unicode NFC format)"
        ),
        (
            "\u{2603}.net",
            "expected an internationalised domain name, found \"\\xe2\\x98\\x83.net\" "
                + "(string contains a disallowed character)"
        ),
    ]

    @Test(arguments: errors) func errorsSayWhy(text: String, message: String) {
        let error = #expect(throws: FormatError.self) { try DomainName(text) }
        #expect(error?.description == message)
    }

    @Test(arguments: [[0xE4], [0x61, 0xC3], [0xED, 0xA0, 0x80], [0xC0, 0xAE], [0xC3, 0xA4, 0]])
    func octetsThatAreNoText(bytes: [UInt8]) {
        #expect(throws: FormatError.self) { try DomainName(parsing: bytes.span) }
    }

    // MARK: Parents and children

    @Test func parents() throws {
        let name = try DomainName("a.räka.se")
        #expect(name.parent == (try DomainName("räka.se")))
        #expect(name.parent?.parent == (try DomainName("se")))
        #expect(name.parent?.parent?.parent == nil)
    }

    @Test func children() throws {
        let name = try DomainName("räka.se")
        #expect(name.child("_sigsum_v1")?.ascii == "_sigsum_v1.xn--rka-qla.se")
        let label = String(repeating: "a", count: 60)
        let long = try DomainName("\(label).\(label).\(label).\(label.dropLast(1))")
        #expect(long.ascii.utf8.count == 242)
        #expect(long.child("_sigsum_v1")?.ascii.utf8.count == 253)
        let longer = try DomainName("\(label).\(label).\(label).\(label)")
        #expect(longer.child("_sigsum_v1") == nil)
    }

    // MARK: Anything

    /// Whatever comes in: nothing traps, and what is accepted is a name of the right shape, which is
    /// read again as itself.
    @Test func mangled() throws {
        let corpus = try Vectors.domains().map { Array($0.name.utf8) }
        let tokens = ["xn--", ".", "-", "_", "\u{3002}", "\u{308}", "ß", "\u{200D}", "ä", "\u{AD}"]
            .map { Array($0.utf8) }
        var acceptedCount = 0
        for (seed, bytes) in Fuzzing.mutants(of: corpus, tokens: tokens, quick: 10_000) {
            guard let name = try? DomainName(parsing: bytes.span) else { continue }
            acceptedCount += 1
            let isRight =
                name.ascii.utf8.count <= DomainName.byteCountMax
                && name.ascii.split(separator: ".", omittingEmptySubsequences: false)
                    .allSatisfy { (1...DomainName.labelByteCountMax).contains($0.utf8.count) }
                && name.ascii.utf8.allSatisfy {
                    (0x61...0x7A).contains($0) || (0x30...0x39).contains($0)
                        || [0x2D, 0x2E, 0x5F].contains($0)
                }
            guard isRight, try DomainName(name.ascii) == name else {
                Issue.record("seed \(seed): \(bytes) became \(name.ascii)")
                return
            }
        }
        #expect(acceptedCount > 0)
    }
}
