// SPDX-License-Identifier: BSD-2-Clause
//
// The URLs that a configuration may name: where a service is, below whose path requests are made.

/// Why a text is no URL of a service, as the end of a sentence about it.
package enum HTTPURLError: Error, Hashable, Sendable, CustomStringConvertible {
    /// Neither http nor https.
    case scheme
    /// No host, or one with user information, or one that is no name and no address.
    case host
    /// No decimal number from 1 to 65535.
    case port
    /// Bytes that a path cannot have, or a query or fragment: nothing could be put behind it.
    case path

    /// Such as `expected a port from 1 to 65535`.
    package var description: String {
        switch self {
        case .scheme: "expected http:// or https://"
        case .host: "expected a host name or an address (IPv6 in brackets)"
        case .port: "expected a port from 1 to 65535"
        case .path: "expected a path without query and fragment"
        }
    }
}

/// An `http` or `https` URL (RFC 3986, RFC 9110 section 4.2) of a service.
package struct HTTPURL: Hashable, Sendable {
    /// Whom to ask.
    package let origin: HTTPOrigin
    /// What goes before the service's own paths: empty, or from a slash on, and never with one at
    /// its end.
    package let pathPrefix: String

    /// Reads `https://witness.example:8443/path/`. Scheme and host may be in either case.
    ///
    /// - Throws: `HTTPURLError`.
    package init(parsing text: String) throws(HTTPURLError) {
        let isSecure: Bool
        var rest = text[...]
        switch rest.prefix(8).lowercased() {
        case "https://":
            isSecure = true
            rest = rest.dropFirst(8)
        case let start where start.hasPrefix("http://"):
            isSecure = false
            rest = rest.dropFirst(7)
        default:
            throw .scheme
        }
        let authorityEnd = rest.firstIndex { $0 == "/" || $0 == "?" || $0 == "#" } ?? rest.endIndex
        var (host, port) = try Self.split(authority: rest[..<authorityEnd])
        if host.hasPrefix("["), host.hasSuffix("]"), host.contains(":") {
            host = host.dropFirst().dropLast()
        } else if host.contains(":") {
            throw .host
        }
        guard let origin = HTTPOrigin(isSecure: isSecure, host: String(host), port: port) else {
            throw .host
        }
        self.origin = origin
        pathPrefix = try Self.prefix(of: rest[authorityEnd...])
    }

    /// Host, an IPv6 one with its brackets, and port, nil where there is none.
    private static func split(
        authority: Substring
    ) throws(HTTPURLError) -> (Substring, UInt16?) {
        guard let colon = authority.lastIndex(of: ":"), authority.last != "]" else {
            return (authority, nil)
        }
        let digits = authority[authority.index(after: colon)...]
        guard digits.utf8.allSatisfy({ $0 >= UInt8(ascii: "0") && $0 <= UInt8(ascii: "9") }),
            let port = UInt16(digits), port > 0
        else { throw .port }
        return (authority[..<colon], port)
    }

    private static func prefix(of path: Substring) throws(HTTPURLError) -> String {
        // RFC 3986 section 3.3: unreserved, percent-encoded, sub-delims, ":", "@", and the slash.
        let others = "-._~%!$&'()*+,;=:@/".utf8
        let isPath = path.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"):
                true
            default: others.contains(byte)
            }
        }
        guard isPath else { throw .path }
        var path = path
        while path.last == "/" { path.removeLast() }
        return String(path)
    }
}
