// SPDX-License-Identifier: BSD-2-Clause
//
// Every key there is. Names, places and defaults are log-go's, where log-go has the key;
// docs/configuration.md says more about each, and a test compares the two.

extension SettingKey {
    static let externalEndpoint = SettingKey(
        "external-endpoint", for: [.primary, .secondary], \.externalEndpoint, "host:port",
        "Where clients are served.")

    static let internalEndpoint = SettingKey(
        "internal-endpoint", for: [.primary, .secondary], \.internalEndpoint, "host:port",
        "Where the log's other nodes and the metrics are served.")

    static let urlPrefix = SettingKey(
        "url-prefix", for: [.primary, .secondary], \.urlPrefix, "path",
        "What precedes endpoint names such as /get-tree-head.")

    static let timeout = SettingKey(
        "timeout", for: [.primary, .secondary], \.timeout, "duration",
        where: .atLeast(.milliseconds(1)), "How long a request to another node may take.")

    static let interval = SettingKey(
        "interval", for: [.primary, .secondary], \.interval, "duration",
        where: .atLeast(.milliseconds(1)),
        "Primary: longest time between two tree heads. Secondary: longest time between two polls.")

    static let keyFile = SettingKey(
        "key-file", for: Role.allCases, optional: \.keyFile, "file",
        "OpenSSH private key, unencrypted, or public key of one that an ssh-agent holds.")

    static let logFile = SettingKey(
        "log-file", for: [.primary, .secondary], optional: \.logFile, "file",
        "Where to write the log instead of standard error.")

    static let logLevel = SettingKey(
        "log-level", for: [.primary, .secondary], \.logLevel, "level",
        "What to log: debug, info, warning or error.")

    static let backend = SettingKey(
        "backend", for: [.primary, .secondary], \.backend, "backend",
        "Where the tree is kept: lmdb (in store-dir) or ephemeral (lost at exit).")

    static let storeDirectory = SettingKey(
        "store-dir", for: Role.allCases, \.storeDirectory, "folder",
        "Folder of the store.")

    static let threads = SettingKey(
        "threads", for: [.primary, .secondary], \.threads, "n", where: .range(0...1024),
        "Threads that serve requests; 0 is one per processor core.")

    static let policyFile = SettingKey(
        "policy-file", in: .primary, for: [.primary], optional: \.policyFile, "file",
        "Policy that names the witnesses to ask and their quorum.")

    static let rateLimitFile = SettingKey(
        "rate-limit-file", in: .primary, for: [.primary], optional: \.rateLimitFile, "file",
        "Limits on new leaves by key and domain.")

    static let allowTestDomain = SettingKey(
        "allow-test-domain", in: .primary, for: [.primary], \.allowTestDomain, "",
        "Accept submit tokens of test.sigsum.org.")

    static let secondaryURL = SettingKey(
        "secondary-url", in: .primary, for: [.primary], optional: \.secondaryURL, "url",
        "Internal endpoint of the secondary.")

    static let secondaryPublicKeyFile = SettingKey(
        "secondary-pubkey-file", in: .primary, for: [.primary],
        optional: \.secondaryPublicKeyFile, "file", "Public key of the secondary.")

    /// The array of tables; not an option, and read by ConfigurationFile itself.
    static let secondaries = SettingKey(
        "secondary", in: .primary, arrayOfTables: "Several secondaries, one table each.")

    static let secondaryQuorum = SettingKey(
        "secondary-quorum", in: .primary, for: [.primary], optional: \.secondaryQuorum, "k",
        where: .range(1...1000),
        "How many secondaries must hold a leaf before it is published (default: all).")

    static let signedTreeHeadFile = SettingKey(
        "sth-file", in: .primary, for: [.primary, .mktree], \.signedTreeHeadFile, "file",
        "The last signed tree head.")

    /// 65,536 leaves make a response of 17 MB.
    static let maxRange = SettingKey(
        "max-range", in: .primary, for: [.primary], \.maxRange, "n", where: .range(1...65_536),
        "Most leaves in one get-leaves response.")

    static let minInterval = SettingKey(
        "min-interval", in: .primary, for: [.primary], \.minInterval, "duration",
        "Shortest time between two tree heads.")

    static let addLeafWait = SettingKey(
        "add-leaf-wait", in: .primary, for: [.primary], \.addLeafWait, "duration",
        "How long a repeated add-leaf may wait for the leaf's publication.")

    static let witnessRequestsPerDay = SettingKey(
        "witness-requests-per-day", in: .primary, for: [.primary], \.witnessRequestsPerDay, "n",
        where: .range(1...1_000_000_000), "Requests that each witness grants the log.")

    static let primaryURL = SettingKey(
        "primary-url", in: .secondary, for: [.secondary], optional: \.primaryURL, "url",
        "Internal endpoint of the primary.")

    /// In the order of documentation and examples.
    static let all = [
        externalEndpoint, internalEndpoint, urlPrefix, timeout, interval, keyFile, logFile,
        logLevel, backend, storeDirectory, threads,
        policyFile, rateLimitFile, allowTestDomain, secondaryURL, secondaryPublicKeyFile,
        secondaries, secondaryQuorum, signedTreeHeadFile, maxRange, minInterval, addLeafWait,
        witnessRequestsPerDay,
        primaryURL,
    ]
}
