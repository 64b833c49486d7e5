// SPDX-License-Identifier: BSD-2-Clause
//
// The value of every key, for all roles together: the defaults, then what the file says, then what
// the command line says. The configuration of one role is made from it, and checked there.

import Glibc
import SystemPackage

/// All keys with their values. The defaults stand here and nowhere else.
struct Settings: Sendable {
    // Both servers.
    var externalEndpoint = Endpoint(host: "localhost", port: 6965)
    var internalEndpoint = Endpoint(host: "localhost", port: 6967)
    var urlPrefix = URLPrefix.none
    var timeout = GoDuration.seconds(10)
    var interval = GoDuration.seconds(10)
    var keyFile: FilePath?
    var logFile: FilePath?
    var logLevel = LogLevel.info
    var backend = Backend.lmdb
    var storeDirectory: FilePath = "/var/lib/sigsum-log/store"
    var threads = 0

    // The primary.
    var policyFile: FilePath?
    var rateLimitFile: FilePath?
    var allowTestDomain = false
    var secondaryURL: HTTPURL?
    var secondaryPublicKeyFile: FilePath?
    var secondaries: [SecondaryPeer] = []
    var secondaryQuorum: Int?
    var signedTreeHeadFile: FilePath = "/var/lib/sigsum-log/sth"
    var maxRange = 512
    var minInterval = GoDuration.seconds(1)
    var addLeafWait = GoDuration.seconds(2)
    var witnessRequestsPerDay = 8640

    // The secondary.
    var primaryURL: HTTPURL?

    /// Where each key that is not at its default was given, by full name.
    private(set) var origins: [String: Origin] = [:]

    /// The file that was read; nil when there was none.
    var file: FilePath?

    /// Command line over file over default. A key that is wrong in the file is an error also when
    /// the command line has it right.
    static func load(
        _ overrides: [Override],
        variable: String? = environmentVariable(ConfigurationFile.variable),
        defaultPath: FilePath = ConfigurationFile.defaultPath
    ) throws(ConfigurationError) -> Settings {
        var settings = Settings()
        let file = try ConfigurationFile.find(variable: variable, defaultPath: defaultPath)
        try file?.apply(to: &settings)
        for override in overrides {
            try settings.set(override.key, to: override.value, at: .option)
        }
        return settings
    }

    /// Sets one key to what was written at `origin`.
    mutating func set(
        _ key: SettingKey, to raw: RawSetting, at origin: Origin
    ) throws(ConfigurationError) {
        do throws(SettingMismatch) {
            try key.assign(&self, raw)
        } catch {
            throw ConfigurationError("\(origin.subject(key)): \(error.message)")
        }
        origins[key.fullName] = origin
    }

    /// Sets all `[[primary.secondary]]` tables at once.
    mutating func set(secondaries peers: [SecondaryPeer], at origin: Origin) {
        secondaries = peers
        origins[SettingKey.secondaries.fullName] = origin
    }

    /// Whether the file or the command line has the key.
    func isGiven(_ key: SettingKey) -> Bool {
        origins[key.fullName] != nil
    }

    /// An error about a key, with the place where it was given.
    func error(_ key: SettingKey, _ message: String) -> ConfigurationError {
        let subject = origins[key.fullName]?.subject(key) ?? key.fullName
        return ConfigurationError("\(subject): \(message)")
    }
}

/// One node that must hold a leaf before its tree head is signed.
struct SecondaryPeer: Sendable, Hashable {
    /// Its internal endpoint.
    let url: HTTPURL
    /// An OpenSSH public key line: what the secondary signs its tree heads with.
    let publicKeyFile: FilePath
}

/// A value that the command line gives a key.
struct Override: Sendable {
    let key: SettingKey
    let value: RawSetting
}

/// The variable's value; nil when it is not set.
func environmentVariable(_ name: String) -> String? {
    // What getenv returns is a C string, copied before anything could change the environment:
    // nothing in this program does.
    unsafe getenv(name).map { unsafe String(cString: $0) }
}
