// SPDX-License-Identifier: BSD-2-Clause

// The storage of every value here that is a fixed number of bytes. Digest, KeyHash, PublicKey and
// Signature wrap it, so that none of them can stand where another belongs. InlineArray is not
// Hashable, so equality, hashing and copying are written once, here.

/// Exactly `byteCount` bytes, stored inline: no heap, no length that could be wrong.
@frozen
package struct FixedBytes<let byteCount: Int>: Hashable, Sendable {
    /// The bytes; `storage.span` is how others read them.
    package var storage: InlineArray<byteCount, UInt8>

    /// Wraps bytes that already have the right length.
    @inlinable
    package init(_ storage: InlineArray<byteCount, UInt8>) {
        self.storage = storage
    }

    /// All bytes zero.
    @inlinable
    package init() {
        storage = InlineArray(repeating: 0)
    }

    /// A copy of `byteCount` bytes of `bytes`, from `offset` on; the range must lie in `bytes`.
    @inlinable
    package init(copying bytes: Span<UInt8>, at offset: Int = 0) {
        precondition(offset >= 0 && bytes.count - offset >= byteCount)
        storage = InlineArray(repeating: 0)
        var target = storage.mutableSpan
        // The range lies in `bytes`, as checked above, and the target has `byteCount` bytes.
        unsafe bytes.withUnsafeBufferPointer { source in
            unsafe target.withUnsafeMutableBytes { target in
                unsafe target.copyMemory(
                    from: UnsafeRawBufferPointer(
                        rebasing: UnsafeRawBufferPointer(source)[
                            offset..<offset + byteCount]))
            }
        }
    }

    @inlinable
    package static func == (left: Self, right: Self) -> Bool {
        var difference: UInt8 = 0
        for position in 0..<byteCount {
            difference |= left.storage[position] ^ right.storage[position]
        }
        return difference == 0
    }

    @inlinable
    package func hash(into hasher: inout Hasher) {
        // What is hashed here is a digest, a key or a signature: any eight bytes of it spread as
        // well as all. The last eight, since a leaf's prefix is what an index is grouped by.
        var word: UInt64 = 0
        for position in max(0, byteCount - 8)..<byteCount {
            word = word << 8 | UInt64(storage[position])
        }
        hasher.combine(word)
    }
}

/// A value that is nothing but a fixed number of bytes, and has a lower-case hex form.
package protocol FixedByteValue: Hashable, Sendable, CustomStringConvertible {
    /// The length in bytes.
    static var byteCount: Int { get }
    /// A copy of the `byteCount` bytes of `bytes` from `offset` on; the range must lie in `bytes`.
    init(copying bytes: Span<UInt8>, at offset: Int)
    /// Calls `body` with the bytes.
    func withSpan<Result: ~Copyable>(_ body: (Span<UInt8>) -> Result) -> Result
}

extension FixedByteValue {
    /// The value in lower-case hex.
    package var description: String {
        withSpan { Hex.string($0) }
    }

    /// The value of the hex digits `digits`, either case; nil unless there are exactly
    /// `2 * byteCount` of them and nothing else.
    package init?(hex digits: Span<UInt8>) {
        // Values of up to 64 bytes, all that there are, need no heap.
        precondition(Self.byteCount <= 64)
        guard digits.count == 2 * Self.byteCount else { return nil }
        var storage = InlineArray<64, UInt8>(repeating: 0)
        var bytes = storage.mutableSpan
        guard Hex.decode(digits, into: &bytes) else { return nil }
        self.init(copying: storage.span, at: 0)
    }

    /// The same from a string, for keys in configuration and in tests.
    package init?(hex digits: String) {
        self.init(hex: Array(digits.utf8).span)
    }
}
