// SPDX-License-Identifier: BSD-2-Clause
//
// The file: which one is read, what its keys become, and what is said about mistakes in it.

import SystemPackage
import Testing
import Transport

@testable import SigsumDaemon

struct ConfigurationFileTests {
    private static func settings(_ text: String) throws -> Settings {
        var settings = Settings()
        try ConfigurationFile("f.toml", bytes: Array(text.utf8)).apply(to: &settings)
        return settings
    }

    @Test("Every key is read")
    func everyKey() throws {
        let settings = try Self.settings(
            """
            external-endpoint = "localhost:1"
            internal-endpoint = ":2"
            url-prefix = "/p/"
            timeout = "3s"
            interval = "4s"
            key-file = "k"
            log-file = "l"
            log-level = "error"
            backend = "ephemeral"
            store-dir = "s"
            threads = 5
            [primary]
            policy-file = "p"
            rate-limit-file = "r"
            allow-test-domain = true
            secondary-url = "http://a"
            secondary-pubkey-file = "b"
            secondary-quorum = 2
            sth-file = "h"
            max-range = 6
            min-interval = "7ms"
            add-leaf-wait = "0"
            witness-requests-per-day = 8
            [[primary.secondary]]
            url = "http://x"
            pubkey-file = "y"
            [[primary.secondary]]
            url = "http://z"
            pubkey-file = "w"
            [secondary]
            primary-url = "http://q"
            """)
        #expect(SettingKey.all.allSatisfy { settings.isGiven($0) })
        #expect(settings.externalEndpoint == Endpoint(host: "localhost", port: 1))
        #expect(settings.internalEndpoint == Endpoint(host: "", port: 2))
        #expect(settings.urlPrefix.path == "p")
        #expect(settings.timeout == .seconds(3))
        #expect(settings.interval == .seconds(4))
        #expect(settings.keyFile == "k")
        #expect(settings.logFile == "l")
        #expect(settings.logLevel == .error)
        #expect(settings.backend == .ephemeral)
        #expect(settings.storeDirectory == "s")
        #expect(settings.threads == 5)
        #expect(settings.policyFile == "p")
        #expect(settings.rateLimitFile == "r")
        #expect(settings.allowTestDomain)
        #expect(settings.secondaryURL?.origin.host == "a")
        #expect(settings.secondaryPublicKeyFile == "b")
        #expect(settings.secondaryQuorum == 2)
        #expect(settings.signedTreeHeadFile == "h")
        #expect(settings.maxRange == 6)
        #expect(settings.minInterval == .milliseconds(7))
        #expect(settings.addLeafWait == .seconds(0))
        #expect(settings.witnessRequestsPerDay == 8)
        #expect(settings.secondaries.map(\.url.origin.host) == ["x", "z"])
        #expect(settings.secondaries.map(\.publicKeyFile) == ["y", "w"])
        #expect(settings.primaryURL?.origin.host == "q")
    }

    @Test("log-go's example is understood, but for Trillian")
    func exampleOfLogGo() throws {
        let settings = try Self.settings(
            """
            external-endpoint = "localhost:6965"
            internal-endpoint = "localhost:6967"
            url-prefix = ""
            timeout = "10s"
            key-file = ""
            interval = "10s"
            log-file = ""
            log-level = "info"

            [primary]
            policy-file = ""
            max-range = 10
            rate-limit-file = ""
            allow-test-domain = false
            secondary-url = ""
            secondary-pubkey-file = ""
            sth-file = "/var/lib/sigsum-log/sth"

            [secondary]
            primary-url = ""
            """)
        #expect(settings.maxRange == 10)
        #expect(settings.keyFile == nil)
        #expect(settings.logFile == nil)
        #expect(settings.policyFile == nil)
        #expect(settings.secondaryURL == nil)
        #expect(settings.primaryURL == nil)
    }

    @Test(
        "Mistakes, with their place",
        arguments: [
            ("foo = 1", "f.toml:1:1: unknown key \"foo\""),
            ("\n# c\n  foo = 1", "f.toml:3:3: unknown key \"foo\""),
            ("[foo]\na = 1", "f.toml:1:2: unknown key \"foo\""),
            ("[primary]\nfoo = 1", "f.toml:2:1: unknown key \"foo\" in [primary]"),
            ("primary.foo = 1", "f.toml:1:9: unknown key \"foo\" in [primary]"),
            (
                "primary = { max-range = 1, foo = 4 }",
                "f.toml:1:28: unknown key \"foo\" in [primary]"
            ),
            ("\"fo\\u006f\" = 1", "f.toml:1:1: unknown key \"foo\""),
            ("timeout = \"1s\" # foo\r\nfoo = 1\r\n", "f.toml:2:1: unknown key \"foo\""),
            (
                "log-file = \"\"\"\nfoo = 1\n\"\"\"\nurl-prefix = \"a\"\nfoo = 2",
                "f.toml:5:1: unknown key \"foo\""
            ),
            (
                "[primary]\ninterval = \"10s\"",
                "f.toml:2:1: unknown key \"interval\" in [primary];"
                    + " it belongs above the first table"
            ),
            ("max-range = 1", "f.toml:1:1: unknown key \"max-range\"; it belongs in [primary]"),
            ("Interval = \"1s\"", "f.toml:1:1: unknown key \"Interval\""),
            (
                "interval = 10",
                "f.toml:1:1: interval: expected a duration such as \"10s\", \"500ms\" or "
                    + "\"1m30s\", at least 1ms, found the integer 10"
            ),
            (
                "timeout = \"0s\"",
                "f.toml:1:1: timeout: expected a duration such as \"10s\", \"500ms\" or "
                    + "\"1m30s\", at least 1ms, found \"0s\""
            ),
            (
                "[primary]\nmin-interval = \"-1s\"",
                "f.toml:2:1: primary.min-interval: expected a duration such as \"10s\", "
                    + "\"500ms\" or \"1m30s\", found \"-1s\" (negative)"
            ),
            (
                "[primary]\nmax-range = 0",
                "f.toml:2:1: primary.max-range: expected an integer from 1 to 65536, "
                    + "found the integer 0"
            ),
            (
                "[primary]\nmax-range = \"5\"",
                "f.toml:2:1: primary.max-range: expected an integer from 1 to 65536, found \"5\""
            ),
            (
                "[primary]\nmax-range = 5.0",
                "f.toml:2:1: primary.max-range: expected an integer from 1 to 65536, "
                    + "found a floating-point number"
            ),
            (
                "[primary]\nallow-test-domain = \"true\"",
                "f.toml:2:1: primary.allow-test-domain: expected true or false, found \"true\""
            ),
            (
                "log-level = \"INFO\"",
                "f.toml:1:1: log-level: expected \"debug\", \"info\", \"warning\" or \"error\", "
                    + "found \"INFO\""
            ),
            (
                "log-level = true",
                "f.toml:1:1: log-level: expected \"debug\", \"info\", \"warning\" or \"error\", "
                    + "found the boolean true"
            ),
            (
                "store-dir = \"\"",
                "f.toml:1:1: store-dir: expected the path of a file or folder, found \"\""
            ),
            (
                "key-file = [\"a\"]",
                "f.toml:1:1: key-file: expected the path of a file or folder, found an array"
            ),
            (
                "threads = 2026-01-01",
                "f.toml:1:1: threads: expected an integer from 0 to 1024, found a date or time"
            ),
            (
                "external-endpoint = \"localhost\"",
                "f.toml:1:1: external-endpoint: expected host:port, such as \"localhost:6965\", "
                    + "\":6965\" or \"[::1]:6965\", found \"localhost\" (missing port)"
            ),
            (
                "url-prefix = \"a\\nb\"",
                "f.toml:1:1: url-prefix: expected a URL path such as \"log\" or \"2026/log\", "
                    + "found \"a\\nb\" (character \"\\n\")"
            ),
            (
                "primary = 3",
                "f.toml:1:1: primary: expected the table [primary], found the integer 3"
            ),
            (
                "[[secondary]]",
                "f.toml:1:3: secondary: expected the table [secondary], found an array"
            ),
            (
                "[primary]\nsecondary = \"http://a\"",
                "f.toml:2:1: primary.secondary: expected [[primary.secondary]] tables, "
                    + "found \"http://a\""
            ),
            (
                "[primary.secondary]\nurl = \"http://a\"",
                "f.toml:1:10: primary.secondary: expected [[primary.secondary]] tables, "
                    + "found a table"
            ),
            (
                "[primary]\nsecondary = [1]",
                "f.toml:2:1: expected [[primary.secondary]] tables"
            ),
            (
                "[[primary.secondary]]\nurl = \"http://a\"",
                "f.toml:1:11: [[primary.secondary]] without pubkey-file"
            ),
            (
                "[[primary.secondary]]\nurl = \"http://a\"\npubkey-file = \"a\"\n"
                    + "[[primary.secondary]]\npubkey-file = \"b\"",
                "f.toml:4:11: [[primary.secondary]] without url"
            ),
            (
                "[[primary.secondary]]\nurl = \"http://a\"\npubkey-file = \"a\"\n"
                    + "[[primary.secondary]]\npubkey-file = \"b\"\nuri = \"http://b\"",
                "f.toml:6:1: unknown key \"uri\" in [primary.secondary]"
            ),
            (
                "[[primary.secondary]]\nurl = \"a\"",
                "f.toml:2:1: primary.secondary.url: expected a URL such as "
                    + "\"http://localhost:6967\" or \"https://example.org/a\", found \"a\""
            ),
            (
                "[[primary.secondary]]\npubkey-file = \"\"",
                "f.toml:2:1: primary.secondary.pubkey-file: expected the path of a file or "
                    + "folder, found \"\""
            ),
            (
                "backend = \"trillian\"",
                "f.toml:1:1: backend: expected \"lmdb\" or \"ephemeral\", found \"trillian\" "
                    + "(sigsum keeps the tree itself, in the folder store-dir: \"lmdb\" replaces "
                    + "Trillian)"
            ),
            (
                "trillian-rpc-server = \"localhost:6962\"",
                "f.toml:1:1: trillian-rpc-server: sigsum needs no Trillian server: remove this; "
                    + "store-dir replaces it"
            ),
            (
                "trillian-tree-id-file = \"x\"",
                "f.toml:1:1: trillian-tree-id-file: sigsum needs no tree id: remove this; "
                    + "store-dir replaces it"
            ),
            (
                "tree-id = 5",
                "f.toml:1:1: tree-id: sigsum needs no tree id: remove this; store-dir replaces it"
            ),
            (
                "trillian-other = 1",
                "f.toml:1:1: trillian-other: sigsum needs no Trillian server: remove this; "
                    + "store-dir replaces it"
            ),
            ("[.a]", "f.toml:1:2: expected the name of a table after '['"),
            ("\n [[ /", "f.toml:2:5: expected the name of a table after '['"),
            ("[\n", "f.toml:1:2: expected the name of a table after '['"),
            ("key-file = \"a\\u0000b\"", "f.toml: contains a NUL"),
            ("key-file = \"a\"\n\0", "f.toml: contains a NUL"),
        ])
    func mistake(text: String, message: String) {
        let error = #expect(throws: ConfigurationError.self) { try Self.settings(text) }
        #expect(error?.description == message)
    }

    @Test(
        "What is not TOML, with its place",
        arguments: [
            ("x = ", "f.toml:1:5: "), ("a\n", "f.toml:1:2: "), ("\n[primary\n", "f.toml:2:9: "),
            ("timeout = \"1s\"\ntimeout = \"2s\"\n", "f.toml:2:11: "),
        ])
    func syntax(text: String, place: String) {
        let error = #expect(throws: ConfigurationError.self) { try Self.settings(text) }
        let description = error?.description ?? ""
        #expect(description.hasPrefix(place), "\(description)")
        #expect(!description.contains("\n"))
    }

    @Test(
        "A mangled file is read or refused in one line, and never more than that",
        arguments: [
            nil, "\"", "'", "\n", "=", "[", "]", "{", "}", ",", "\\", ".", "\r", "\t", "#", "+",
            "0", "_",
            "\u{7F}", "\u{F6}", "\u{A0}", "\u{FEFF}", "\"\"\"", "\\u", "[[", "{a=",
        ])
    func mangled(replacement: String?) throws {
        let text = """
            # c
            timeout = "1m30s"
            [primary]
            max-range = 7
            [[primary.secondary]]
            url = "http://[::1]:1/a"
            pubkey-file = "b" # d

            """
        _ = try Self.settings(text)
        for index in text.indices {
            let rest = replacement.map { $0 + text[text.index(after: index)...] } ?? ""
            let mangled = text[..<index] + rest
            do {
                _ = try Self.settings(String(mangled))
            } catch let error as ConfigurationError {
                #expect(error.description.hasPrefix("f.toml:"))
                #expect(!error.description.contains("\n"), "\(error)")
            }
        }
    }

    @Test("What is not text, or too much of it")
    func bytes() {
        #expect(throws: ConfigurationError("f: not UTF-8")) {
            try ConfigurationFile("f", bytes: [0x23, 0xFF])
        }
        #expect(throws: ConfigurationError("f: longer than 65536 bytes")) {
            try ConfigurationFile("f", bytes: Array(repeating: 0x23, count: 65_537))
        }
        #expect(throws: Never.self) {
            try ConfigurationFile("f", bytes: Array(repeating: 0x23, count: 65_536))
        }
    }

    @Test("The variable's file, or the default one if there is one")
    func find() throws {
        let folder = try TemporaryFolder()
        let file = try folder.write("timeout = \"1s\"", to: "a.toml")
        let absent = folder.path.appending("b.toml")
        let name = ConfigurationFile.variable

        func timeout(_ variable: String?, _ defaultPath: FilePath) throws -> GoDuration {
            try Settings.load([], variable: variable, defaultPath: defaultPath).timeout
        }
        #expect(try timeout(file.string, absent) == .seconds(1))
        #expect(try timeout(nil, file) == .seconds(1))
        #expect(try timeout(nil, absent) == .seconds(10))
        #expect(try Settings.load([], variable: nil, defaultPath: absent).file == nil)
        #expect(try Settings.load([], variable: nil, defaultPath: file).file == file)

        #expect(
            throws: ConfigurationError("\(absent): No such file or directory, named by \(name)")
        ) { try timeout(absent.string, file) }
        #expect(throws: ConfigurationError("\(folder.path): Is a directory, named by \(name)")) {
            try timeout(folder.path.string, file)
        }
        #expect(throws: ConfigurationError("\(folder.path): Is a directory")) {
            try timeout(nil, folder.path)
        }
        #expect(throws: ConfigurationError("\(name): expected the path of a file, found \"\"")) {
            try timeout("", file)
        }
    }
}
