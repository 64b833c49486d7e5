// SPDX-License-Identifier: BSD-2-Clause
//
// What is written about the configuration agrees with what the program does: the examples, the
// documentation, NEWS and the help.

import ArgumentParser
import LogService
import SystemPackage
import Testing

@testable import SigsumDaemon

struct DocumentationTests {
    private static func example(_ role: Role) throws -> String {
        try FileText.read(
            FileText.repository.appending("config-examples/\(role.rawValue).toml"))
    }

    private static func settings(_ text: String) throws -> Settings {
        var settings = Settings()
        try ConfigurationFile("example", bytes: Array(text.utf8)).apply(to: &settings)
        return settings
    }

    /// The example with the keys that it shows as comments: `#key = ...` and `#[[...]]`.
    private static func uncommented(_ text: String) -> String {
        text.split(separator: "\n", omittingEmptySubsequences: false).map { line in
            guard line.hasPrefix("#"), let next = line.dropFirst().first else { return line }
            return next == "[" || ("a"..."z").contains(next) ? line.dropFirst() : line
        }.joined(separator: "\n")
    }

    /// The keys that an example of the role has.
    private static func keys(_ role: Role) -> [SettingKey] {
        SettingKey.all.filter {
            $0.roles.contains(role)
                || $0.fullName == SettingKey.secondaries.fullName && role == .primary
        }
    }

    @Test("An example is a configuration as it is")
    func examples() throws {
        _ = try PrimaryConfiguration(Self.settings(Self.example(.primary)))
        _ = try SecondaryConfiguration(Self.settings(Self.example(.secondary)))
    }

    @Test("The example of a rate-limit file, and that of its documentation")
    func rateLimits() throws {
        let file = try FileText.read(FileText.repository.appending("config-examples/rate-limits"))
        let page = try FileText.read(FileText.repository.appending("docs/rate-limits.md"))
        let block = try #require(page.firstMatch(of: /```text limits\n((?:.*\n)*?)```/))
        for text in [file, String(block.output.1)] {
            let bytes = Array(text.utf8)
            let limits = try RateLimitFile(parsing: bytes.span)
            #expect(limits.keys.count == 1 && limits.domains.values.max() == 500)
            #expect(limits.publicLine?.limit == 20 && limits.publicTotal == 10_000)
            // Where Debian has it.
            #expect(
                limits.publicLine?.suffixFile == "/usr/share/publicsuffix/public_suffix_list.dat")
        }
    }

    @Test(
        "An example has every key of its role, and the defaults",
        arguments: [Role.primary, .secondary])
    func exampleKeys(role: Role) throws {
        let text = Self.uncommented(try Self.example(role))
        let settings = try Self.settings(text)
        let lines = text.split(separator: "\n")
        for key in Self.keys(role) {
            #expect(settings.isGiven(key), "\(key.fullName)")
            guard let value = key.defaultValue else { continue }
            if key.name == SettingKey.keyFile.name || key.name == SettingKey.primaryURL.name {
                continue
            }
            #expect(lines.contains("\(key.name) = \(value)"), "\(key.fullName)")
        }
        for key in SettingKey.all where !Self.keys(role).contains(where: { $0.name == key.name }) {
            #expect(!settings.isGiven(key), "\(key.fullName)")
        }
    }

    @Test("docs/configuration.md has every key with its default", arguments: SettingKey.all.indices)
    func documented(index: Int) throws {
        let key = SettingKey.all[index]
        let text = try FileText.read(FileText.repository.appending("docs/configuration.md"))
        let row = text.split(separator: "\n").first {
            $0.hasPrefix("| `\(key.name)` |")
        }
        let cells = try #require(row).split(separator: "|").map {
            $0.drop { $0 == " " }
        }
        if let value = key.defaultValue, !cells[1].hasPrefix("none, required") {
            #expect(cells[1].hasPrefix("`\(value)` "))
        } else {
            #expect(cells[1].hasPrefix("none") || cells[1].hasPrefix("all"))
        }
    }

    @Test("Every key of a role is an option, which sets it", arguments: SettingKey.all.indices)
    func options(index: Int) throws {
        let key = SettingKey.all[index]
        let values = [
            "duration": "1s", "host:port": "a:1", "level": "debug", "backend": "ephemeral",
            "url": "http://a", "n": "2", "k": "2",
        ]
        let argument = values[key.placeholder] ?? "a"
        let arguments = key.placeholder.isEmpty ? ["--\(key.name)"] : ["--\(key.name)", argument]
        for role in Role.allCases {
            let overrides: () throws -> [Override] = {
                switch role {
                case .primary: try PrimaryCommand.parse(arguments).overrides()
                case .secondary: try SecondaryCommand.parse(arguments).overrides()
                case .mktree: try MktreeCommand.parse(arguments).overrides()
                }
            }
            guard key.roles.contains(role) else {
                #expect(throws: (any Error).self) { try overrides() }
                continue
            }
            let settings = try Settings.load(overrides(), variable: "/dev/null")
            #expect(SettingKey.all.filter { settings.isGiven($0) }.map(\.name) == [key.name])
        }
    }

    @Test("No two keys are one option")
    func names() {
        let names = SettingKey.all.map(\.name)
        #expect(Set(names).count == names.count)
    }

    /// `NEWS` or `NEWS.md`.
    private static let news = ["NEWS", "NEWS.md"].map { FileText.repository.appending($0) }
        .first(where: FileText.exists)

    @Test("NEWS begins with this version", .enabled(if: news != nil))
    func version() throws {
        let text = try FileText.read(#require(Self.news))
        let first = try #require(text.firstMatch(of: /\d+\.\d+\.\d+/))
        #expect(first.output == Version.number)
    }
}
