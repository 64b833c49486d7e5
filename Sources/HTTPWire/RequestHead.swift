// SPDX-License-Identifier: BSD-2-Clause
//
// A request's head as ranges into the bytes it was parsed from: nothing is copied. It is meaningful
// only together with those bytes.

/// The head of a request (RFC 9112 sections 3 and 5). All ranges are offsets into the bytes that
/// were given to the `RequestParser.parse(_:)` call which completed the request.
package struct RequestHead: Sendable {
    /// The method; names are case-sensitive (RFC 9110 section 9.1).
    package internal(set) var method = Method.other
    /// The path and query in origin form, beginning with `/`. Of an absolute-form target this is
    /// the part from the path on; where that has no path, it is a lone `/` and the query is
    /// dropped. It is `*` for an OPTIONS request about the server as a whole.
    package internal(set) var target = 0..<0
    /// The fields in the order received, repeated ones included.
    package internal(set) var fields: [FieldLine] = []
    /// The request was HTTP/1.0; anything else that gets here is spoken to as HTTP/1.1.
    package internal(set) var isHTTP10 = false
    /// Whether the connection goes on after the response, and how that is said.
    package internal(set) var persistence = Persistence.close
    /// How the body is delimited; decided once, when the head is complete.
    package internal(set) var framing = BodyFraming.none
    /// The client waits for 100 (Continue) before it sends the body (RFC 9110 section 10.1.1).
    var expectsContinue = false

    /// The value of the first field called `name`, which is written in lower case.
    package func value(of name: StaticString, in bytes: Span<UInt8>) -> Range<Int>? {
        fields.value(of: name, in: bytes)
    }

    /// The value of the only field called `name`, which is written in lower case.
    package func occurrence(of name: StaticString, in bytes: Span<UInt8>) -> FieldOccurrence {
        fields.occurrence(of: name, in: bytes)
    }
}
