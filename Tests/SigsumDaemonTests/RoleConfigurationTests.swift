// SPDX-License-Identifier: BSD-2-Clause
//
// Precedence, what one role's configuration is made of, and what is refused although each value by
// itself is right.

import ArgumentParser
import SystemPackage
import Testing

@testable import SigsumDaemon

struct RoleConfigurationTests {
    /// The settings of a file's text and options, as `--name value` each.
    private static func settings(_ text: String, _ options: [String] = []) throws -> Settings {
        let folder = try TemporaryFolder()
        let file = try folder.write("key-file = \"k\"\n" + text, to: "f")
        let command = try PrimaryCommand.parse(options)
        return try Settings.load(command.overrides(), variable: file.string)
    }

    private static func primary(
        _ text: String, _ options: [String] = []
    ) throws -> PrimaryConfiguration {
        try PrimaryConfiguration(settings(text, options))
    }

    @Test(
        "Command line over file over default",
        arguments: [
            ("", [], 10), ("timeout = \"2s\"", [], 2), ("", ["--timeout=3s"], 3),
            ("timeout = \"2s\"", ["--timeout", "3s"], 3),
            ("timeout = \"2s\"", ["--timeout", "3s", "--timeout=4s"], 4),
        ] as [(String, [String], Int64)])
    func precedence(text: String, options: [String], seconds: Int64) throws {
        #expect(try Self.primary(text, options).server.timeout == .seconds(seconds))
    }

    @Test("The command line can take back what the file says")
    func takingBack() throws {
        let text = "[primary]\npolicy-file = \"p\"\nallow-test-domain = true"
        let given = try Self.primary(text)
        #expect(given.policyFile == "p")
        #expect(given.allowsTestDomain)
        let taken = try Self.primary(text, ["--policy-file", "", "--no-allow-test-domain"])
        #expect(taken.policyFile == nil)
        #expect(!taken.allowsTestDomain)
    }

    @Test("A mistake in the file is one also when the command line would hide it")
    func hiddenMistake() {
        #expect(throws: ConfigurationError.self) {
            try Self.primary("timeout = \"2\"", ["--timeout=3s"])
        }
    }

    @Test("The defaults of a primary")
    func defaults() throws {
        let primary = try Self.primary("")
        #expect(primary.server.externalEndpoint.description == "localhost:6965")
        #expect(primary.server.internalEndpoint.description == "localhost:6967")
        #expect(primary.server.urlPrefix == .none)
        #expect(primary.server.timeout == .seconds(10))
        #expect(primary.server.interval == .seconds(10))
        #expect(primary.server.keyFile == "k")
        #expect(primary.server.logFile == nil)
        #expect(primary.server.logLevel == .info)
        #expect(primary.server.backend == .lmdb)
        #expect(primary.server.storeDirectory == "/var/lib/sigsum-log/store")
        #expect(primary.server.threads == 0)
        #expect(primary.signedTreeHeadFile == "/var/lib/sigsum-log/sth")
        #expect(primary.maxRange == 512)
        #expect(primary.minInterval == .seconds(1))
        #expect(primary.addLeafWait == .seconds(2))
        #expect(primary.secondaries.isEmpty)
        #expect(primary.secondaryQuorum == 0)
        #expect(primary.witnessRequestsPerDay == 8640)
        #expect(primary.rateLimitFile == nil && !primary.allowsTestDomain)
    }

    @Test("min-interval gives way to a shorter interval only where nobody asked for it")
    func minInterval() throws {
        #expect(try Self.primary("interval = \"500ms\"").minInterval == .milliseconds(500))
        #expect(
            try Self.primary("interval = \"1s\"\nprimary.min-interval = \"1s\"").minInterval
                == .seconds(1))
        let error = #expect(throws: ConfigurationError.self) {
            try Self.primary("interval = \"1s\"\nprimary.min-interval = \"2s\"")
        }
        let message = "3:9: primary.min-interval: expected at most interval, which is 1s, found 2s"
        #expect(error?.description.hasSuffix(message) == true)
        #expect(
            throws: ConfigurationError(
                "--min-interval: expected at most interval, which is 10s, found 11s")
        ) { try Self.primary("", ["--min-interval=11s"]) }
    }

    private static let two = """
        [[primary.secondary]]
        url = "http://a"
        pubkey-file = "a.pub"
        [[primary.secondary]]
        url = "http://b"
        pubkey-file = "b.pub"
        """

    @Test("Secondaries, and how many of them are required")
    func secondaries() throws {
        let one = try Self.primary("", ["--secondary-url=http://a", "--secondary-pubkey-file=p"])
        #expect(one.secondaries.map(\.url.description) == ["http://a"])
        #expect(one.secondaries.map(\.publicKeyFile) == ["p"])
        #expect(one.secondaryQuorum == 1)
        #expect(try Self.primary(Self.two).secondaryQuorum == 2)
        #expect(try Self.primary(Self.two, ["--secondary-quorum=1"]).secondaryQuorum == 1)
    }

    @Test(
        "Secondaries that do not fit together",
        arguments: [
            (
                "", ["--secondary-url=http://a"],
                "--secondary-url: not without secondary-pubkey-file"
            ),
            (
                "", ["--secondary-pubkey-file=p"],
                "--secondary-pubkey-file: not without secondary-url"
            ),
            (
                two, ["--secondary-url=http://a", "--secondary-pubkey-file=p"],
                "--secondary-url: not together with [[primary.secondary]]"
            ),
            (
                two, ["--secondary-quorum=3"],
                "--secondary-quorum: 3 of 2 secondaries cannot be reached"
            ),
            (
                "", ["--secondary-quorum=1"],
                "--secondary-quorum: 1 of 0 secondaries cannot be reached"
            ),
        ])
    func misfits(text: String, options: [String], message: String) {
        #expect(throws: ConfigurationError(message)) { try Self.primary(text, options) }
    }

    @Test("One secondary does not count twice")
    func twice() {
        let text = Self.two.replacing("http://b", with: "http://a:80/")
        let error = #expect(throws: ConfigurationError.self) { try Self.primary(text) }
        let message = "2:11: primary.secondary: http://a more than once"
        #expect(error?.description.hasSuffix(message) == true)
    }

    @Test("Rate limits are a file; the test domain may be allowed without one")
    func rateLimits() throws {
        let limited = try Self.primary("primary.rate-limit-file = \"p\"")
        #expect(limited.rateLimitFile == "p")
        let source = try #require(RateLimitSource(limited))
        #expect(source.file == "p" && !source.allowsTestDomain)
        let open = try Self.primary("primary.allow-test-domain = true")
        #expect(open.allowsTestDomain && RateLimitSource(open) == nil)
        let both = try Self.primary("", ["--rate-limit-file=p", "--allow-test-domain"])
        #expect(RateLimitSource(both)?.allowsTestDomain == true)
    }

    @Test("What a server cannot do without")
    func required() throws {
        #expect(throws: ConfigurationError("key-file: missing; it has no default")) {
            try PrimaryConfiguration(Settings())
        }
        var settings = Settings()
        settings.keyFile = "k"
        #expect(throws: ConfigurationError("secondary.primary-url: missing; it has no default")) {
            try SecondaryConfiguration(settings)
        }
        settings.primaryURL = try HTTPURL(parsing: "http://a/")
        let secondary = try SecondaryConfiguration(settings)
        #expect(secondary.primaryURL.description == "http://a")
    }

    @Test("mktree", arguments: MktreeConfiguration.Mode.allCases)
    func mktree(mode: MktreeConfiguration.Mode) throws {
        let command = try MktreeCommand.parse([
            "--mode", mode.rawValue, "--sth-file=h", "--store-dir=s", "--key-file=k",
        ])
        let settings = try Settings.load(command.overrides(), variable: "/dev/null")
        let configuration = try MktreeConfiguration(settings, mode: command.parsedMode())
        #expect(configuration.mode == mode)
        #expect(configuration.signedTreeHeadFile == "h")
        #expect(configuration.storeDirectory == "s")
        #expect(configuration.keyFile == "k")
    }

    @Test("mktree's modes")
    func mktreeModes() throws {
        #expect(try MktreeCommand.parse([]).parsedMode() == .empty)
        #expect(
            throws: ConfigurationError(
                "--mode: expected \"empty\", \"local-tree\", \"saved\" or \"audit\", found \"x\"")
        ) { try MktreeCommand.parse(["--mode=x"]).parsedMode() }
    }
}
