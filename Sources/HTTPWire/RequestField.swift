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

    /// Whether `name` is a token and says nothing about the connection.
    private static func isFree(_ name: StaticString) -> Bool {
        let bytes = Array("\(name)".utf8)
        let all = 0..<bytes.count
        let span = bytes.span
        return !bytes.isEmpty && bytes.allSatisfy { ByteSet.token.contains($0) }
            && !span.matches("host", in: all) && !span.matches("user-agent", in: all)
            && !span.matches("content-type", in: all) && !span.matches("content-length", in: all)
            && !span.matches("transfer-encoding", in: all) && !span.matches("connection", in: all)
            && !span.matches("expect", in: all) && !span.matches("upgrade", in: all)
            && !span.matches("te", in: all) && !span.matches("trailer", in: all)
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
