// SPDX-License-Identifier: BSD-2-Clause

// Counting: each limit, the 24 hours, clocks that are set, new limits, the bound, and the lines in
// the store; the whole against a model that keeps every leaf ever charged.

import LogCrypto
import LogService
import SigsumFormats
import TestSupport
import Testing

@Suite struct QuotaTableTests {
    static let start: UInt64 = 1_795_000_000
    static let day = QuotaTable.periodSeconds

    static func key(_ number: UInt8) -> Account { .key(RateLimitsTests.keyHash(number)) }
    static func domain(_ name: String) throws -> Account { .domain(try DomainName(name)) }
    static func publicDomain(_ name: String) throws -> Account {
        .publicDomain(try DomainName(name))
    }

    static let file = """
        key \(RateLimitsTests.keyHash(1)) 3
        key \(RateLimitsTests.keyHash(2)) 0
        domain example.org 2
        public list 4
        public-total 6

        """

    let limits: RateLimits
    var table = QuotaTable(since: start)

    init() throws { limits = try RateLimits(Self.file) }

    /// Charges `count` leaves; returns the verdicts, each of which the early look foretells.
    mutating func charge(
        _ account: Account, _ count: Int, at now: UInt64 = start, under other: RateLimits? = nil
    ) -> [QuotaTable.Verdict] {
        let limits = other ?? limits
        return (0..<count).map { _ in
            let foretold = table.verdict(on: account, under: limits, at: now)
            let verdict = table.charge(account, under: limits, at: now)
            #expect(verdict == foretold)
            return verdict
        }
    }

    @Test mutating func eachAccountHasItsLimit() throws {
        #expect(charge(Self.key(1), 4) == [.allowed, .allowed, .allowed, .overLimit])
        #expect(charge(try Self.domain("example.org"), 3) == [.allowed, .allowed, .overLimit])
        #expect(charge(Self.key(2), 1) == [.overLimit])
        #expect(charge(Self.key(3), 1) == [.overLimit])
        #expect(table.count(of: Self.key(1), at: Self.start) == 3)
        #expect(table.count(of: Self.key(2), at: Self.start) == 0)
        #expect(table.publicCount == 0)
    }

    @Test mutating func publicDomainsHaveALimitTogether() throws {
        let (a, b) = (try Self.publicDomain("a.org"), try Self.publicDomain("b.org"))
        #expect(charge(a, 5) == [.allowed, .allowed, .allowed, .allowed, .overLimit])
        #expect(charge(b, 3) == [.allowed, .allowed, .overPublicTotal])
        #expect(table.publicCount == 6)
        // What was refused is not counted, and others are not affected.
        #expect(table.count(of: a, at: Self.start) == 4)
        #expect(table.count(of: b, at: Self.start) == 2)
        #expect(charge(Self.key(1), 1) == [.allowed])
        #expect(charge(try Self.domain("example.org"), 1) == [.allowed])
    }

    /// A domain has one account as a line of the file and another as one of the public.
    @Test mutating func kindsAreApart() throws {
        #expect(charge(try Self.domain("example.org"), 2) == [.allowed, .allowed])
        #expect(charge(try Self.publicDomain("example.org"), 1) == [.allowed])
    }

    // MARK: Time

    @Test mutating func allBeginAnewAfterADay() throws {
        let a = try Self.publicDomain("a.org")
        _ = charge(Self.key(1), 3)
        _ = charge(a, 4)
        let last = Self.start + Self.day - 1
        #expect(charge(Self.key(1), 1, at: last) == [.overLimit])
        #expect(table.count(of: Self.key(1), at: last) == 3)
        #expect(table.count(of: Self.key(1), at: last + 1) == 0)
        #expect(charge(Self.key(1), 1, at: last + 1) == [.allowed])
        #expect(table.since == Self.start + Self.day)
        #expect(table.publicCount == 0)
        #expect(table.count(of: a, at: last + 1) == 0)
    }

    /// Days are counted from the first, also over some without a leaf.
    @Test mutating func daysKeepTheirHour() {
        #expect(charge(Self.key(1), 1, at: Self.start + 10 * Self.day + 17) == [.allowed])
        #expect(table.since == Self.start + 10 * Self.day)
    }

    /// A clock that was set back gives nothing away, and what was counted under a time that never
    /// comes ends a day from then.
    @Test mutating func aClockSetBack() {
        _ = charge(Self.key(1), 3, at: Self.start + 1_000)
        let earlier = Self.start - 500 * Self.day
        #expect(charge(Self.key(1), 1, at: earlier) == [.overLimit])
        #expect(table.since == earlier)
        #expect(charge(Self.key(1), 1, at: earlier + Self.day - 1) == [.overLimit])
        #expect(charge(Self.key(1), 1, at: earlier + Self.day) == [.allowed])
    }

    @Test mutating func extremeTimes() throws {
        let last = UInt64(Int64.max)
        #expect(charge(Self.key(1), 1, at: last) == [.allowed])
        let text = table.text
        #expect(try QuotaTable(parsing: text.span) == table)
        #expect(charge(Self.key(1), 1, at: 0) == [.allowed])
        #expect(table.count(of: Self.key(1), at: 0) == 2)
    }

    // MARK: New limits

    @Test mutating func newLimitsKeepCounts() throws {
        _ = charge(Self.key(1), 3)
        let more = try RateLimits("key \(RateLimitsTests.keyHash(1)) 5\n")
        #expect(charge(Self.key(1), 3, under: more) == [.allowed, .allowed, .overLimit])
        let none = try RateLimits("")
        #expect(charge(Self.key(1), 1, under: none) == [.overLimit])
        // The old limit again, below the count.
        #expect(charge(Self.key(1), 1) == [.overLimit])
        #expect(table.count(of: Self.key(1), at: Self.start) == 5)
    }

    @Test mutating func aTotalThatComesLater() throws {
        let a = try Self.publicDomain("a.org")
        let without = try RateLimits("public list 10\n")
        #expect(charge(a, 7, under: without).allSatisfy { $0 == .allowed })
        let with = try RateLimits("public list 10\npublic-total 7\n")
        #expect(charge(a, 1, under: with) == [.overPublicTotal])
    }

    // MARK: The bound

    @Test mutating func publicDomainsAreBounded() throws {
        let limits = try RateLimits("public list 2\ndomain example.org 1\n")
        let names = try (0...QuotaTable.publicDomainCountMax).map {
            try Self.publicDomain("d\($0).org")
        }
        for name in names.dropLast() {
            #expect(table.charge(name, under: limits, at: Self.start) == .allowed)
        }
        let new = try #require(names.last)
        #expect(charge(new, 1, under: limits) == [.tooManyDomains])
        #expect(charge(names[0], 2, under: limits) == [.allowed, .overLimit])
        #expect(charge(try Self.domain("example.org"), 1, under: limits) == [.allowed])
        // Also after a restart, and until the day is over.
        let text = table.text
        table = try QuotaTable(parsing: text.span)
        #expect(charge(new, 1, under: limits) == [.tooManyDomains])
        #expect(charge(new, 1, at: Self.start + Self.day, under: limits) == [.allowed])
    }

    // MARK: A model

    /// All leaves that were ever charged, and a clock that only goes forward.
    struct Model {
        var leaves: [(account: Account, time: UInt64)] = []

        /// The leaves of the day of `now` that are of an account such as `isMeant` says.
        func count(at now: UInt64, _ isMeant: (Account) -> Bool) -> Int {
            let day = (now - QuotaTableTests.start) / QuotaTableTests.day
            return leaves.count {
                ($0.time - QuotaTableTests.start) / QuotaTableTests.day == day
                    && isMeant($0.account)
            }
        }

        mutating func charge(
            _ account: Account, under limits: RateLimits, at now: UInt64
        ) -> QuotaTable.Verdict {
            guard count(at: now, { $0 == account }) < limits.limit(of: account) else {
                return .overLimit
            }
            if case .publicDomain = account, let total = limits.publicTotal,
                count(at: now, { if case .publicDomain = $0 { true } else { false } }) >= total
            {
                return .overPublicTotal
            }
            leaves.append((account, now))
            return .allowed
        }
    }

    /// Leaves, hours, new limits and restarts in any order.
    @Test(arguments: 0..<20) func asTheModel(history: UInt64) throws {
        var random = SeededGenerator(seed: Fuzzing.seed &* 1_000 &+ history)
        let accounts = [
            Self.key(1), Self.key(2), try Self.domain("example.org"),
            try Self.publicDomain("example.org"), try Self.publicDomain("a.org"),
            try Self.publicDomain("b.se"),
        ]
        let files = [
            limits, try RateLimits("public list 3\npublic-total 5\n"),
            try RateLimits("domain example.org 9\npublic list 9\n"),
        ]
        var (table, model, limits, now) = (self.table, Model(), self.limits, Self.start)
        var verdicts: Set<QuotaTable.Verdict> = []
        for _ in 0..<400 {
            switch Int.random(in: 0..<20, using: &random) {
            case 0: now += UInt64.random(in: 0..<Self.day, using: &random)
            case 1: limits = try #require(files.randomElement(using: &random))
            case 2:
                let text = table.text
                table = try QuotaTable(parsing: text.span)
            default:
                let account = try #require(accounts.randomElement(using: &random))
                let verdict = table.charge(account, under: limits, at: now)
                verdicts.insert(verdict)
                try #require(verdict == model.charge(account, under: limits, at: now))
                #expect(
                    table.count(of: account, at: now) == model.count(at: now) { $0 == account })
            }
        }
        #expect(verdicts == [.allowed, .overLimit, .overPublicTotal])
    }

    // MARK: Lines

    @Test mutating func theLines() throws {
        #expect(String(decoding: table.text, as: UTF8.self) == "since=1795000000\n")
        _ = charge(Self.key(1), 2)
        _ = charge(Self.key(2), 1)
        _ = charge(try Self.domain("example.org"), 1)
        _ = charge(try Self.publicDomain("räka.se"), 3)
        let text = table.text
        let lines = String(decoding: text, as: UTF8.self).split(separator: "\n")
        #expect(
            lines.first == "since=1795000000"
                && Set(lines.dropFirst()) == [
                    "count=2 key \(RateLimitsTests.keyHash(1))", "count=1 domain example.org",
                    "count=3 public xn--rka-qla.se",
                ])
        let again = try QuotaTable(parsing: text.span)
        #expect(again == table && again.publicCount == 3)
    }

    static let malformed = [
        "", "\n", "since=\n", "since=-1\n", "since=1", "count=1 domain a.org\n", "since=1\n\n",
        "since=1\nsince=1\n", "since=1\ncount=0 domain a.org\n", "since=1\ncount=01 domain a.org\n",
        "since=1\ncount=2147483648 domain a.org\n", "since=1\ncount=1 domain a.org",
        "since=1\ncount=1 domain\n", "since=1\ncount=1 domain A.org\n",
        "since=1\ncount=1 domain a.org.\n", "since=1\ncount=1 domain a..org\n",
        "since=1\ncount=1 domain r\u{E4}ka.se\n", "since=1\ncount=1 host a.org\n",
        "since=1\ncount=1 key 00\n", "since=1\ncount=1 domain a.org b\n",
        "since=1\ncount=1  domain a.org\n", "since=1\ncount=1 domain a.org\r\n",
        "since=1\ncount=1 domain a.org\ncount=2 domain a.org\n", "since=9223372036854775808\n",
    ]

    @Test(arguments: malformed) func malformedLines(text: String) {
        let bytes = Array(text.utf8)
        #expect(throws: FormatError.self) { try QuotaTable(parsing: bytes.span) }
    }

    /// A name that this libidn2 would not take is still counted.
    @Test func namesAreNotJudgedAgain() throws {
        let bytes = Array("since=1\ncount=1 public xn--zva.com\n".utf8)
        #expect(throws: FormatError.self) { try DomainName("xn--zva.com") }
        let table = try QuotaTable(parsing: bytes.span)
        #expect(table.publicCount == 1 && table.text == bytes)
    }

    @Test func mangled() throws {
        let corpus = [
            "since=1795000000\ncount=3 domain example.org\ncount=1 public xn--rka-qla.se\n",
            "since=0\ncount=2147483647 key \(RateLimitsTests.keyHash(1))\n",
        ].map { Array($0.utf8) }
        let tokens = ["since=", "count=", " key ", " domain ", " public ", "\n", "0"]
            .map { Array($0.utf8) }
        var acceptedCount = 0
        for (seed, bytes) in Fuzzing.mutants(of: corpus, tokens: tokens, quick: 10_000) {
            guard let table = try? QuotaTable(parsing: bytes.span) else { continue }
            acceptedCount += 1
            let text = table.text
            guard try QuotaTable(parsing: text.span) == table, text.count == bytes.count else {
                Issue.record("seed \(seed)")
                return
            }
        }
        #expect(acceptedCount > 0)
    }
}

extension QuotaTable {
    /// What the store has of it: the head, then the lines in the order of their names.
    fileprivate var text: [UInt8] {
        let sorted = lines.sorted { $0.key.lexicographicallyPrecedes($1.key) }
        return head + sorted.flatMap(\.value)
    }
}
