// SPDX-License-Identifier: BSD-2-Clause

// Rate limits as threads share them: looks that decide nothing, a ledger that does, limits that are
// replaced under it, and counts that go into the store with the leaves and come out of it again.

import LogCrypto
import MerkleLog
import SigsumFormats
import TestSupport
import Testing
import TileStore

@testable import LogService

@Suite struct QuotasTests {
    /// A moment, in seconds since 1970.
    private static let now: UInt64 = 1_795_359_750
    private static let keys = (0..<4).map { KeyHash(sha256Of: [$0]) }
    private static let file = """
        key \(keys[0]) 3
        domain example.org 2
        public list 2
        public-total 3
        """

    private static func limits(_ text: String = file) throws -> RateLimits {
        let file = try RateLimitFile(parsing: Array(text.utf8).span)
        return try RateLimits(file, allowsTestDomain: false) { _ throws(FormatError) in
            try PublicSuffixList(parsing: Array("com\norg\n".utf8).span)
        }
    }

    private static func quotas(_ text: String = file) throws -> Quotas {
        Quotas(try limits(text), stored: nil, now: now)
    }

    private static func name(_ text: String) throws -> DomainName {
        try DomainName(parsing: Array(text.utf8).span)
    }

    /// Charges leaves of these accounts as one batch, and says which were refused and why.
    private static func charge(
        _ accounts: [Account], _ quotas: Quotas, at now: UInt64 = now
    ) -> [Int: QuotaTable.Verdict] {
        var ledger = quotas.ledger(for: accounts, at: now)
        for position in accounts.indices {
            let isCharged = ledger.charge(position)
            #expect(isCharged == (ledger.refusals[position] == nil))
        }
        return ledger.refusals
    }

    @Test func looksCountNothing() throws {
        let quotas = try Self.quotas()
        for _ in 0..<10 {
            let found = try #require(quotas.look(Self.keys[0], domain: nil, at: Self.now))
            #expect(found.account == .key(Self.keys[0]) && found.verdict == .allowed)
        }
        #expect(quotas.look(Self.keys[1], domain: nil, at: Self.now) == nil)
        #expect(quotas.look(Self.keys[1], domain: try Self.name("a.net"), at: Self.now) == nil)
        let domain = try #require(
            quotas.look(Self.keys[1], domain: try Self.name("A.example.org"), at: Self.now))
        #expect(try domain.account == .domain(Self.name("example.org")))
        let open = try #require(
            quotas.look(Self.keys[1], domain: try Self.name("a.b.com"), at: Self.now))
        #expect(try open.account == .publicDomain(Self.name("b.com")))
    }

    /// Whose name servers are asked, by the suffix list or without one.
    @Test(
        arguments: [
            ("example.org", "example.org", "example.org"),
            ("a.b.example.org", "example.org", "example.org"), ("org", "org", "org"),
            ("a.b.example.net", "example.net", "example.net"), ("net", "net", "net"),
            ("a.b.co.org", "b.co.org", "co.org"),
        ])
    func zones(name: String, zone: String, unlisted: String) throws {
        let listed = try RateLimitFile(parsing: Array("public list 1".utf8).span)
        let limits = try RateLimits(listed, allowsTestDomain: false) { _ throws(FormatError) in
            try PublicSuffixList(parsing: Array("org\nco.org\n".utf8).span)
        }
        #expect(try limits.zone(of: Self.name(name)).ascii == zone)
        let quotas = try Self.quotas("domain example.org 1")
        #expect(try quotas.zone(of: Self.name(name)).ascii == unlisted)
    }

    /// A batch may have more leaves of an account than there is room for.
    @Test func theBatchThatUsesItUp() throws {
        let quotas = try Self.quotas()
        let key = Account.key(Self.keys[0])
        let domain = Account.domain(try Self.name("example.org"))
        let publicDomains = try ["a.com", "b.com"].map { Account.publicDomain(try Self.name($0)) }
        let refusals = Self.charge(
            [
                key, domain, key, publicDomains[0], key, publicDomains[0], key, domain,
                publicDomains[0], publicDomains[1], domain, publicDomains[1],
            ], quotas)
        #expect(
            refusals == [
                6: .overLimit, 8: .overLimit, 10: .overLimit, 11: .overPublicTotal,
            ])
        #expect(quotas.look(Self.keys[0], domain: nil, at: Self.now)?.verdict == .overLimit)
        let tomorrow = Self.now + QuotaTable.periodSeconds
        #expect(quotas.look(Self.keys[0], domain: nil, at: tomorrow - 1)?.verdict == .overLimit)
        #expect(quotas.look(Self.keys[0], domain: nil, at: tomorrow)?.verdict == .allowed)
        #expect(Self.charge([key, publicDomains[1]], quotas, at: tomorrow) == [:])
    }

    /// Other limits are in force at once, also for leaves that passed under the old ones, and what
    /// was counted counts.
    @Test func replacing() throws {
        let quotas = try Self.quotas()
        let key = Account.key(Self.keys[0])
        let domain = Account.domain(try Self.name("example.org"))
        #expect(Self.charge([key, key, domain], quotas) == [:])
        quotas.replace(try Self.limits("key \(Self.keys[0]) 2\nkey \(Self.keys[1]) 1"))
        #expect(Self.charge([key, domain], quotas) == [0: .overLimit, 1: .overLimit])
        #expect(quotas.look(Self.keys[1], domain: nil, at: Self.now)?.verdict == .allowed)
        quotas.replace(try Self.limits("key \(Self.keys[0]) 4"))
        #expect(Self.charge([key, key, key], quotas) == [2: .overLimit])
        quotas.replace(try Self.limits())
        #expect(Self.charge([domain, domain], quotas) == [1: .overLimit])
    }

    /// However many charge and look at the same time, a limit is met exactly.
    @Test func parallelChargesNeverExceedALimit() async throws {
        let quotas = try Self.quotas("key \(Self.keys[0]) 1000\nkey \(Self.keys[1]) 30")
        let accounts = [Account.key(Self.keys[0]), .key(Self.keys[1])]
        let charged = await withTaskGroup(of: [Int].self) { group in
            for _ in 0..<8 {
                group.addTask {
                    var charged = [0, 0]
                    for number in 0..<400 {
                        let which = number % 2
                        _ = quotas.look(Self.keys[which], domain: nil, at: Self.now)
                        var ledger = quotas.ledger(for: [accounts[which]], at: Self.now)
                        if ledger.charge(0) { charged[which] += 1 }
                    }
                    return charged
                }
            }
            return await group.reduce([0, 0]) { [$0[0] + $1[0], $0[1] + $1[1]] }
        }
        #expect(charged == [1000, 30])
    }

    /// What the ledger says is stored with the leaves, and a process that begins with it goes on.
    @Test func overARestart() throws {
        let golden = try Golden.hashed.get()
        let fixture = try LogFixture(committed: 1, published: nil)
        let quotas = try Self.quotas()
        let accounts = [
            Account.key(Self.keys[0]), .domain(try Self.name("example.org")),
            .publicDomain(try Self.name("xn--mnchen-3ya.com")), .key(Self.keys[0]),
        ]
        func append(
            _ range: Range<Int>, _ accounts: [Account?], _ quotas: Quotas
        ) throws -> [AppendedLeaf] {
            var ledger = quotas.ledger(for: accounts, at: Self.now)
            return try fixture.writer.append(Array(golden[range]), charging: &ledger)
        }
        func stored() throws -> QuotaTable {
            let bytes = try StoreReader(fixture.store).read { view throws(StoreError) in
                try view.ledger() ?? []
            }
            return try QuotaTable(parsing: bytes.span)
        }
        // Leaf 0 is known, and free.
        #expect(try append(0..<4, accounts, quotas)[0] == .known(LeafIndex(0)))
        let table = try stored()
        #expect(table.since == Self.now)
        #expect(
            accounts.map { table.count(of: $0, at: Self.now) } == [1, 1, 1, 1])
        #expect(table.publicCount == 1)

        let next = Quotas(try Self.limits(), stored: table, now: Self.now)
        let more = Array(repeating: Account.key(Self.keys[0]), count: 4)
        #expect(
            try append(4..<8, more, next)
                == [.added(LeafIndex(4)), .added(LeafIndex(5)), .refused, .refused])
        #expect(try stored().count(of: more[0], at: Self.now) == 3)
        // All refused: nothing is written, and nothing forgotten.
        #expect(try append(8..<9, [more[0]], next) == [.refused])
        let last = try stored()
        #expect(accounts[..<3].map { last.count(of: $0, at: Self.now) } == [3, 1, 1])
        #expect(last.since == table.since && last.publicCount == 1)
    }

    /// What is recorded with a batch: the counts that it changes, or all under a head that is new.
    @Test func onlyChangesAreRecorded() throws {
        let (key, domain) = (
            Account.key(Self.keys[0]), Account.domain(try Self.name("example.org"))
        )
        let day = QuotaTable.periodSeconds
        func record(_ accounts: [Account], by quotas: Quotas, at now: UInt64) -> [String] {
            var ledger = quotas.ledger(for: accounts, at: now)
            for position in accounts.indices { _ = ledger.charge(position) }
            let record = ledger.record()
            let lines = record.lines.values.map { String(decoding: $0, as: UTF8.self) }
            return [record.newHead.map { String(decoding: $0, as: UTF8.self) } ?? "as before\n"]
                + lines.sorted()
        }
        let (keyLine, domainLine) = ("key \(Self.keys[0])\n", "domain example.org\n")
        let quotas = try Self.quotas()
        // Nothing is stored yet.
        #expect(
            record([key, domain, key], by: quotas, at: Self.now)
                == ["since=\(Self.now)\n", "count=1 \(domainLine)", "count=2 \(keyLine)"])
        #expect(
            record([key, key, key], by: quotas, at: Self.now) == [
                "as before\n", "count=3 \(keyLine)",
            ])
        #expect(record([key], by: quotas, at: Self.now) == ["as before\n"])
        // A clock that is set back begins 24 hours, and forgets nothing.
        let earlier = Self.now - 1_000
        #expect(
            record([domain], by: quotas, at: earlier)
                == ["since=\(earlier)\n", "count=2 \(domainLine)", "count=3 \(keyLine)"])
        // A refusal that sees the next 24 hours first does not keep their head from being stored.
        let closed = try Self.limits("key \(Self.keys[0]) 0\ndomain example.org 2\n")
        quotas.replace(closed)
        var refused = quotas.ledger(for: [key], at: earlier + day)
        let isCharged = refused.charge(0)
        #expect(!isCharged)
        #expect(
            record([domain], by: quotas, at: earlier + day + 7)
                == ["since=\(earlier + day)\n", "count=1 \(domainLine)"])
        // What the store has is not written again by the process after.
        var table = QuotaTable(since: Self.now)
        _ = table.charge(key, under: try Self.limits(), at: Self.now)
        let next = Quotas(try Self.limits(), stored: table, now: Self.now + 5)
        #expect(
            record([domain], by: next, at: Self.now + 5) == [
                "as before\n", "count=1 \(domainLine)",
            ])
    }

    /// A leaf that nobody is charged for cannot be charged.
    @Test func aLeafWithoutAnAccount() async {
        await #expect(processExitsWith: .failure) {
            let limits = try QuotasTests.limits("")
            let quotas = Quotas(limits, stored: nil, now: 0)
            var ledger = quotas.ledger(for: [nil], at: 0)
            _ = ledger.charge(0)
        }
    }
}

extension KeyHash {
    fileprivate init(sha256Of bytes: [UInt8]) {
        self.init(bytes: Digest(sha256OfBytes: bytes).bytes)
    }
}
