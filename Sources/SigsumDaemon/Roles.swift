// SPDX-License-Identifier: BSD-2-Clause
//
// What each role does with its configuration.

/// Runs the secondary until it is told to stop.
func runSecondary(_ configuration: SecondaryConfiguration) throws {
    throw NotAssembled(role: .secondary)
}

struct NotAssembled: Error, CustomStringConvertible {
    let role: Role
    var description: String { "the \(role.rawValue) is not assembled yet" }
}
