// SPDX-License-Identifier: BSD-2-Clause
//
// The policy file, as far as it concerns a primary: whom it asks for cosignatures, and how many of
// them it needs. Without a file it asks nobody and needs none.

import LogCrypto
import Logging
import SigsumFormats
import SystemPackage
import Transport

/// A witness that can be asked.
struct WitnessEndpoint: Sendable {
    let witness: Policy.Witness
    let url: HTTPURL
}

/// What a policy file means for a primary.
struct WitnessPolicy: Sendable {
    let quorum: Quorum
    /// The witnesses with a URL, in the file's order.
    let endpoints: [WitnessEndpoint]
    /// The number of those without.
    let silentCount: Int

    /// A thousand witnesses take a tenth of it.
    private static let fileBytesMax = 1 << 20

    /// Reads the file at `path`; nil stands for a policy that asks nobody.
    init(_ path: FilePath?) throws(ConfigurationError) {
        guard let path else {
            (quorum, endpoints, silentCount) = (.none, [], 0)
            return
        }
        func failure(_ reason: String) -> ConfigurationError {
            ConfigurationError("policy-file: \(path): \(reason)")
        }
        let policy: Policy
        do {
            let file = try SmallFile(path, bytesMax: Self.fileBytesMax, kind: "a policy file")
            policy = try Policy(parsing: file.contents.span)
        } catch let error as SmallFile.Failure {
            throw failure(error.reason)
        } catch {
            throw failure("\(error)")
        }
        var endpoints: [WitnessEndpoint] = []
        for witness in policy.witnesses {
            guard let text = witness.url else { continue }
            do throws(SettingSyntaxError) {
                let url = try HTTPURL(parsing: text)
                endpoints.append(WitnessEndpoint(witness: witness, url: url))
            } catch {
                let mismatch = SettingMismatch(
                    expected: HTTPURL.expectation, found: quoted(text), reason: error.reason)
                throw failure("line \(witness.line): \(mismatch.message)")
            }
        }
        guard policy.quorum.isMet(by: Set(endpoints.map(\.witness.keyHash))) else {
            throw failure(
                "the quorum cannot be reached by the witnesses that have a URL, of which there are "
                    + "\(endpoints.count)")
        }
        quorum = policy.quorum
        self.endpoints = endpoints
        silentCount = policy.witnesses.count - endpoints.count
    }

    /// Whether any witness has an https URL.
    var needsTLS: Bool { endpoints.contains(where: \.url.origin.isSecure) }

    /// Says in the log who is asked, and how often.
    func describe(heartbeatInterval: Duration, interval: Duration, to logger: Logger) {
        if quorum.isNone {
            logger.info("no quorum: tree heads are published without waiting for cosignatures")
        }
        for endpoint in endpoints {
            let witness = endpoint.witness
            logger.info("witness \(witness.name), key hash \(witness.keyHash), \(endpoint.url)")
        }
        if silentCount > 0 { logger.info("witnesses without a URL, not asked: \(silentCount)") }
        if heartbeatInterval > interval {
            let seconds = heartbeatInterval.components.seconds
            logger.info(
                "witnesses are asked every \(seconds)s while no leaf comes, not every interval: see witness-requests-per-day"
            )
        }
    }
}
