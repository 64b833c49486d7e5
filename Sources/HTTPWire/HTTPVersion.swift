// SPDX-License-Identifier: BSD-2-Clause
//
// The version on the first line of a message. All that is done differently hangs on one question.

/// `HTTP/1.x` (RFC 9112 section 2.3).
struct HTTPVersion {
    /// The version is 1.0. A later 1.x than 1.1 is taken for 1.1 (RFC 9110 section 2.5).
    let is10: Bool

    /// Bytes of a version that is well-formed.
    static let byteCount = 8

    init(parsing version: Range<Int>, of bytes: Span<UInt8>) throws(MessageError) {
        let start = version.lowerBound
        guard version.count == Self.byteCount, bytes.equals("HTTP/", in: start..<(start + 5)),
            ASCII.isDigit(bytes[start + 5]), bytes[start + 6] == UInt8(ascii: "."),
            ASCII.isDigit(bytes[start + 7])
        else { throw .versionMalformed }
        guard bytes[start + 5] == UInt8(ascii: "1") else { throw .versionNotSupported }
        is10 = bytes[start + 7] == UInt8(ascii: "0")
    }
}
