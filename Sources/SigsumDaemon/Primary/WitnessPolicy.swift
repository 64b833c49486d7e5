// SPDX-License-Identifier: BSD-2-Clause
//
// The policy file, as far as it concerns a primary: whom it asks for cosignatures, and how many of
// them it needs. Without a file it asks nobody and needs none.

import LogCrypto
import SigsumFormats
import SystemPackage

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

    /// Nobody is asked.
    static let none = WitnessPolicy(quorum: .none, endpoints: [], silentCount: 0)

    private init(quorum: Quorum, endpoints: [WitnessEndpoint], silentCount: Int) {
        self.quorum = quorum
        self.endpoints = endpoints
        self.silentCount = silentCount
    }

    /// Reads the file at `path`.
    static func load(_ path: FilePath) throws(ConfigurationError) -> WitnessPolicy {
        func failure(_ reason: String) -> ConfigurationError {
            ConfigurationError("policy-file: \(path): \(reason)")
        }
        let policy: Policy
        do {
            let file = try SmallFile(path, bytesMax: fileBytesMax, kind: "a policy file")
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
                endpoints.append(
                    WitnessEndpoint(witness: witness, url: try HTTPURL(parsing: text)))
            } catch {
                let mismatch = SettingMismatch(
                    expected: HTTPURL.expectation, found: quoted(text), reason: error.reason)
                throw failure("line \(witness.line): \(mismatch.message)")
            }
        }
        guard policy.quorum.isMet(by: Set(endpoints.map(\.witness.keyHash))) else {
            throw failure(
                "the quorum cannot be reached by the \(endpoints.count) witnesses that have a URL")
        }
        return WitnessPolicy(
            quorum: policy.quorum, endpoints: endpoints,
            silentCount: policy.witnesses.count - endpoints.count)
    }
}
