// SPDX-License-Identifier: BSD-2-Clause
//
// Keys that are understood, and whose feature this version lacks. Ignoring them would let an
// operator believe in limits or copies that are not there, so the start is refused.

/// An error that names the first key whose feature is missing; nil when there is none. What this
/// lists becomes shorter from release to release.
func unsupported(in configuration: PrimaryConfiguration) -> ConfigurationError? {
    let missing: [(name: String, isUsed: Bool)] = [
        (SettingKey.rateLimitFile.name, configuration.rateLimitFile != nil),
        (SettingKey.allowTestDomain.name, configuration.allowsTestDomain),
        // secondary-quorum is an error without one.
        ("secondary-url or [[primary.secondary]]", !configuration.secondaries.isEmpty),
    ]
    return missing.first(where: \.isUsed).map { unsupported($0.name) }
}

/// The secondary role as a whole is missing.
func unsupported(in configuration: SecondaryConfiguration) -> ConfigurationError {
    unsupported(SettingKey.primaryURL.name)
}

private func unsupported(_ name: String) -> ConfigurationError {
    ConfigurationError("\(name): \(Version.line) does not have this feature yet")
}
