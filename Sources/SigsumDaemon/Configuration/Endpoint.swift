// SPDX-License-Identifier: BSD-2-Clause
//
// Where a server listens, in the syntax of Go's net.Listen: `localhost:6965`, `:6965` (every
// address), `[::1]:6965`, `localhost:http`. Names of hosts are resolved when the server starts,
// names of services here, so that a port is always a number.

import Glibc

/// `host:port`.
struct Endpoint: Sendable, Hashable {
    /// A host's name or address, without brackets; empty means every address of the machine.
    let host: String

    /// 0 lets the kernel choose.
    let port: UInt16

    init(host: String, port: UInt16) {
        self.host = host
        self.port = port
    }
}

extension Endpoint: TextSettingValue {
    static let expectation = "host:port, such as \"localhost:6965\", \":6965\" or \"[::1]:6965\""

    init(parsing text: String) throws(SettingSyntaxError) {
        let (host, port) = try Self.split(text)
        self.init(host: host, port: try Self.parsePort(port))
    }

    var description: String {
        host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
    }

    /// Go's net.SplitHostPort, and a look at the host's characters.
    private static func split(
        _ text: String
    ) throws(SettingSyntaxError) -> (host: String, port: String) {
        guard let colon = text.lastIndex(of: ":") else { throw SettingSyntaxError("missing port") }
        let port = String(text[text.index(after: colon)...])
        guard text.hasPrefix("[") else {
            let host = String(text[..<colon])
            guard !host.contains(":") else {
                throw SettingSyntaxError("too many colons; an IPv6 address stands in brackets")
            }
            guard isHostName(host) else { throw SettingSyntaxError("not a host name") }
            return (host, port)
        }
        guard let bracket = text.firstIndex(of: "]") else {
            throw SettingSyntaxError("missing ']'")
        }
        guard text.index(after: bracket) == colon else { throw SettingSyntaxError("missing port") }
        let host = String(text[text.index(after: text.startIndex)..<bracket])
        guard isHostName(host) || isIPv6(host) else {
            throw SettingSyntaxError("not an IPv6 address")
        }
        return (host, port)
    }

    private static func parsePort(_ text: String) throws(SettingSyntaxError) -> UInt16 {
        guard !text.isEmpty else { throw SettingSyntaxError("missing port") }
        if text.utf8.allSatisfy({ (0x30...0x39).contains($0) }) {
            guard let port = UInt16(text) else {
                throw SettingSyntaxError("a port is at most 65535")
            }
            return port
        }
        guard isHostName(text), let port = servicePort(named: text) else {
            throw SettingSyntaxError("unknown service \(quoted(text))")
        }
        return port
    }

    /// Letters, digits, `-`, `.`, `_`: names as well as IPv4 addresses. Empty is one, too.
    static func isHostName(_ text: some StringProtocol) -> Bool {
        text.utf8.allSatisfy { byte in
            switch byte {
            case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x2E, 0x5F: true
            default: false
            }
        }
    }

    /// An IPv6 address, with a zone or without: `fe80::1%eth0`.
    private static func isIPv6(_ text: String) -> Bool {
        let parts = text.split(separator: "%", maxSplits: 1, omittingEmptySubsequences: false)
        if parts.count == 2, parts[1].isEmpty || !isHostName(parts[1]) { return false }
        return isIPv6Address(String(parts[0]))
    }

    /// An IPv6 address without a zone.
    static func isIPv6Address(_ text: String) -> Bool {
        var address = in6_addr()
        // The text is passed as a C string that lives for the call, and AF_INET6 writes the 16
        // bytes that `address` has.
        return unsafe inet_pton(AF_INET6, text, &address) == 1
    }

    /// The TCP port of a service in the system's database, usually /etc/services.
    private static func servicePort(named name: String) -> UInt16? {
        var hints = unsafe addrinfo()
        unsafe hints.ai_family = AF_INET
        unsafe hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var found: UnsafeMutablePointer<addrinfo>?
        // Both pointers live for the call; what it allocates is freed below and not kept.
        guard unsafe getaddrinfo(nil, name, &hints, &found) == 0 else { return nil }
        defer { unsafe freeaddrinfo(found) }
        guard let entry = unsafe found, let address = unsafe entry.pointee.ai_addr else {
            return nil
        }
        // AF_INET was asked for, so what ai_addr points to is a sockaddr_in.
        return unsafe address.withMemoryRebound(to: sockaddr_in.self, capacity: 1) { inet in
            unsafe UInt16(bigEndian: inet.pointee.sin_port)
        }
    }
}
