// SPDX-License-Identifier: BSD-2-Clause
//
// `sigsum mktree`, which is sigsum-mktree.

import ArgumentParser

/// Prepares a primary's first start, or checks what it left.
struct MktreeCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        role: .mktree, "Say how the primary shall start, or check its tree.")

    @Option(
        help: ArgumentHelp(
            """
            empty: start with an empty tree. local-tree: start with the tree in the store. saved: \
            only check that there is a signed tree head. audit: check every byte of the store. \
            (default: empty)
            """, valueName: "mode"))
    var mode: String?
    @Option(help: .of(.signedTreeHeadFile)) var sthFile: String?
    @Option(help: .of(.storeDirectory)) var storeDir: String?
    @Option(help: .of(.keyFile)) var keyFile: String?

    func overrides() -> [Override] {
        [
            Override(.signedTreeHeadFile, sthFile),
            Override(.storeDirectory, storeDir),
            Override(.keyFile, keyFile),
        ].compactMap(\.self)
    }

    func parsedMode() throws(ConfigurationError) -> MktreeConfiguration.Mode {
        do throws(SettingMismatch) {
            return try Allowed.all.parse(.argument(mode ?? "empty"))
        } catch {
            throw ConfigurationError("--mode: \(error.message)")
        }
    }

    func run() throws {
        let mode = try parsedMode()
        try runMktree(MktreeConfiguration(Settings.load(overrides()), mode: mode))
    }
}
