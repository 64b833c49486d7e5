// SPDX-License-Identifier: BSD-2-Clause
//
// How large a request may be. All bounds are known before the first byte arrives, so a connection
// can own one receive buffer of fixed size.

/// The bounds that a `RequestParser` holds a request to. A value at its bound is accepted.
package struct RequestLimits: Sendable, Hashable {
    /// Bytes of the head: from the first byte, skipped empty lines included, to the empty line that
    /// ends it, inclusive. Past it: 414 within the request line, else 431.
    package var headBytesMax: Int
    /// Field lines in the head. Past it: 431.
    package var fieldCountMax: Int
    /// Bytes of the body, decoded. Past it: 413.
    package var bodyBytesMax: Int
    /// Bytes of a chunked body that are not content: sizes, extensions, line ends, trailer section.
    /// Past it: 400.
    package var chunkFramingBytesMax: Int

    /// Limits of their parts, in bytes and fields.
    package init(
        headBytesMax: Int = 8192, fieldCountMax: Int = 64, bodyBytesMax: Int = 4096,
        chunkFramingBytesMax: Int = 4096
    ) {
        precondition(headBytesMax > 0 && fieldCountMax > 0)
        precondition(bodyBytesMax >= 0 && chunkFramingBytesMax >= 0)
        self.headBytesMax = headBytesMax
        self.fieldCountMax = fieldCountMax
        self.bodyBytesMax = bodyBytesMax
        self.chunkFramingBytesMax = chunkFramingBytesMax
    }

    /// The capacity a receive buffer needs: given this many bytes, a parser never asks for more.
    package var requestBytesMax: Int {
        headBytesMax + bodyBytesMax + chunkFramingBytesMax
    }
}
