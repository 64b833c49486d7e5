// SPDX-License-Identifier: BSD-2-Clause
//
// Internet addresses and the names that stand for them. Only this file names the C symbols of the
// resolver and of socket addresses. It asks the resolver on the calling thread and may wait for
// other machines, so that is done at start, before any reactor runs, or by NameResolver.

import CLinux
import Reactor
import SystemPackage

/// An IPv4 or IPv6 address with its port.
///
/// `@safe`: the C storage does not leave this file but within a closure.
@safe struct SocketAddress: Sendable {
    private var storage = sockaddr_storage()
    private var byteCount: socklen_t

    /// The addresses of a host, to listen on or to connect to, each once, in the resolver's order.
    ///
    /// - Parameter host: a name or a literal address; empty stands for every address of the
    ///   machine, and is for listening.
    /// - Throws: what the resolver says.
    static func resolve(host: String, port: UInt16) throws(ResolverError) -> [SocketAddress] {
        var hints = unsafe addrinfo()
        unsafe hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        unsafe hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV
        var list: UnsafeMutablePointer<addrinfo>?
        // The strings live for the call. The list that it makes is freed below, after the copies.
        let status = unsafe getaddrinfo(host.isEmpty ? nil : host, String(port), &hints, &list)
        guard status == 0 else { throw ResolverError(status: status) }
        defer { unsafe freeaddrinfo(list) }

        var addresses: [SocketAddress] = []
        var next = unsafe list
        while let entry = unsafe next {
            let address = unsafe SocketAddress(
                copying: entry.pointee.ai_addr, byteCount: entry.pointee.ai_addrlen)
            if !addresses.contains(where: { $0.hasSameBytes(as: address) }) {
                addresses.append(address)
            }
            unsafe next = entry.pointee.ai_next
        }
        return addresses
    }

    /// The address that `host` spells out, in the one form that each family has: four decimal
    /// numbers, or what RFC 4291 section 2.2 describes, without brackets and zone. Nil for a name.
    init?(literal host: String, port: UInt16) {
        var (v4, v6) = (sockaddr_in(), sockaddr_in6())
        // The calls read a string that lives through them, and write an address of their family,
        // which is then copied.
        if unsafe inet_pton(AF_INET, host, &v4.sin_addr) == 1 {
            v4.sin_family = sa_family_t(AF_INET)
            self = unsafe withUnsafeBytes(of: v4) { unsafe SocketAddress(copying: $0) }
        } else if unsafe inet_pton(AF_INET6, host, &v6.sin6_addr) == 1 {
            v6.sin6_family = sa_family_t(AF_INET6)
            self = unsafe withUnsafeBytes(of: v6) { unsafe SocketAddress(copying: $0) }
        } else {
            return nil
        }
        self = with(port: port)
    }

    /// The address that a socket is bound to.
    static func local(of descriptor: borrowing OwnedDescriptor) throws(Errno) -> SocketAddress {
        var address = SocketAddress(byteCount: socklen_t(MemoryLayout<sockaddr_storage>.size))
        let rawValue = descriptor.rawValue
        // The kernel writes at most `byteCount` bytes to storage of that size.
        let status = unsafe withUnsafeMutablePointer(to: &address.storage) { storage in
            unsafe storage.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
                unsafe getsockname(rawValue, pointer, &address.byteCount)
            }
        }
        guard status == 0 else { throw Errno(rawValue: clinux_errno()) }
        return address
    }

    private init(byteCount: socklen_t) {
        self.byteCount = byteCount
    }

    private init(copying pointer: UnsafeMutablePointer<sockaddr>, byteCount: socklen_t) {
        // The resolver's address has `byteCount` bytes.
        unsafe self.init(
            copying: UnsafeRawBufferPointer(start: pointer, count: Int(byteCount)))
    }

    /// A copy of an address, of the family that its first bytes say, or of none if they are zero.
    init(copying bytes: UnsafeRawBufferPointer) {
        precondition(bytes.count <= MemoryLayout<sockaddr_storage>.size)
        byteCount = socklen_t(bytes.count)
        // The storage has room for them.
        unsafe withUnsafeMutableBytes(of: &storage) { unsafe $0.copyMemory(from: bytes) }
    }

    /// AF_INET or AF_INET6.
    var family: Int32 {
        Int32(storage.ss_family)
    }

    /// In host byte order.
    var port: UInt16 {
        // Both families keep the port, in network byte order, behind the two bytes of the family.
        unsafe withUnsafeBytes(of: storage) { bytes in
            unsafe UInt16(bytes[2]) << 8 | UInt16(bytes[3])
        }
    }

    /// The same address with another port.
    func with(port: UInt16) -> SocketAddress {
        var copy = self
        unsafe withUnsafeMutableBytes(of: &copy.storage) { bytes in
            unsafe bytes[2] = UInt8(port >> 8)
            unsafe bytes[3] = UInt8(port & 0xff)
        }
        return copy
    }

    /// Gives the address as the kernel's calls want it, for the duration of the closure.
    func withPointer(_ use: (UnsafePointer<sockaddr>, socklen_t) -> Int32) -> Int32 {
        // sockaddr is the common beginning of what the storage may hold.
        unsafe withUnsafePointer(to: storage) { storage in
            unsafe storage.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
                unsafe use(pointer, byteCount)
            }
        }
    }

    private func hasSameBytes(as other: SocketAddress) -> Bool {
        unsafe withUnsafeBytes(of: storage) { left in
            unsafe withUnsafeBytes(of: other.storage) { right in
                unsafe left.elementsEqual(right)
            }
        }
    }
}

extension SocketAddress: CustomStringConvertible {
    /// `127.0.0.1:6965` or `[::1]:6965`.
    var description: String {
        var host = [CChar](repeating: 0, count: Int(NI_MAXHOST))
        let status = unsafe withPointer { pointer, byteCount in
            // The host's text is written to an array of the length given, and ends in a zero.
            unsafe getnameinfo(
                pointer, byteCount, &host, socklen_t(host.count), nil, 0, NI_NUMERICHOST)
        }
        guard status == 0 else { return "address of family \(family)" }
        let text = String(
            decoding: host.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
        return family == AF_INET6 ? "[\(text)]:\(port)" : "\(text):\(port)"
    }
}

/// A name that stands for no address.
package struct ResolverError: Error, Hashable, Sendable, CustomStringConvertible {
    /// getaddrinfo's EAI code.
    let status: Int32

    /// The name is known and has no address.
    static let noAddress = ResolverError(status: EAI_NONAME)

    /// The resolver's words for it.
    package var description: String {
        // A constant string of the C library, which ends in a zero.
        unsafe String(cString: gai_strerror(status))
    }
}
