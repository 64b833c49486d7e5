// SPDX-License-Identifier: BSD-2-Clause
//
// The names that the executable goes by: sigsum with a subcommand, and log-go's three names, which
// differ from the subcommands only in what `--help` calls them.

import ArgumentParser

/// `sigsum`.
struct SigsumProgram: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sigsum", abstract: "A Sigsum transparency log.",
        discussion: """
            Options are also keys of the configuration file, by the same names: the one that \
            \(ConfigurationFile.variable) names, else \(ConfigurationFile.defaultPath).
            """,
        version: Version.line,
        subcommands: [PrimaryCommand.self, SecondaryCommand.self, MktreeCommand.self],
        helpNames: .likeLogGo)
}

/// `sigsum-log-primary`.
struct PrimaryProgram: ParsableCommand {
    static let configuration = PrimaryCommand.configuration.named(Role.primary.programName)
    @OptionGroup var command: PrimaryCommand
    func run() throws { try command.run() }
}

/// `sigsum-log-secondary`.
struct SecondaryProgram: ParsableCommand {
    static let configuration = SecondaryCommand.configuration.named(Role.secondary.programName)
    @OptionGroup var command: SecondaryCommand
    func run() throws { try command.run() }
}

/// `sigsum-mktree`.
struct MktreeProgram: ParsableCommand {
    static let configuration = MktreeCommand.configuration.named(Role.mktree.programName)
    @OptionGroup var command: MktreeCommand
    func run() throws { try command.run() }
}

extension CommandConfiguration {
    /// The configuration of a role's subcommand.
    init(role: Role, _ abstract: String) {
        self.init(
            commandName: role.rawValue, abstract: abstract, version: Version.line,
            helpNames: .likeLogGo)
    }

    fileprivate func named(_ name: String) -> CommandConfiguration {
        var copy = self
        copy.commandName = name
        return copy
    }
}

extension NameSpecification {
    /// `--help` and, as log-go has it, `-?`; `-h` because everybody tries it.
    fileprivate static var likeLogGo: NameSpecification { [.long, .short, .customShort("?")] }
}
