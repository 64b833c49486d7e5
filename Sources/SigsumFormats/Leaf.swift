// SPDX-License-Identifier: BSD-2-Clause

// The leaf: what a log stores about one signature. 128 bytes:
//
//     checksum (32) || signature (64) || key hash (32)
//
// where checksum is the SHA-256 of the 32-byte message that the submitter sends, and the signature
// is over `sigsum.org/v1/tree-leaf`, a NUL, and the checksum.

package import LogCrypto
package import MerkleLog

/// A leaf whose signature was found valid, by this process or by the log that stored it.
@frozen
package struct Leaf: Hashable, Sendable {
    /// The length of a stored leaf: 128 bytes.
    @inlinable
    package static var byteCount: Int { 128 }

    /// The leaf as it is stored and hashed.
    package let bytes: FixedBytes<128>

    /// A leaf read back from where only valid leaves are put.
    @inlinable
    package init(stored bytes: FixedBytes<128>) { self.bytes = bytes }

    init(checksum: Digest, signature: Signature, keyHash: KeyHash) {
        var bytes = FixedBytes<128>()
        for position in 0..<32 {
            bytes.storage[position] = checksum.bytes.storage[position]
            bytes.storage[96 + position] = keyHash.bytes.storage[position]
        }
        for position in 0..<64 {
            bytes.storage[32 + position] = signature.bytes.storage[position]
        }
        self.bytes = bytes
    }

    /// The hash that names the leaf in the tree.
    package func leafHash(hasher: inout TreeHasher) -> Digest {
        hasher.leafHash(bytes.storage.span)
    }

    /// The submitter's key hash.
    package var keyHash: KeyHash { KeyHash(copying: bytes.storage.span, at: 96) }

    /// The length of a leaf's line in a get-leaves body.
    @inlinable
    package static var lineByteCount: Int { 5 + 64 + 1 + 128 + 1 + 64 + 1 }

    /// Appends `leaf=<checksum> <signature> <key hash>\n` for each of the stored leaves in
    /// `leaves`, whose count is a multiple of 128; `output` must have room for ``lineByteCount``
    /// each.
    @inlinable
    package static func encodeLines(of leaves: Span<UInt8>, into output: inout OutputSpan<UInt8>) {
        for start in stride(from: 0, to: leaves.count, by: byteCount) {
            output.append(UInt8(ascii: "l"))
            output.append(UInt8(ascii: "e"))
            output.append(UInt8(ascii: "a"))
            output.append(UInt8(ascii: "f"))
            output.append(UInt8(ascii: "="))
            Hex.encode(leaves.extracting(start..<start + 32), into: &output)
            output.append(UInt8(ascii: " "))
            Hex.encode(leaves.extracting(start + 32..<start + 96), into: &output)
            output.append(UInt8(ascii: " "))
            Hex.encode(leaves.extracting(start + 96..<start + 128), into: &output)
            output.append(0x0A)
        }
    }
}

/// An add-leaf request as it came: nobody has looked at its signature yet.
package struct UnverifiedLeaf: Hashable, Sendable {
    /// The 32 bytes that the submitter calls the message: for sigsum-submit, the hash of a file.
    package let message: FixedBytes<32>
    /// The submitter's signature.
    package let signature: Signature
    /// The submitter's key.
    package let publicKey: PublicKey
    /// The leaf that this becomes when it is valid.
    private let claimed: Leaf

    /// Reads an add-leaf body:
    ///
    ///     message=<64 hex digits>
    ///     signature=<128 hex digits>
    ///     public_key=<64 hex digits>
    package init(parsing body: Span<UInt8>) throws(FormatError) {
        var cursor = ASCIICursor()
        let message = try cursor.hex("message", in: body, as: Digest.self).bytes
        let signature = try cursor.hex("signature", in: body, as: Signature.self)
        let publicKey = try cursor.hex("public_key", in: body, as: PublicKey.self)
        try cursor.finish(body)
        self.message = message
        self.signature = signature
        self.publicKey = publicKey
        claimed = Leaf(
            checksum: Digest(sha256: message.storage.span), signature: signature,
            keyHash: publicKey.keyHash)
    }

    /// The leaf hash it will have: enough to find out whether the log has it already.
    package func leafHash(hasher: inout TreeHasher) -> Digest {
        claimed.leafHash(hasher: &hasher)
    }

    /// The submitter's key hash, which rate limits are kept by.
    package var keyHash: KeyHash { claimed.keyHash }

    /// The leaf, when its signature is valid. Costs one Ed25519 verification.
    package func verified() throws(LeafError) -> Leaf {
        var verifier = SignatureVerifier()
        return try verified(by: &verifier)
    }

    /// The same with a verifier for many leaves.
    package func verified(by verifier: inout SignatureVerifier) throws(LeafError) -> Leaf {
        var signed: [UInt8] = []
        signed.reserveCapacity(56)
        signed.append("sigsum.org/v1/tree-leaf\0")
        let checksum = claimed.bytes.storage.span.extracting(0..<32)
        for position in checksum.indices { signed.append(checksum[position]) }
        guard verifier.verify(signature, of: signed.span, by: publicKey) else {
            throw .invalidSignature
        }
        return claimed
    }
}

/// Why a well-formed leaf is not taken.
package enum LeafError: Error, Hashable, Sendable {
    /// The signature is not one of the public key over the message's checksum.
    case invalidSignature
}
