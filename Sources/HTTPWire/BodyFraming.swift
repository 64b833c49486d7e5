// SPDX-License-Identifier: BSD-2-Clause
//
// Where a message's body ends. It is decided in one place, once, from the complete head: whatever
// two readers could take for different lengths is refused, since that is how requests are smuggled
// (RFC 9112 sections 6.3, 11.2). A response is held to the same: one that its sender and a proxy on
// its way could read differently is not worth guessing at.

/// How the body of a message is delimited.
package enum BodyFraming: Sendable, Hashable {
    /// There is no body.
    case none
    /// This many bytes, from Content-Length.
    case length(Int)
    /// Chunks, from `Transfer-Encoding: chunked` (RFC 9112 section 7.1).
    case chunked
    /// All that follows until the connection ends: only a response's (section 6.3, item 8).
    case untilClose

    /// - Parameter unsaid: the framing of a message whose fields say nothing of it: `.none` of a
    ///   request, `.untilClose` of a response.
    init(
        _ fields: FramingFields, unsaid: BodyFraming, isHTTP10: Bool, in bytes: Span<UInt8>
    ) throws(MessageError) {
        switch (fields.contentLength, fields.transferEncoding) {
        case (.absent, .absent):
            self = unsaid
        case (.once(let value), .absent):
            self = .length(try Self.length(value, of: bytes))
        case (.repeated, .absent):
            throw .lengthRepeated
        case (.absent, .once(let value)):
            // HTTP/1.0 has no chunks: whoever passed this on may have seen another end (6.1).
            guard !isHTTP10 else { throw .transferEncodingInHTTP10 }
            try Self.checkChunked(value, of: bytes)
            self = .chunked
        case (.absent, .repeated):
            guard !isHTTP10 else { throw .transferEncodingInHTTP10 }
            throw .transferEncodingRepeated
        default:
            throw .lengthAndTransferEncoding
        }
    }

    /// `1*DIGIT` and nothing else: no sign, no list, also not of equal lengths. No leading zero
    /// either: the grammar allows it, nobody sends it, and some would read octal.
    private static func length(
        _ value: Range<Int>, of bytes: Span<UInt8>
    ) throws(MessageError) -> Int {
        guard !value.isEmpty else { throw .lengthMalformed }
        guard value.count == 1 || bytes[value.lowerBound] != ASCII.zero else {
            throw .lengthMalformed
        }
        var length = 0
        for offset in value {
            guard ASCII.isDigit(bytes[offset]) else { throw .lengthMalformed }
            let shifted = length.multipliedReportingOverflow(by: 10)
            let sum = shifted.partialValue.addingReportingOverflow(Int(bytes[offset] - ASCII.zero))
            guard !shifted.overflow, !sum.overflow else { throw .lengthMalformed }
            length = sum.partialValue
        }
        return length
    }

    /// `chunked` in any case, once and without parameters. Other codings are not implemented (501);
    /// what is no list of plain codings, or names chunked twice, is malformed.
    private static func checkChunked(
        _ value: Range<Int>, of bytes: Span<UInt8>
    ) throws(MessageError) {
        guard !bytes.matches("chunked", in: value) else { return }
        var refusal = MessageError.transferEncodingMalformed
        var isMalformed = false
        bytes.forEachElement(ofList: value) { coding in
            let isToken = bytes.endOfRun(of: .token, in: coding) == coding.upperBound
            if coding.isEmpty || !isToken { isMalformed = true }
            if !bytes.matches("chunked", in: coding) { refusal = .transferEncodingUnknown }
        }
        throw isMalformed ? .transferEncodingMalformed : refusal
    }
}
