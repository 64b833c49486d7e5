// SPDX-License-Identifier: BSD-2-Clause
//
// Renders requests. A client sends few, each in a buffer of its own. When and over what connection
// they are sent, others decide.

/// Writes the requests to one server:
///
///     POST /witness/add-checkpoint HTTP/1.1
///     Host: witness.example
///     User-Agent: sigsum
///     Content-Type: text/plain
///     Content-Length: 6
///
///     old 0
///
/// The answer is asked for as it is: no Accept-Encoding, no TE. Whatever could end a line early is
/// the caller's error, and traps.
package struct RequestWriter: Sendable {
    private let host: String
    private let userAgent: String

    /// - Parameters:
    ///   - host: what goes into the Host field: name or address, an IPv6 one in brackets, and the
    ///     port unless it is the scheme's (RFC 9110 section 7.2).
    ///   - userAgent: what goes into the User-Agent field (RFC 9110 section 10.1.5).
    package init(host: String, userAgent: String) {
        precondition(!host.isEmpty && host.utf8.allSatisfy(ByteSet.authority.contains), "no host")
        precondition(!userAgent.isEmpty && userAgent.isFieldValue, "no user agent")
        self.host = host
        self.userAgent = userAgent
    }

    /// A whole request.
    /// - Parameters:
    ///   - method: GET, HEAD or POST.
    ///   - target: in origin form: path and perhaps query, from the first `/` on.
    ///   - contentType: the media type of the body, if it has one.
    ///   - body: for POST, and empty for the others, where a body has no meaning.
    package func render(
        _ method: Method, _ target: String, fields: [RequestField] = [],
        contentType: StaticString? = nil, body: Span<UInt8>
    ) -> [UInt8] {
        precondition(
            target.utf8.first == ASCII.slash && target.utf8.allSatisfy(ByteSet.target.contains),
            "no target in origin form")
        precondition(method == .post || body.isEmpty && contentType == nil, "a body without POST")

        var output: [UInt8] = []
        output.reserveCapacity(Self.headBytesUsual + target.utf8.count + body.count)
        output.append(Self.name(of: method))
        output.append(ASCII.space)
        output.append(contentsOf: target.utf8)
        output.append(" HTTP/1.1\r\n")
        output.append(field: "Host", host)
        output.append(field: "User-Agent", userAgent)
        for field in fields { output.append(field: field.name, field.value) }
        if let contentType { output.append(field: "Content-Type", "\(contentType)") }
        if method == .post { output.append(field: "Content-Length", "\(body.count)") }
        output.append("\r\n")
        output.append(copying: body)
        return output
    }

    private static let headBytesUsual = 512

    private static func name(of method: Method) -> StaticString {
        switch method {
        case .get: "GET"
        case .head: "HEAD"
        case .post: "POST"
        case .other: preconditionFailure("a method without a name")
        }
    }
}

extension [UInt8] {
    fileprivate mutating func append(field name: StaticString, _ value: String) {
        append(name)
        append(": ")
        append(contentsOf: value.utf8)
        append("\r\n")
    }
}
