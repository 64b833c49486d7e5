// SPDX-License-Identifier: BSD-2-Clause

// Ed25519 public keys and signatures (RFC 8032) as values. SignatureVerifier.swift checks
// signatures.

/// An Ed25519 signature of 64 bytes, R and S (RFC 8032 section 5.1.6). Any 64 bytes: whether it is
/// a signature of something only ``PublicKey/verify(_:of:)`` can tell.
@frozen
package struct Signature: FixedByteValue {
    /// 64.
    package static var byteCount: Int { 64 }
    /// The signature's bytes.
    package var bytes: FixedBytes<64>

    /// Wraps 64 bytes.
    @inlinable
    package init(bytes: FixedBytes<64>) { self.bytes = bytes }

    @inlinable
    package init(copying bytes: Span<UInt8>, at offset: Int = 0) {
        self.bytes = FixedBytes(copying: bytes, at: offset)
    }

    @inlinable
    package func withSpan<Result: ~Copyable>(_ body: (Span<UInt8>) -> Result) -> Result {
        body(bytes.storage.span)
    }
}

/// An Ed25519 public key of 32 bytes (RFC 8032 section 5.1.5). Any 32 bytes: an encoding that is
/// not a point verifies nothing.
@frozen
package struct PublicKey: FixedByteValue {
    /// 32.
    package static var byteCount: Int { 32 }
    /// The key's bytes.
    package var bytes: FixedBytes<32>

    /// Wraps 32 bytes.
    @inlinable
    package init(bytes: FixedBytes<32>) { self.bytes = bytes }

    @inlinable
    package init(copying bytes: Span<UInt8>, at offset: Int = 0) {
        self.bytes = FixedBytes(copying: bytes, at: offset)
    }

    @inlinable
    package func withSpan<Result: ~Copyable>(_ body: (Span<UInt8>) -> Result) -> Result {
        body(bytes.storage.span)
    }

    /// The key hash that names this key on the wire.
    package var keyHash: KeyHash {
        KeyHash(bytes: withSpan { Digest(sha256: $0) }.bytes)
    }

    /// Whether `signature` is this key's signature of `message`; see ``SignatureVerifier``, which
    /// is for many.
    ///
    /// Costs about 0.1 ms: never on a reactor.
    package func verify(_ signature: Signature, of message: Span<UInt8>) -> Bool {
        var verifier = SignatureVerifier()
        return verifier.verify(signature, of: message, by: self)
    }
}
