// SPDX-License-Identifier: BSD-2-Clause
//
// A response's head as ranges into the bytes it was parsed from: nothing is copied. It is meaningful
// only together with those bytes.

/// The head of a final response (RFC 9112 sections 4 and 5). All ranges are offsets into the bytes
/// that were given to the `ResponseParser` call which completed the response.
package struct ResponseHead: Sendable {
    /// Three digits, 200 or more. Past 599 there is no meaning; RFC 9110 section 15 has such a one
    /// taken for a server error.
    package internal(set) var statusCode = 0
    /// The fields in the order received, repeated ones included.
    package internal(set) var fields: [FieldLine] = []
    /// The response was HTTP/1.0; anything else that gets here is taken for HTTP/1.1.
    package internal(set) var isHTTP10 = false
    /// Whether the connection can be used again: not when it is `.close`.
    package internal(set) var persistence = Persistence.close
    /// How the body is delimited; decided once, when the head is complete.
    package internal(set) var framing = BodyFraming.none

    /// The value of the first field called `name`, which is written in lower case.
    package func value(of name: StaticString, in bytes: Span<UInt8>) -> Range<Int>? {
        fields.value(of: name, in: bytes)
    }
}
