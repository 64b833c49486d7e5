// SPDX-License-Identifier: BSD-2-Clause
//
// From `key-file` to a signer. Which kind of file means which kind of signer is PROTOCOL's: a
// private key signs here, a public key line names a key of the ssh-agent.

import LogCrypto
import SigsumFormats
import SystemPackage
import TileStore

/// The signer that a key file stands for.
struct LoadedSigner {
    let signer: any TreeHeadSigner
    /// What the operator should know of the file, in one line; nil when all is well.
    let warning: String?

    /// A private key has 400 bytes, a public key line 100.
    private static let fileBytesMax = 16 * 1024

    /// Reads the key file. The error is one line that names it.
    ///
    /// - Parameters:
    ///   - agentSocket: the path of the ssh-agent's socket, `$SSH_AUTH_SOCK`, for a public key.
    ///   - timeout: how long each signature of an agent may take.
    static func load(
        keyFile path: FilePath, agentSocket: String? = environmentVariable("SSH_AUTH_SOCK"),
        timeout: Duration
    ) throws(SigningError) -> LoadedSigner {
        let file = try read(path)
        switch try parse(file.contents, of: path) {
        case .privateKey(let key):
            return LoadedSigner(
                signer: KeySigner(key), warning: warning(path, permissions: file.permissions))
        case .publicKey(let publicKey):
            guard let agentSocket, !agentSocket.isEmpty else {
                throw failure(
                    path, "a public key, to sign with by an ssh-agent, but SSH_AUTH_SOCK is not set"
                )
            }
            return LoadedSigner(
                signer: AgentSigner(publicKey: publicKey, socket: agentSocket, timeout: timeout),
                warning: nil)
        }
    }

    /// The public key of a key file of either kind, for whoever only verifies.
    static func publicKey(ofKeyFile path: FilePath) throws(SigningError) -> PublicKey {
        try parse(try read(path).contents, of: path).publicKey
    }

    private static func parse(
        _ contents: [UInt8], of path: FilePath
    ) throws(SigningError) -> KeyFile {
        do throws(FormatError) { return try KeyFile(parsing: contents.span) } catch {
            throw failure(path, "\(error)")
        }
    }

    /// A group may have been made for the log; that all others can read the key is a mistake.
    private static func warning(_ path: FilePath, permissions: FilePermissions) -> String? {
        guard !permissions.isDisjoint(with: [.otherRead, .otherWrite]) else { return nil }
        return escapingControls(
            "key-file: \(path): its mode lets every user of this machine read or change the "
                + "private key (chmod o= \(path))")
    }

    private static func read(_ path: FilePath) throws(SigningError) -> SmallFile {
        do throws(SmallFile.Failure) {
            return try SmallFile(path, bytesMax: fileBytesMax, kind: "a key file")
        } catch {
            throw failure(path, error.reason)
        }
    }

    private static func failure(_ path: FilePath, _ what: String) -> SigningError {
        SigningError(escapingControls("key-file: \(path): \(what)"))
    }
}
