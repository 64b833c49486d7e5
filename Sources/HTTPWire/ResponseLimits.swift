// SPDX-License-Identifier: BSD-2-Clause
//
// How large a response may be. All bounds are known before the first byte arrives, so a client can
// own one receive buffer of fixed size, whatever a peer sends.

/// The bounds that a `ResponseParser` holds a response to. A value at its bound is accepted, one
/// past it makes the response malformed.
package struct ResponseLimits: Sendable, Hashable {
    /// Bytes of the head: from the first byte, interim responses included, to the empty line that
    /// ends it, inclusive.
    package var headBytesMax: Int
    /// Field lines in the head, and in that of each interim response.
    package var fieldCountMax: Int
    /// Bytes of the body, decoded.
    package var bodyBytesMax: Int
    /// Bytes of a chunked body that are not content: sizes, extensions, line ends, trailer section.
    package var chunkFramingBytesMax: Int

    /// Limits of their parts, in bytes and fields.
    package init(
        headBytesMax: Int = 16384, fieldCountMax: Int = 128, bodyBytesMax: Int = 65536,
        chunkFramingBytesMax: Int = 8192
    ) {
        precondition(headBytesMax > 0 && fieldCountMax > 0)
        precondition(bodyBytesMax >= 0 && chunkFramingBytesMax >= 0)
        self.headBytesMax = headBytesMax
        self.fieldCountMax = fieldCountMax
        self.bodyBytesMax = bodyBytesMax
        self.chunkFramingBytesMax = chunkFramingBytesMax
    }

    /// The capacity a receive buffer needs: given this many bytes, a parser never asks for more.
    /// Behind the largest body that the connection's end delimits there is room for one byte, to
    /// receive either it or the end.
    package var responseBytesMax: Int {
        headBytesMax + bodyBytesMax + max(chunkFramingBytesMax, 1)
    }
}
