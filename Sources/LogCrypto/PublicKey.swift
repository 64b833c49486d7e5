// SPDX-License-Identifier: BSD-2-Clause

// Ed25519 public keys and signatures (RFC 8032), and the one place where a signature is checked.

internal import COpenSSL

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

    /// Whether `signature` is this key's signature of `message`, exactly as Go's crypto/ed25519
    /// decides it: S < L, no cofactor, R compared as bytes, small-order and non-canonical keys not
    /// refused as such. A leaf that we accepted and verifiers refused would be in the tree for
    /// ever.
    ///
    /// Costs about 0.1 ms: never on a reactor.
    package func verify(_ signature: Signature, of message: Span<UInt8>) -> Bool {
        withSpan { key in
            signature.withSpan { signature in
                // Every pointer below is a span's, read within its length, alive through the calls;
                // what libcrypto allocates is freed here on each way out.
                unsafe key.withUnsafeBufferPointer { key in
                    guard
                        let handle = unsafe EVP_PKEY_new_raw_public_key(
                            EVP_PKEY_ED25519, nil, key.baseAddress, key.count)
                    else { return false }
                    defer { unsafe EVP_PKEY_free(handle) }
                    guard let context = unsafe EVP_MD_CTX_new() else {
                        fatalError("out of memory")
                    }
                    defer { unsafe EVP_MD_CTX_free(context) }
                    guard unsafe EVP_DigestVerifyInit(context, nil, nil, nil, handle) == 1 else {
                        return false
                    }
                    let result = unsafe message.withUnsafeBufferPointer { message in
                        unsafe signature.withUnsafeBufferPointer { signature in
                            unsafe EVP_DigestVerify(
                                context, signature.baseAddress, signature.count,
                                message.baseAddress, message.count)
                        }
                    }
                    // A refused signature leaves an entry in the thread's error queue.
                    if result != 1 { ERR_clear_error() }
                    return result == 1
                }
            }
        }
    }
}
