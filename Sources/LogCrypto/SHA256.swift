// SPDX-License-Identifier: BSD-2-Clause

// SHA-256 by libcrypto's EVP. The only file that names EVP_MD functions. The algorithm is fetched
// once for the process: OpenSSL 3 otherwise looks it up by name at each use, which costs more than
// the hash.

internal import COpenSSL

/// A hashing context that is reused: making one allocates, hashing with it does not.
///
/// Not shared between threads: whoever hashes in a loop owns one.
@safe
package struct SHA256: ~Copyable {
    private let context: OpaquePointer

    /// Allocates a context. Traps when memory is exhausted, as Swift's own allocations do.
    package init() {
        guard let context = unsafe EVP_MD_CTX_new() else { fatalError("out of memory") }
        unsafe self.context = context
    }

    deinit {
        // Made in init, freed nowhere else.
        unsafe EVP_MD_CTX_free(context)
    }

    /// Begins a new digest, forgetting what was absorbed.
    package mutating func begin() {
        // libcrypto keeps the algorithm alive: `algorithm` holds a reference that is never dropped.
        let ok = unsafe EVP_DigestInit_ex(context, SHA256Algorithm.shared.pointer, nil)
        precondition(ok == 1, "EVP_DigestInit_ex failed")
    }

    /// Absorbs `bytes`.
    package mutating func update(_ bytes: Span<UInt8>) {
        // libcrypto reads exactly the given count, and the buffer lives through the call.
        let ok = unsafe bytes.withUnsafeBufferPointer {
            unsafe EVP_DigestUpdate(context, $0.baseAddress, $0.count)
        }
        precondition(ok == 1, "EVP_DigestUpdate failed")
    }

    /// Absorbs one byte.
    package mutating func update(_ byte: UInt8) {
        let one: InlineArray<1, UInt8> = [byte]
        update(one.span)
    }

    /// The digest of what was absorbed since `begin`.
    package mutating func finish() -> Digest {
        var bytes = FixedBytes<32>()
        var span = bytes.storage.mutableSpan
        // SHA-256 writes 32 bytes, which is the span's length.
        let ok = unsafe span.withUnsafeMutableBufferPointer {
            unsafe EVP_DigestFinal_ex(context, $0.baseAddress, nil)
        }
        precondition(ok == 1, "EVP_DigestFinal_ex failed")
        return Digest(bytes: bytes)
    }

    /// The digest of `bytes` alone.
    package mutating func hash(_ bytes: Span<UInt8>) -> Digest {
        begin()
        update(bytes)
        return finish()
    }
}

extension Digest {
    /// SHA-256 of `bytes`, with a context of its own; loops should keep a ``SHA256``.
    package init(sha256 bytes: Span<UInt8>) {
        var context = SHA256()
        self = context.hash(bytes)
    }
}

/// The fetched algorithm. Immutable after init and reference-counted inside libcrypto, which allows
/// its use by any number of threads: hence Sendable.
@safe
private final class SHA256Algorithm: @unchecked Sendable {
    static let shared = SHA256Algorithm()

    let pointer: OpaquePointer

    private init() {
        // A static string names the algorithm; the result is kept for the process's life.
        guard let pointer = unsafe EVP_MD_fetch(nil, "SHA256", nil) else {
            fatalError("libcrypto has no SHA256")
        }
        unsafe self.pointer = pointer
    }
}
