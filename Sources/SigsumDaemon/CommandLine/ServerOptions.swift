// SPDX-License-Identifier: BSD-2-Clause
//
// The options of both servers. Each is a key of the configuration by the same name: what it means
// and takes stands in SettingKeys.swift, here is only that the option exists.

import ArgumentParser

/// Options of `sigsum primary` and `sigsum secondary`.
struct ServerOptions: ParsableArguments {
    @Option(help: .of(.externalEndpoint)) var externalEndpoint: String?
    @Option(help: .of(.internalEndpoint)) var internalEndpoint: String?
    @Option(help: .of(.urlPrefix)) var urlPrefix: String?
    @Option(help: .of(.timeout)) var timeout: String?
    @Option(help: .of(.interval)) var interval: String?
    @Option(help: .of(.keyFile)) var keyFile: String?
    @Option(help: .of(.logFile)) var logFile: String?
    @Option(help: .of(.logLevel)) var logLevel: String?
    @Option(help: .of(.backend)) var backend: String?
    @Option(help: .of(.storeDirectory)) var storeDir: String?
    @Option(help: .of(.threads)) var threads: String?
    @Option(help: .hidden) var trillianRpcServer: String?
    @Option(help: .hidden) var trillianTreeIdFile: String?

    /// What was given.
    func overrides() throws(ConfigurationError) -> [Override] {
        try refuse(.trillianServer, trillianRpcServer)
        try refuse(.trillianTreeIDFile, trillianTreeIdFile)
        return [
            Override(.externalEndpoint, externalEndpoint),
            Override(.internalEndpoint, internalEndpoint),
            Override(.urlPrefix, urlPrefix),
            Override(.timeout, timeout),
            Override(.interval, interval),
            Override(.keyFile, keyFile),
            Override(.logFile, logFile),
            Override(.logLevel, logLevel),
            Override(.backend, backend),
            Override(.storeDirectory, storeDir),
            Override(.threads, threads),
        ].compactMap(\.self)
    }

    private func refuse(_ key: RetiredKey, _ argument: String?) throws(ConfigurationError) {
        guard argument != nil else { return }
        throw ConfigurationError("--\(key.name): \(key.advice)")
    }
}

extension Override {
    /// nil when the option was not given.
    init?(_ key: SettingKey, _ argument: String?) {
        guard let argument else { return nil }
        self.init(key: key, value: .argument(argument))
    }
}

extension ArgumentHelp {
    /// The key's own words, and its default.
    static func of(_ key: SettingKey) -> ArgumentHelp {
        var text = key.summary
        if let value = key.defaultValue, value != "\"\"", value != "false" {
            text += " (default: \(value.filter { $0 != "\"" }))"
        }
        return ArgumentHelp(stringLiteral: text).naming(key.placeholder)
    }

    private func naming(_ placeholder: String) -> ArgumentHelp {
        var help = self
        help.valueName = placeholder.isEmpty ? nil : placeholder
        return help
    }
}
