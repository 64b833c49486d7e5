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
    ]
    return missing.first(where: \.isUsed).map {
        ConfigurationError("\($0.name): \(Version.line) does not have this feature yet")
    }
}
