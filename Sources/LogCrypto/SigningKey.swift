// SPDX-License-Identifier: BSD-2-Clause

// Ed25519 private keys (RFC 8032). With SignatureVerifier.swift the only file that names EVP_PKEY
// functions.

internal import COpenSSL

/// An Ed25519 private key, held by libcrypto and freed with this value.
///
/// Sendable: an EVP_PKEY is not changed after it was made, and libcrypto allows any number of
/// threads to sign with one.
@safe
package struct SigningKey: ~Copyable, @unchecked Sendable {
    private let handle: OpaquePointer
    /// The public half.
    package let publicKey: PublicKey

    /// The key whose 32-byte seed (RFC 8032's private key) is `seed`.
    package init(seed: FixedBytes<32>) {
        // libcrypto copies the 32 bytes, then writes 32 bytes of public key into a span that long.
        let made = unsafe seed.storage.span.withUnsafeBufferPointer {
            unsafe EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nil, $0.baseAddress, $0.count)
        }
        guard let handle = unsafe made else { fatalError("EVP_PKEY_new_raw_private_key failed") }
        var bytes = FixedBytes<32>()
        var span = bytes.storage.mutableSpan
        let ok = unsafe span.withUnsafeMutableBufferPointer { buffer in
            var count = buffer.count
            return unsafe EVP_PKEY_get_raw_public_key(handle, buffer.baseAddress, &count)
        }
        precondition(ok == 1, "EVP_PKEY_get_raw_public_key failed")
        unsafe self.handle = handle
        publicKey = PublicKey(bytes: bytes)
    }

    deinit {
        // Made in init, freed nowhere else.
        unsafe EVP_PKEY_free(handle)
    }

    /// The signature of `message`: always the same one for the same message.
    package borrowing func sign(_ message: Span<UInt8>) -> Signature {
        guard let context = unsafe EVP_MD_CTX_new() else { fatalError("out of memory") }
        defer { unsafe EVP_MD_CTX_free(context) }
        var bytes = FixedBytes<64>()
        var span = bytes.storage.mutableSpan
        // The message is read within its length; 64 bytes are written into a span that long.
        let ok = unsafe message.withUnsafeBufferPointer { message in
            unsafe span.withUnsafeMutableBufferPointer { signature in
                guard unsafe EVP_DigestSignInit(context, nil, nil, nil, handle) == 1 else {
                    return false
                }
                var count = signature.count
                return unsafe EVP_DigestSign(
                    context, signature.baseAddress, &count, message.baseAddress, message.count) == 1
                    && count == 64
            }
        }
        precondition(ok, "Ed25519 signing failed")
        return Signature(bytes: bytes)
    }
}
