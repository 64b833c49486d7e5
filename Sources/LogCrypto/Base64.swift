// SPDX-License-Identifier: BSD-2-Clause

// Base64 (RFC 4648 section 4), by libcrypto. Only the canonical form is read: what libcrypto
// decodes is encoded again and compared, which refuses white space, missing padding and stray bits
// at once.

internal import COpenSSL

/// Base64 text to bytes and back, in the standard alphabet with padding.
package enum Base64 {
    /// `bytes` in base64.
    package static func encode(_ bytes: Span<UInt8>) -> [UInt8] {
        let count = (bytes.count + 2) / 3 * 4
        // EVP_EncodeBlock writes four characters for each three bytes begun, and a NUL after them.
        var text = [UInt8](repeating: 0, count: count + 1)
        unsafe bytes.withUnsafeBufferPointer { source in
            unsafe text.withUnsafeMutableBufferPointer { target in
                _ = unsafe EVP_EncodeBlock(
                    target.baseAddress, source.baseAddress, Int32(source.count))
            }
        }
        text.removeLast()
        return text
    }

    /// The bytes of `text`; nil unless it is exactly what ``encode(_:)`` would write for them.
    package static func decode(_ text: Span<UInt8>) -> [UInt8]? {
        guard text.count.isMultiple(of: 4) else { return nil }
        guard text.count > 0 else { return [] }
        // EVP_DecodeBlock writes three bytes for each four characters, padding included as zeros.
        var bytes = [UInt8](repeating: 0, count: text.count / 4 * 3)
        let decoded = unsafe text.withUnsafeBufferPointer { source in
            unsafe bytes.withUnsafeMutableBufferPointer { target in
                unsafe EVP_DecodeBlock(target.baseAddress, source.baseAddress, Int32(source.count))
            }
        }
        guard decoded == Int32(bytes.count) else {
            ERR_clear_error()
            return nil
        }
        var padding = 0
        while padding < 2, text[text.count - 1 - padding] == UInt8(ascii: "=") { padding += 1 }
        bytes.removeLast(padding)
        let again = encode(bytes.span)
        guard again.count == text.count else { return nil }
        for position in text.indices where text[position] != again[position] { return nil }
        return bytes
    }
}
