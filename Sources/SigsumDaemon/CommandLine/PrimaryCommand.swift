// SPDX-License-Identifier: BSD-2-Clause
//
// `sigsum primary`, which is sigsum-log-primary.

import ArgumentParser

/// Runs the primary node of a log.
struct PrimaryCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        role: .primary, "Run a log's primary node: the one that signs.")

    @OptionGroup var server: ServerOptions
    @Option(help: .of(.policyFile)) var policyFile: String?
    @Option(help: .of(.rateLimitFile)) var rateLimitFile: String?
    @Flag(inversion: .prefixedNo, help: .of(.allowTestDomain)) var allowTestDomain: Bool?
    @Option(help: .of(.secondaryURL)) var secondaryUrl: String?
    @Option(help: .of(.secondaryPublicKeyFile)) var secondaryPubkeyFile: String?
    @Option(help: .of(.secondaryQuorum)) var secondaryQuorum: String?
    @Option(help: .of(.signedTreeHeadFile)) var sthFile: String?
    @Option(help: .of(.maxRange)) var maxRange: String?
    @Option(help: .of(.minInterval)) var minInterval: String?
    @Option(help: .of(.addLeafWait)) var addLeafWait: String?
    @Option(help: .of(.witnessRequestsPerDay)) var witnessRequestsPerDay: String?

    func overrides() throws(ConfigurationError) -> [Override] {
        try server.overrides()
            + [
                Override(.policyFile, policyFile),
                Override(.rateLimitFile, rateLimitFile),
                allowTestDomain.map { Override(key: .allowTestDomain, value: .boolean($0)) },
                Override(.secondaryURL, secondaryUrl),
                Override(.secondaryPublicKeyFile, secondaryPubkeyFile),
                Override(.secondaryQuorum, secondaryQuorum),
                Override(.signedTreeHeadFile, sthFile),
                Override(.maxRange, maxRange),
                Override(.minInterval, minInterval),
                Override(.addLeafWait, addLeafWait),
                Override(.witnessRequestsPerDay, witnessRequestsPerDay),
            ].compactMap(\.self)
    }

    func run() throws {
        let configuration = try PrimaryConfiguration(Settings.load(overrides()))
        try runPrimary(configuration)
    }
}
