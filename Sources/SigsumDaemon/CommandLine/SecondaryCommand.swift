// SPDX-License-Identifier: BSD-2-Clause
//
// `sigsum secondary`, which is sigsum-log-secondary.

import ArgumentParser

/// Runs a secondary node of a log.
struct SecondaryCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        role: .secondary, "Run a log's secondary node: one that keeps a copy.")

    @OptionGroup var server: ServerOptions
    @Option(help: .of(.primaryURL)) var primaryUrl: String?

    func overrides() throws(ConfigurationError) -> [Override] {
        try server.overrides() + [Override(.primaryURL, primaryUrl)].compactMap(\.self)
    }

    func run() throws {
        try runSecondary(SecondaryConfiguration(Settings.load(overrides())))
    }
}
