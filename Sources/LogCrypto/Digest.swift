// SPDX-License-Identifier: BSD-2-Clause

// The 32-byte values that SHA-256 makes, one type for each meaning.

/// A SHA-256 value of 32 bytes (FIPS 180-4): a leaf hash, a node hash, a root hash or a checksum.
@frozen
package struct Digest: FixedByteValue {
    /// 32.
    package static var byteCount: Int { 32 }
    /// The digest's bytes.
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
}

/// SHA-256 of a raw 32-byte public key: how submitters, witnesses and logs are named on the wire
/// (Sigsum log protocol, "key hash").
@frozen
package struct KeyHash: FixedByteValue {
    /// 32.
    package static var byteCount: Int { 32 }
    /// The hash's bytes.
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
}
