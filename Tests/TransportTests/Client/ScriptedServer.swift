// SPDX-License-Identifier: BSD-2-Clause
//
// A server that does, connection by connection, what a test wrote down for it, with blocking calls
// on a thread of its own.

import CLinux
import HTTPWire
import Reactor
import Synchronization
import SystemPackage
import Testing

@testable import Transport

/// The server's end of one accepted connection. Reads fail after five minutes: nothing here takes so
/// long.
class Peer {
    private(set) var socket: OwnedDescriptor?
    private var buffer: [UInt8] = []

    init(_ socket: consuming OwnedDescriptor) {
        self.socket = consume socket
    }

    /// At most as many bytes as `buffer` has; 0 at the end, negative when it failed.
    func read(into buffer: inout [UInt8]) -> Int {
        guard case .moved(let count) = socket?.receive(into: &buffer, from: 0) else { return -1 }
        return count
    }

    /// Whether all was taken.
    func write(_ bytes: [UInt8]) -> Bool {
        var sent = 0
        while sent < bytes.count {
            guard case .moved(let count) = socket?.send(bytes.span.extracting(sent...)) else {
                return false
            }
            sent += count
        }
        return true
    }

    /// The head and the body of the next request; nil when the client has closed the connection.
    func receive() -> String? {
        var end: Int?
        while true {
            let text = String(decoding: buffer, as: UTF8.self)
            if end == nil, let head = text.firstRange(of: "\r\n\r\n") {
                let length = text.firstRange(of: "Content-Length: ").map { field in
                    Int(text[field.upperBound...].prefix { $0.isNumber }) ?? 0
                }
                end = text[..<head.upperBound].utf8.count + (length ?? 0)
            }
            if let end, buffer.count >= end {
                defer { buffer.removeFirst(end) }
                return String(decoding: buffer.prefix(end), as: UTF8.self)
            }
            var bytes = [UInt8](repeating: 0, count: 4_096)
            let count = read(into: &bytes)
            if count <= 0 { return nil }
            buffer += bytes.prefix(count)
        }
    }

    @discardableResult
    func send(_ text: String) -> Bool {
        write(Array(text.utf8))
    }

    /// A whole answer.
    func answer(_ body: String) {
        send("HTTP/1.1 200 OK\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)")
    }

    /// Answers every request with its target, until the client closes.
    func echo() {
        while let request = receive() {
            let words = request.split(separator: " ", maxSplits: 2)
            answer(words.count > 1 ? String(words[1]) : "")
        }
    }

    /// Whether the client closes the connection without sending anything more.
    func hasEnded() -> Bool {
        receive() == nil
    }

    /// Ends the connection, also where a process that another test is just starting has a copy of
    /// the descriptor.
    func close() {
        guard let number = socket?.rawValue else { return }
        _ = shutdown(number, Int32(SHUT_RDWR))
        socket = nil
    }

    /// Closes with a reset instead of an orderly end.
    func reset() {
        guard let number = socket?.rawValue else { return }
        var option = linger(l_onoff: 1, l_linger: 0)
        // The kernel reads a local variable of the size given.
        unsafe setsockopt(
            number, SOL_SOCKET, SO_LINGER, &option, socklen_t(MemoryLayout<linger>.size))
        socket = nil
    }
}

/// Accepts connections one after the other, each for the next script. Its life ends when the scripts
/// that have begun are done, so the client has to go before.
final class ScriptedServer {
    typealias Script = @Sendable (Peer) throws -> Void

    /// What the thread has a hand in.
    private final class Shared: Sendable {
        let listener: OwnedDescriptor
        let accepted = Atomic(0)

        init(_ listener: consuming OwnedDescriptor) {
            self.listener = listener
        }

        /// Nil when nothing more can be accepted.
        func accept(_ wrap: (consuming OwnedDescriptor) -> Peer) -> Peer? {
            let number = listener.rawValue
            do {
                // The peer's address is not asked for.
                let socket = try OwnedDescriptor(opening: {
                    accept4(number, nil, nil, Int32(SOCK_CLOEXEC.rawValue))
                })
                accepted.add(1, ordering: .sequentiallyConsistent)
                limitWaiting(on: socket)
                return wrap(socket)
            } catch {
                return nil
            }
        }
    }

    let address: SocketAddress
    private let shared: Shared
    private var thread: JoinableThread?

    /// - Parameters:
    ///   - wrap: makes the peer of a connection, for another one than `Peer`.
    ///   - scripts: for one connection each.
    init(
        host: String = "127.0.0.1", wrap: @escaping @Sendable (consuming OwnedDescriptor) -> Peer,
        _ scripts: [Script]
    ) throws {
        let any = try #require(SocketAddress(literal: host, port: 0))
        let shared = Shared(try .listening(on: any, backlog: 16))
        self.shared = shared
        address = try SocketAddress.local(of: shared.listener)
        thread = try JoinableThread(name: "scripted") {
            for script in scripts {
                guard let peer = shared.accept(wrap) else { return }
                #expect(throws: Never.self) { try script(peer) }
            }
        }
    }

    convenience init(host: String = "127.0.0.1", _ scripts: Script...) throws {
        try self.init(host: host, wrap: { Peer($0) }, scripts)
    }

    deinit {
        // Wakes whoever waits in accept.
        _ = shutdown(shared.listener.rawValue, Int32(SHUT_RDWR))
        thread.take()?.join()
    }

    var port: UInt16 { address.port }

    /// Connections so far.
    var connectionCount: Int { shared.accepted.load(ordering: .sequentiallyConsistent) }
}

extension OwnedDescriptor {
    /// A blocking socket with an address.
    static func bound(to address: SocketAddress) throws -> OwnedDescriptor {
        let type = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue)
        let socket = try OwnedDescriptor { CLinux.socket(address.family, type, 0) }
        let number = socket.rawValue
        _ = try Syscall.value {
            // The kernel reads the address while the closure runs.
            unsafe address.withPointer { unsafe bind(number, $0, $1) }
        }
        return socket
    }

    /// A blocking socket that listens.
    static func listening(on address: SocketAddress, backlog: Int32) throws -> OwnedDescriptor {
        let socket = try bound(to: address)
        let number = socket.rawValue
        _ = try Syscall.value { listen(number, backlog) }
        return socket
    }
}

/// An address that nobody listens on, and nobody else gets: whoever connects is refused.
final class DeadEnd {
    let address: SocketAddress
    private let socket: OwnedDescriptor

    init(host: String = "127.0.0.1") throws {
        let any = try #require(SocketAddress(literal: host, port: 0))
        socket = try .bound(to: any)
        address = try SocketAddress.local(of: socket)
    }
}

/// An address whose listener has a full backlog and accepts nothing: whoever connects gets no
/// answer at all, as from an address behind a firewall.
final class BlackHole {
    let address: SocketAddress
    private let listener: OwnedDescriptor
    private var fillers: [Client] = []

    init() throws {
        let any = try #require(SocketAddress(literal: "127.0.0.1", port: 0))
        listener = try .listening(on: any, backlog: 0)
        address = try SocketAddress.local(of: listener)
        // A backlog of n takes n + 1 connections.
        let filler = try Client()
        try filler.connect(port: address.port)
        fillers.append(filler)
        // Not before it is in the backlog is that full.
        let number = listener.rawValue
        _ = try Syscall.value { () -> Int32 in
            var entry = pollfd(fd: number, events: Int16(POLLIN), revents: 0)
            // The kernel reads and writes one entry, a local variable.
            return unsafe poll(&entry, 1, -1)
        }
    }
}

/// A read that waits for five minutes fails, and little is sent that nobody reads.
private func limitWaiting(on socket: borrowing OwnedDescriptor) {
    var patience = timeval(tv_sec: 300, tv_usec: 0)
    var sendBytes: Int32 = 4_096
    let number = socket.rawValue
    // The kernel reads local variables of the sizes given.
    unsafe setsockopt(
        number, SOL_SOCKET, SO_RCVTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
    unsafe setsockopt(
        number, SOL_SOCKET, SO_SNDBUF, &sendBytes, socklen_t(MemoryLayout<Int32>.size))
}
