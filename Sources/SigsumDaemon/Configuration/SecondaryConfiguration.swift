// SPDX-License-Identifier: BSD-2-Clause
//
// What a secondary is told.

/// The configuration of `sigsum secondary`.
struct SecondaryConfiguration: Sendable, Equatable {
    let server: ServerConfiguration
    /// The primary's internal endpoint.
    let primaryURL: HTTPURL

    init(_ settings: Settings) throws(ConfigurationError) {
        server = try ServerConfiguration(settings)
        guard let url = settings.primaryURL else {
            throw settings.error(.primaryURL, "missing; it has no default")
        }
        primaryURL = url
    }
}
