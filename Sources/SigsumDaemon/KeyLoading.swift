// SPDX-License-Identifier: BSD-2-Clause
//
// The key file, from its path to something that signs.

import LogCrypto
import SigsumFormats
import SystemPackage
import TileStore

enum KeyLoading {
    /// The public key in the file at `path`, whichever kind of key file it is.
    static func publicKey(_ path: FilePath) throws(ConfigurationError) -> PublicKey {
        try read(path).publicKey
    }

    /// What signs for the key in the configured key file.
    static func signer(
        _ configuration: ServerConfiguration
    ) throws(ConfigurationError) -> any TreeHeadSigner {
        switch try read(configuration.keyFile) {
        case .privateKey(let key): return KeySigner(key)
        case .publicKey:
            throw ConfigurationError("key-file: keys in an ssh-agent are not there yet")
        }
    }

    private static func read(_ path: FilePath) throws(ConfigurationError) -> KeyFile {
        let contents: [UInt8]?
        do throws(StoreError) { contents = try DurableFile.read(path.string) } catch {
            throw ConfigurationError("key-file: \(error)")
        }
        guard let contents else {
            throw ConfigurationError("key-file: \(path): no such file")
        }
        do throws(FormatError) { return try KeyFile(parsing: contents.span) } catch {
            throw ConfigurationError("key-file: \(path): \(error)")
        }
    }
}

/// Signs with a key at hand.
final class KeySigner: TreeHeadSigner {
    private let key: SigningKey

    init(_ key: consuming SigningKey) { self.key = key }

    var publicKey: PublicKey { key.publicKey }

    func sign(_ message: [UInt8]) -> Signature { key.sign(message.span) }
}
