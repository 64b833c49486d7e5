// SPDX-License-Identifier: BSD-2-Clause
//
// What each role does with its configuration.

/// Runs the primary until it is told to stop.
func runPrimary(_ configuration: PrimaryConfiguration) throws {
    throw NotAssembled(role: .primary)
}

/// Runs the secondary until it is told to stop.
func runSecondary(_ configuration: SecondaryConfiguration) throws {
    throw NotAssembled(role: .secondary)
}

/// Does what mktree's mode says.
func runMktree(_ configuration: MktreeConfiguration) throws {
    throw NotAssembled(role: .mktree)
}

struct NotAssembled: Error, CustomStringConvertible {
    let role: Role
    var description: String { "the \(role.rawValue) is not assembled yet" }
}
