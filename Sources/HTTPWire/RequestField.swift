// SPDX-License-Identifier: BSD-2-Clause
//
// A field that goes into a request beside those that every request has. It is checked at birth, so
// that a request with such fields is well-formed.

/// A field of a request to be sent (RFC 9110 section 5).
package struct RequestField: Sendable {
    let name: StaticString
    let value: String

    /// - Parameters:
    ///   - name: a token, and none of the fields that `RequestWriter` or the framing of a message
    ///     decides on.
    ///   - value: without control bytes, which could end the line early, and without white space
    ///     around it.
    package init(_ name: StaticString, _ value: String) {
        precondition(Self.isFree(name), "not a name, or one of the writer's own")
        precondition(value.isFieldValue, "no field value")
        self.name = name
        self.value = value
    }

    /// In lower case.
    private static let taken: [StaticString] = [
        "host", "user-agent", "content-type", "content-length", "transfer-encoding", "te",
        "trailer", "connection", "upgrade", "expect", "accept-encoding",
    ]

    private static func isFree(_ name: StaticString) -> Bool {
        let bytes = Array("\(name)".utf8)
        return !bytes.isEmpty && bytes.allSatisfy(ByteSet.token.contains)
            && !taken.contains { bytes.span.matches($0, in: 0..<bytes.count) }
    }
}

extension String {
    /// Whether this can be a field's value, and is read back as the same (RFC 9110 section 5.5).
    var isFieldValue: Bool {
        guard let first = utf8.first, let last = utf8.last else { return true }
        return !ASCII.isBlank(first) && !ASCII.isBlank(last)
            && utf8.allSatisfy { $0 == ASCII.tab || $0 >= 0x20 && $0 != 0x7f }
    }
}
