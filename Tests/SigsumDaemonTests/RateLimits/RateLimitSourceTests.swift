// SPDX-License-Identifier: BSD-2-Clause
//
// The rate-limit file and the list that it names, as files: each mistake is one line that names the
// file and the place; and what a running primary does when they have changed.

import LogCrypto
import LogService
import SigsumFormats
import SystemPackage
import TestSupport
import Testing
import TileStore

@testable import SigsumDaemon

@Suite struct RateLimitSourceTests {
    private static let keyHash = key(seed: 7).publicKey.keyHash
    private static let hash = "\(keyHash)"
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    private func configuration(_ file: FilePath?) throws -> PrimaryConfiguration {
        var settings = Settings()
        settings.keyFile = "k"
        settings.rateLimitFile = file
        return try PrimaryConfiguration(settings)
    }

    private func source(_ text: String) throws -> RateLimitSource {
        let file = try folder.write(text, to: "limits")
        return try #require(RateLimitSource(configuration(file)))
    }

    private func failure(_ text: String) throws -> String {
        let source = try source(text)
        let error = #expect(throws: ConfigurationError.self) { try source.load() }
        let line = error?.description ?? ""
        #expect(!line.contains("\n"))
        return line
    }

    @Test func withoutAFile() throws {
        #expect(RateLimitSource(try configuration(nil)) == nil)
    }

    @Test func bothFiles() throws {
        let list = try folder.write("// a list\norg\n", to: "list")
        let limits = try source(
            "# limits\nkey \(Self.hash) 3\ndomain example.com 4 # ours\npublic \(list) 5\n"
        ).load()
        let keyHash = Self.keyHash
        let other = key(seed: 1).publicKey.keyHash
        func name(_ text: String) throws -> DomainName {
            try DomainName(parsing: Array(text.utf8).span)
        }
        #expect(limits.account(for: keyHash, domain: nil) == .key(keyHash))
        #expect(limits.limit(of: .key(keyHash)) == 3)
        #expect(
            try limits.account(for: other, domain: name("b.a.org")) == .publicDomain(name("a.org")))
        #expect(try limits.limit(of: .publicDomain(name("a.org"))) == 5)
        #expect(try limits.account(for: other, domain: name("a.net")) == nil)
        #expect(try limits.limit(of: .domain(name("test.sigsum.org"))) == 0)
    }

    /// A file without a line limits everything to nothing.
    @Test func anEmptyFile() throws {
        let limits = try source("\n# nobody\n").load()
        #expect(limits.account(for: key(seed: 1).publicKey.keyHash, domain: nil) == nil)
    }

    @Test func theTestDomain() throws {
        var settings = Settings()
        settings.keyFile = "k"
        settings.rateLimitFile = try folder.write("domain sigsum.org 7\n", to: "limits")
        settings.allowTestDomain = true
        let source = try #require(RateLimitSource(PrimaryConfiguration(settings)))
        let domain = try DomainName(parsing: Array("test.sigsum.org".utf8).span)
        let account = try source.load().account(
            for: key(seed: 1).publicKey.keyHash, domain: domain)
        #expect(account == .domain(try #require(domain.parent)))
    }

    @Test(
        "Each mistake in the file, with its line",
        arguments: [
            ("key x 3", "line 1: expected a key hash of 64 hex digits, found \"x\""),
            (
                "\n# limits\ndomain a.example 5 6",
                "line 3: expected \"domain <domain> <limit>\", found \"domain a.example 5 6\""
            ),
            ("domain a.example 2147483648", "line 1: expected a decimal limit below 2^31"),
            ("domain a..example 1", "line 1: expected a domain name"),
            ("domain a.example 1\ndomain A.EXAMPLE 1", "line 2: expected each domain once"),
            ("keys 1", "line 1: expected key, domain, public or public-total, found \"keys\""),
            ("public-total 3", "line 1: expected \"public-total\" only beside \"public\""),
        ])
    func mistakes(text: String, message: String) throws {
        let line = try failure(text)
        #expect(
            line.hasPrefix("rate-limit-file: \(folder.path)/limits: \(message)"), "\(line)")
    }

    @Test func mistakesInTheList() throws {
        let list = folder.path.appending("list")
        let text = "public \(list) 1"
        #expect(
            try failure(text) == "rate-limit-file: \(list): No such file or directory")
        for (contents, message) in [
            ("org\na..b\n", "line 2: expected a domain name"),
            ("// nothing\n", "line 2: expected a public suffix, found the end"),
            ("org\n!a.org\n", "line 2: expected an exception to a rule"),
        ] {
            _ = try folder.write(contents, to: "list")
            let line = try failure(text)
            #expect(line.hasPrefix("rate-limit-file: \(list): \(message)"), "\(line)")
        }
        // With a limit of 0 nobody reads it.
        let limits = try source("public /nowhere 0").load()
        #expect(limits.publicTotal == nil)
    }

    @Test func filesThatCannotBeRead() throws {
        let absent = folder.path.appending("absent")
        let sources = try [absent, folder.path].map {
            try #require(RateLimitSource(configuration($0)))
        }
        for (source, reason) in zip(sources, ["No such file or directory", "Is a directory"]) {
            #expect(
                throws: ConfigurationError("rate-limit-file: \(source.file): \(reason)")
            ) { try source.load() }
        }
        let long = String(repeating: "# a comment of forty bytes, give or take\n", count: 500_000)
        #expect(try failure(long).hasSuffix("limits: too large for a rate-limit file"))
    }

    // MARK: A running primary

    private static let logKey = key(seed: 1).publicKey

    private func limiting(_ store: TileStore, _ text: String) throws -> RateLimiting {
        let source = try source(text)
        return try RateLimiting(
            source, source.load(), store: store, logKey: Self.logKey, timeout: .seconds(1))
    }

    private func store() throws -> TileStore {
        try TileStore.create(
            .ephemeral, identity: StoreIdentity(role: .primary, logKeyHash: Self.logKey.keyHash),
            release: "test")
    }

    /// Stores a leaf, and `bytes` as what was counted.
    private func put(_ bytes: String, in store: TileStore) throws {
        struct Ledger: LeafLedger {
            let bytes: [UInt8]
            func charge(_ position: Int) -> Bool { true }
            func record() -> LedgerRecord { LedgerRecord(newHead: bytes) }
        }
        var ledger = Ledger(bytes: Array(bytes.utf8))
        _ = try StoreWriter(store).append(
            Array(InternalNode.leaves.get()[..<1]), charging: &ledger)
    }

    /// The verdict on a new leaf of the key; nil when it is nobody's.
    private func verdict(_ limiting: RateLimiting) -> QuotaTable.Verdict? {
        limiting.gate.quotas?.look(Self.keyHash, domain: nil, at: UnixTime.now())?.verdict
    }

    @Test func whatWasCountedGoesOn() throws {
        let store = try store()
        let fresh = try limiting(store, "key \(Self.hash) 3\n")
        defer { fresh.stop() }
        #expect(verdict(fresh) == .allowed)
        try put("since=\(UnixTime.now())\ncount=3 key \(Self.hash)\n", in: store)
        let next = try limiting(store, "key \(Self.hash) 3\n")
        defer { next.stop() }
        #expect(verdict(next) == .overLimit)
        let more = try limiting(store, "key \(Self.hash) 4\n")
        defer { more.stop() }
        #expect(verdict(more) == .allowed)
    }

    @Test func whatWasCountedCannotBeRead() throws {
        let store = try store()
        try put("count=3\n", in: store)
        let error = #expect(throws: StoreError.self) { try limiting(store, "") }
        #expect(
            error?.description.contains("the stored counts of the rate limits: line 1") == true)
    }

    /// Good files are put in force, wrong ones change nothing, and counts stay. The end waits for
    /// what is being read.
    @Test(
        arguments: [
            ("key \(hash) 9\n", .allowed), ("", nil), ("key \(hash) x\n", .overLimit),
            ("public /nowhere 1\n", .overLimit), ("key \(hash) 3\n", .overLimit),
        ] as [(String, QuotaTable.Verdict?)])
    func reading(again text: String, verdict: QuotaTable.Verdict?) throws {
        let store = try store()
        try put("since=\(UnixTime.now())\ncount=3 key \(Self.hash)\n", in: store)
        let limiting = try limiting(store, "key \(Self.hash) 3\n")
        _ = try folder.write(text, to: "limits")
        limiting.reload()
        limiting.stop()
        #expect(self.verdict(limiting) == verdict)
    }
}
