// SPDX-License-Identifier: BSD-2-Clause
//
// Sockets that listen. Several reactors share an address by SO_REUSEPORT, and the kernel spreads
// connections over their sockets; a second process started by mistake must not join them. Who
// accepts is HTTPServer's part.

import CLinux
import Reactor
package import SystemPackage

/// Why an endpoint cannot be listened on.
package struct ListenError: Error, CustomStringConvertible {
    /// What stood in the way.
    package enum Cause: Sendable {
        /// The host is no name that the resolver knows.
        case unknownHost(String)
        /// An address that the host stands for, and what the kernel says about it. EADDRINUSE:
        /// another process listens there.
        case refused(address: String, Errno)
    }

    /// The host as it was given.
    package let host: String
    /// The port as it was given.
    package let port: UInt16
    /// What stood in the way.
    package let cause: Cause

    /// One line: the endpoint, the address where it is another, and why not.
    package var description: String {
        let endpoint = host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
        return switch cause {
        case .unknownHost(let reason):
            "cannot listen on \(endpoint): \(reason)"
        case .refused(let address, let error) where address != endpoint:
            "cannot listen on \(endpoint) (\(address)): \(error)"
        case .refused(_, let error):
            "cannot listen on \(endpoint): \(error)"
        }
    }
}

/// A listening socket, non-blocking, to be given to one server.
package final class Listener: Sendable {
    let descriptor: OwnedDescriptor
    /// The address listened on, such as `127.0.0.1:6965` or `[::1]:6965`.
    package let address: String
    /// The port listened on, also when the kernel chose it.
    package let port: UInt16

    /// Connections that wait to be accepted; the kernel cuts it to net.core.somaxconn.
    private static let backlog: Int32 = 4_096

    /// Listens on every address that `host` stands for.
    ///
    /// The first socket of an address is bound without SO_REUSEPORT and gets the option afterwards:
    /// so it cannot join the sockets of another process, and those of this one can join it.
    ///
    /// - Parameters:
    ///   - host: a name or a literal address; empty stands for every address of the machine.
    ///   - port: 0 lets the kernel choose, for each address its own.
    ///   - count: how many reactors will accept.
    /// - Returns: for each reactor, a listener for each address.
    /// - Throws: `ListenError`. An address whose family or self this machine does not have (IPv6
    ///   switched off) is passed over if there is another.
    package static func bind(
        host: String, port: UInt16, count: Int
    ) throws(ListenError) -> [[Listener]] {
        precondition(count > 0)
        let addresses: [SocketAddress]
        do {
            addresses = try SocketAddress.resolve(host: host, port: port)
        } catch {
            throw ListenError(host: host, port: port, cause: .unknownHost("\(error)"))
        }
        var rows = [[Listener]](repeating: [], count: count)
        var absence: ListenError?
        for address in addresses {
            do throws(Errno) {
                let group = try bind(address, count: count)
                for index in rows.indices {
                    rows[index].append(group[index])
                }
            } catch {
                let refusal = ListenError(
                    host: host, port: port, cause: .refused(address: "\(address)", error))
                guard error == .addressNotAvailable || error == .addressFamilyNotSupported else {
                    throw refusal
                }
                absence = absence ?? refusal
            }
        }
        if let absence, rows[0].isEmpty { throw absence }
        return rows
    }

    private static func bind(
        _ address: SocketAddress, count: Int
    ) throws(Errno) -> [Listener] {
        let first = try open(address)
        try bind(first, to: address)
        if count > 1 { try first.setOption(SOL_SOCKET, SO_REUSEPORT) }
        // With the port that the kernel chose, if it was asked to.
        let bound = try SocketAddress.local(of: first)
        var group = [try Listener(first, listeningOn: bound)]
        for _ in 1..<count {
            let next = try open(address)
            try next.setOption(SOL_SOCKET, SO_REUSEPORT)
            try bind(next, to: bound)
            group.append(try Listener(next, listeningOn: bound))
        }
        return group
    }

    private static func open(_ address: SocketAddress) throws(Errno) -> OwnedDescriptor {
        let type = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue)
        let descriptor = try OwnedDescriptor { socket(address.family, type, 0) }
        // A restart must not wait until the connections of the last run are out of TIME_WAIT.
        try descriptor.setOption(SOL_SOCKET, SO_REUSEADDR)
        // Else the IPv6 wildcard takes the IPv4 one with it, which gets a socket of its own.
        if address.family == AF_INET6 {
            try descriptor.setOption(Int32(IPPROTO_IPV6), IPV6_V6ONLY)
        }
        // Responses are sent whole. Accepted sockets inherit this, which saves a call for each.
        try descriptor.setOption(Int32(IPPROTO_TCP), TCP_NODELAY)
        return descriptor
    }

    private static func bind(
        _ descriptor: borrowing OwnedDescriptor, to address: SocketAddress
    ) throws(Errno) {
        let rawValue = descriptor.rawValue
        _ = try Syscall.value {
            unsafe address.withPointer { pointer, byteCount in
                // The kernel reads the address while the closure runs.
                unsafe CLinux.bind(rawValue, pointer, byteCount)
            }
        }
    }

    private init(
        _ descriptor: consuming OwnedDescriptor, listeningOn address: SocketAddress
    ) throws(Errno) {
        let rawValue = descriptor.rawValue
        _ = try Syscall.value { listen(rawValue, Self.backlog) }
        self.descriptor = descriptor
        self.address = "\(address)"
        port = address.port
    }
}

/// What came of one attempt to accept a connection.
enum AcceptOutcome: ~Copyable {
    case connection(OwnedDescriptor)
    case noneWaiting
    /// A connection that had failed before it could be accepted is gone; there may be others.
    case lost
    /// The process or the system is short of descriptors or memory: the connection still waits.
    case exhausted(Errno)
}

extension Listener {
    /// Takes the longest waiting connection, as a non-blocking descriptor.
    func accept() -> AcceptOutcome {
        let rawValue = descriptor.rawValue
        let flags = Int32(SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue)
        do throws(Errno) {
            // The peer's address is not asked for.
            return .connection(
                try OwnedDescriptor(opening: { accept4(rawValue, nil, nil, flags) }))
        } catch {
            switch error {
            case .resourceTemporarilyUnavailable:
                return .noneWaiting
            case .tooManyOpenFiles, .tooManyOpenFilesInSystem, .noBufferSpace, .noMemory:
                return .exhausted(error)
            default:
                // accept(2): Linux passes on what happened to the connection (ECONNABORTED, EPERM
                // of a firewall, network errors); it is to be treated like "none waiting".
                return .lost
            }
        }
    }
}
