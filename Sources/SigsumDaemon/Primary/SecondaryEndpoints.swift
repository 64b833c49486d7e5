// SPDX-License-Identifier: BSD-2-Clause
//
// The secondaries of the configuration, with their keys read.

import LogCrypto
import Logging
import SigsumFormats
import SystemPackage
import Transport

/// A secondary that can be asked.
struct SecondaryEndpoint: Sendable {
    /// Of its internal endpoint.
    let url: HTTPURL
    let publicKey: PublicKey
}

/// All secondaries of a primary.
struct SecondaryEndpoints: Sendable {
    let all: [SecondaryEndpoint]
    /// How many of them must hold a leaf; 0 when there are none.
    let quorum: Int

    /// Reads the secondaries' public keys.
    ///
    /// - Parameter logKey: what the log signs with, which no secondary may have: its tree heads would
    ///   be the log's.
    init(_ configuration: PrimaryConfiguration, logKey: PublicKey) throws(ConfigurationError) {
        var endpoints: [SecondaryEndpoint] = []
        for peer in configuration.secondaries {
            let key = try Self.publicKey(peer.publicKeyFile)
            guard key != logKey else {
                throw Self.failure(
                    peer.publicKeyFile, "this is the log's own key; a secondary has another one")
            }
            // Counted twice, one node could make a quorum alone.
            guard !endpoints.contains(where: { $0.publicKey == key }) else {
                throw Self.failure(peer.publicKeyFile, "another secondary has the same key")
            }
            endpoints.append(SecondaryEndpoint(url: peer.url, publicKey: key))
        }
        all = endpoints
        quorum = configuration.secondaryQuorum
    }

    /// Whether any secondary has an https URL.
    var needsTLS: Bool { all.contains(where: \.url.origin.isSecure) }

    /// Says in the log who they are, and how many are required.
    func describe(to logger: Logger) {
        guard !all.isEmpty else {
            return logger.info(
                "no secondaries: a leaf counts as logged when it is durable on this machine")
        }
        logger.info(
            "secondaries: \(all.count); a leaf counts as logged when \(quorum) of them hold it")
        for endpoint in all {
            logger.info("secondary \(endpoint.url), key hash \(endpoint.publicKey.keyHash)")
        }
    }

    /// A line has 100 bytes and perhaps a comment.
    private static let fileBytesMax = 16 * 1024

    private static func publicKey(_ path: FilePath) throws(ConfigurationError) -> PublicKey {
        let keyFile: KeyFile
        do {
            let file = try SmallFile(path, bytesMax: fileBytesMax, kind: "a public key file")
            keyFile = try KeyFile(parsing: file.contents.span)
        } catch let error as SmallFile.Failure {
            throw failure(path, error.reason)
        } catch {
            throw failure(path, "\(error)")
        }
        guard case .publicKey(let key) = keyFile else {
            throw failure(path, "expected an OpenSSH public key line, found a private key")
        }
        return key
    }

    private static func failure(_ path: FilePath, _ what: String) -> ConfigurationError {
        ConfigurationError("\(SettingKey.secondaryPublicKeyFile.name): \(path): \(what)")
    }
}
