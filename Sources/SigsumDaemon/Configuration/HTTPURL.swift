// SPDX-License-Identifier: BSD-2-Clause
//
// The base URL of another node, to which endpoint names are appended: `https://log.example.org/a`.

import Transport

/// An absolute http or https URL of scheme, host, port and path.
struct HTTPURL: Sendable, Hashable {
    /// Whom to ask; the port is the scheme's own where the URL names none.
    let origin: HTTPOrigin

    /// Percent-encoded as written, without a slash at the end: empty or `/a/b`.
    let path: String
}

extension HTTPURL: TextSettingValue {
    static let expectation = "a URL such as \"http://localhost:6967\" or \"https://example.org/a\""

    /// RFC 3986 as far as RFC 9110 section 4.2 uses it. User names, queries and fragments are
    /// refused, as they would have no effect.
    init(parsing text: String) throws(SettingSyntaxError) {
        let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2, parts[1].hasPrefix("//") else { throw SettingSyntaxError() }
        let scheme = parts[0].lowercased()
        guard scheme == "http" || scheme == "https" else {
            throw SettingSyntaxError("unknown scheme \(quoted(String(parts[0])))")
        }
        let rest = parts[1].dropFirst(2)
        for (character, name) in [("?" as Character, "query"), ("#", "fragment")]
        where rest.contains(character) {
            throw SettingSyntaxError("has a \(name)")
        }
        let authority = rest.prefix { $0 != "/" }
        guard !authority.contains("@") else { throw SettingSyntaxError("has a user name") }
        let (host, port) = try Self.split(authority)
        guard
            let origin = HTTPOrigin(
                isSecure: scheme == "https", host: host, port: try Self.parsePort(port))
        else { throw SettingSyntaxError("not a host name") }
        self.init(origin: origin, path: try Self.parsePath(rest.dropFirst(authority.count)))
    }

    var description: String { "\(origin)\(path)" }

    private static func split(
        _ authority: Substring
    ) throws(SettingSyntaxError) -> (host: String, port: Substring) {
        if authority.hasPrefix("[") {
            let parts = authority.dropFirst().split(
                separator: "]", maxSplits: 1, omittingEmptySubsequences: false)
            guard parts.count == 2, Endpoint.isIPv6Address(String(parts[0])),
                parts[1].isEmpty || parts[1].hasPrefix(":")
            else { throw SettingSyntaxError("not an IPv6 address in brackets") }
            return (String(parts[0]), parts[1].dropFirst())
        }
        let parts = authority.split(
            separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        guard let host = parts.first, !host.isEmpty else { throw SettingSyntaxError("no host") }
        guard Endpoint.isHostName(host) else { throw SettingSyntaxError("not a host name") }
        return (String(host), parts.count == 2 ? parts[1] : "")
    }

    private static func parsePort(_ text: Substring) throws(SettingSyntaxError) -> UInt16? {
        if text.isEmpty { return nil }
        guard text.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let port = UInt16(text),
            port > 0
        else { throw SettingSyntaxError("a port is a number from 1 to 65535") }
        return port
    }

    private static func parsePath(_ text: Substring) throws(SettingSyntaxError) -> String {
        var rest = text.unicodeScalars[...]
        while let scalar = rest.popFirst() {
            if scalar == "/" || scalar.isPathCharacter { continue }
            let isEscape =
                scalar == "%" && rest.count >= 2
                && rest.prefix(2).allSatisfy { $0.isASCII && $0.properties.isHexDigit }
            guard isEscape else { throw SettingSyntaxError("character \(quoted(String(scalar)))") }
            rest = rest.dropFirst(2)
        }
        var path = text
        while path.hasSuffix("/") { path.removeLast() }
        return String(path)
    }
}
