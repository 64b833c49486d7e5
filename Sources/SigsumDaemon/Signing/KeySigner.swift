// SPDX-License-Identifier: BSD-2-Clause
//
// Signing with a private key that the process holds itself.

import LogCrypto
import TileStore

/// Signs tree heads with a key at hand; never fails.
struct KeySigner: TreeHeadSigner {
    /// A key cannot be copied, a signer can: this is what its copies share.
    private final class Holder: Sendable {
        let key: SigningKey
        init(_ key: consuming SigningKey) { self.key = key }
    }

    private let holder: Holder

    init(_ key: consuming SigningKey) {
        holder = Holder(key)
    }

    var publicKey: PublicKey { holder.key.publicKey }

    func sign(_ message: [UInt8]) throws(SigningError) -> Signature {
        holder.key.sign(message.span)
    }
}
