// SPDX-License-Identifier: BSD-2-Clause
//
// Whom a client talks to, and how (RFC 9110 section 4.3.1). What is asked for there, the path, is in
// each request.

/// A scheme, host and port.
package struct HTTPOrigin: Hashable, Sendable {
    /// `https` rather than `http`.
    package let isSecure: Bool
    /// A name in lower case, an IPv4 address, or an IPv6 address without brackets.
    package let host: String
    /// The port, also when it is the scheme's own.
    package let port: UInt16

    /// RFC 1035 section 2.3.4, without the length bytes, and with the dot that a name may end in.
    private static let nameBytesMax = 254

    /// An origin, or nil if `host` is neither a literal address nor a name of letters, digits,
    /// hyphens, underscores and dots (an international name comes as its A-labels).
    ///
    /// - Parameters:
    ///   - host: in either case; an IPv6 address without brackets and without a zone.
    ///   - port: nil for the scheme's own, 443 or 80.
    package init?(isSecure: Bool, host: String, port: UInt16? = nil) {
        let host = host.lowercased()
        let isName = host.utf8.allSatisfy(Self.isNameByte)
        guard isName || SocketAddress(literal: host, port: 0) != nil, !host.isEmpty,
            host.utf8.count <= Self.nameBytesMax, port != 0
        else { return nil }
        self.isSecure = isSecure
        self.host = host
        self.port = port ?? (isSecure ? 443 : 80)
    }

    /// The value of a request's Host field: the port is left out when it is the scheme's own.
    package var authority: String {
        let host = host.contains(":") ? "[\(host)]" : host
        return port == (isSecure ? 443 : 80) ? host : "\(host):\(port)"
    }

    /// The host is an address, so nobody has to be asked for it.
    var isAddress: Bool { SocketAddress(literal: host, port: port) != nil }

    private static func isNameByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"): true
        case UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."): true
        default: false
        }
    }
}

extension HTTPOrigin: CustomStringConvertible {
    /// `https://witness.example:8443`
    package var description: String {
        "\(isSecure ? "https" : "http")://\(authority)"
    }
}
