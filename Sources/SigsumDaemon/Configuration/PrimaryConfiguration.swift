// SPDX-License-Identifier: BSD-2-Clause
//
// What a primary is told, complete and consistent: whoever has this value need not look again.

import SystemPackage

/// The configuration of `sigsum primary`.
struct PrimaryConfiguration: Sendable, Equatable {
    let server: ServerConfiguration
    /// `sth-file`.
    let signedTreeHeadFile: FilePath
    /// Most leaves in one get-leaves response, at least 1.
    let maxRange: Int
    /// Shortest time between two tree heads, at most `server.interval`.
    let minInterval: Duration
    /// How long a repeated add-leaf may be held; zero means not at all.
    let addLeafWait: Duration
    let policyFile: FilePath?
    let rateLimitFile: FilePath?
    let allowsTestDomain: Bool
    /// From `secondary-url` and `secondary-pubkey-file`, or from `[[primary.secondary]]`.
    let secondaries: [SecondaryPeer]
    /// How many of the secondaries must hold a leaf: 1 ... their number, 0 when there are none.
    let secondaryQuorum: Int
    /// Requests a day that each witness grants, at least 1.
    let witnessRequestsPerDay: Int

    init(_ settings: Settings) throws(ConfigurationError) {
        server = try ServerConfiguration(settings)
        signedTreeHeadFile = settings.signedTreeHeadFile
        maxRange = settings.maxRange
        minInterval = try Self.minInterval(settings)
        addLeafWait = settings.addLeafWait.duration
        policyFile = settings.policyFile
        rateLimitFile = settings.rateLimitFile
        allowsTestDomain = settings.allowTestDomain
        secondaries = try Self.secondaries(settings)
        secondaryQuorum = try Self.quorum(settings, of: secondaries.count)
        witnessRequestsPerDay = settings.witnessRequestsPerDay
    }

    /// log-go has no min-interval, and its configuration files with an interval below ours must
    /// stay valid: the default gives way, a given value does not.
    private static func minInterval(_ settings: Settings) throws(ConfigurationError) -> Duration {
        guard settings.minInterval > settings.interval else { return settings.minInterval.duration }
        guard settings.isGiven(.minInterval) else { return settings.interval.duration }
        throw settings.error(
            .minInterval,
            "expected at most interval, which is \(settings.interval), found \(settings.minInterval)"
        )
    }

    private static func secondaries(
        _ settings: Settings
    ) throws(ConfigurationError) -> [SecondaryPeer] {
        switch (settings.secondaryURL, settings.secondaryPublicKeyFile) {
        case (let url?, let publicKeyFile?):
            guard settings.secondaries.isEmpty else {
                throw settings.error(.secondaryURL, "not together with [[primary.secondary]]")
            }
            return [SecondaryPeer(url: url, publicKeyFile: publicKeyFile)]
        case (_?, nil):
            throw settings.error(.secondaryURL, "not without secondary-pubkey-file")
        case (nil, _?):
            throw settings.error(.secondaryPublicKeyFile, "not without secondary-url")
        case (nil, nil):
            break
        }
        // Counted twice, one node could make a quorum alone.
        var seen: Set<HTTPURL> = []
        for peer in settings.secondaries where !seen.insert(peer.url).inserted {
            throw settings.error(.secondaries, "\(peer.url) more than once")
        }
        return settings.secondaries
    }

    private static func quorum(
        _ settings: Settings, of count: Int
    ) throws(ConfigurationError) -> Int {
        guard let quorum = settings.secondaryQuorum else { return count }
        guard quorum <= count else {
            let secondaries = count == 1 ? "1 secondary" : "\(count) secondaries"
            throw settings.error(.secondaryQuorum, "\(quorum) of \(secondaries) cannot be reached")
        }
        return quorum
    }
}
