// SPDX-License-Identifier: BSD-2-Clause

// The one place where an Ed25519 signature is checked, with EVP.

internal import COpenSSL

/// Checks signatures, one after the other. What libcrypto prepares for a key is kept for the next
/// signature of the same key: submitters sign many leaves in a row, and looking up the algorithm is
/// 3 % of a verification.
///
/// Not shared between threads: whoever verifies in a loop owns one.
@safe
package struct SignatureVerifier: ~Copyable {
    /// An EVP_MD_CTX set up for `key`, of which each verification gets a copy. It is never set up
    /// again: libcrypto 3.0 then goes on with the first key.
    private var prepared: OpaquePointer?
    private var key: PublicKey?

    /// A verifier without a key.
    package init() {}

    deinit {
        // Made in prepare(for:), which frees the one before; freeing none is fine.
        unsafe EVP_MD_CTX_free(prepared)
    }

    /// Whether `signature` is the signature of `message` by `key`, exactly as Go's crypto/ed25519
    /// decides it: S < L, no cofactor, R compared as bytes, small-order and non-canonical keys not
    /// refused as such. A leaf that we accepted and verifiers refused would be in the tree for
    /// ever.
    ///
    /// Costs about 0.1 ms: never on a reactor.
    package mutating func verify(
        _ signature: Signature, of message: Span<UInt8>, by key: PublicKey
    ) -> Bool {
        if self.key != key { prepare(for: key) }
        guard let prepared = unsafe prepared else { return false }
        guard let context = unsafe EVP_MD_CTX_new() else { fatalError("out of memory") }
        defer { unsafe EVP_MD_CTX_free(context) }
        // Both contexts are alive and ours.
        guard unsafe EVP_MD_CTX_copy_ex(context, prepared) == 1 else {
            fatalError("out of memory")
        }
        let result = signature.withSpan { signature in
            // Each pointer is a span's, read within its length, alive through the call.
            unsafe message.withUnsafeBufferPointer { message in
                unsafe signature.withUnsafeBufferPointer { signature in
                    unsafe EVP_DigestVerify(
                        context, signature.baseAddress, signature.count, message.baseAddress,
                        message.count)
                }
            }
        }
        // A refused signature leaves an entry in the thread's error queue.
        if result != 1 { ERR_clear_error() }
        return result == 1
    }

    /// Sets up a new context; there is none afterwards for a key that libcrypto refuses.
    private mutating func prepare(for key: PublicKey) {
        unsafe EVP_MD_CTX_free(prepared)
        unsafe prepared = nil
        self.key = key
        // libcrypto copies the 32 bytes. The context takes a reference of its own to the handle.
        let handle = unsafe key.bytes.storage.span.withUnsafeBufferPointer {
            unsafe EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nil, $0.baseAddress, $0.count)
        }
        guard let handle = unsafe handle else { return ERR_clear_error() }
        defer { unsafe EVP_PKEY_free(handle) }
        guard let context = unsafe EVP_MD_CTX_new() else { fatalError("out of memory") }
        guard unsafe EVP_DigestVerifyInit(context, nil, nil, nil, handle) == 1 else {
            unsafe EVP_MD_CTX_free(context)
            return ERR_clear_error()
        }
        unsafe prepared = context
    }
}
