// SPDX-License-Identifier: BSD-2-Clause
//
// A name server that answers as a test wrote down for it, over UDP and TCP on one port, with
// blocking calls on a thread for each.

import CLinux
import Reactor
import Synchronization
import SystemPackage
import Testing

@testable import Transport

/// A name server on 127.0.0.1. Its life ends when the scripts that have begun are done, so whoever
/// asks it has to end before.
final class NameServer {
    /// Datagrams for a question, the question being a whole message.
    typealias Datagrams = @Sendable (_ question: [UInt8]) -> [[UInt8]]
    /// One connection.
    typealias Script = @Sendable (Peer) -> Void

    let address: SocketAddress
    private let shared: Shared
    private var datagramThread: JoinableThread?
    private var streamThread: JoinableThread?

    /// - Parameter stream: what is done with each connection; nil: connections are refused.
    init(datagrams: @escaping Datagrams, stream: Script? = nil) throws {
        let shared: Shared
        (shared, address) = try Self.open()
        self.shared = shared
        datagramThread = try JoinableThread(name: "datagrams") { shared.answer(datagrams) }
        guard let stream else { return }
        let listener = shared.listener.rawValue
        _ = try Syscall.value { listen(listener, 16) }
        streamThread = try JoinableThread(name: "streams") { shared.serve(stream) }
    }

    deinit {
        end()
    }

    /// Returns when all that came is dealt with, and nothing more will be.
    func end() {
        shared.endDatagrams(at: address)
        datagramThread.take()?.join()
        // Wakes whoever waits in accept.
        _ = shutdown(shared.listener.rawValue, Int32(SHUT_RDWR))
        streamThread.take()?.join()
    }

    /// The datagrams that came, the oldest first.
    var asked: [[UInt8]] { shared.questions.withLock { $0 } }

    /// The connections that were made.
    var connectionCount: Int { shared.accepted.load(ordering: .sequentiallyConsistent) }

    /// Sockets for datagrams and for connections that have the same port.
    private static func open() throws -> (Shared, SocketAddress) {
        let any = try #require(SocketAddress(literal: "127.0.0.1", port: 0))
        for _ in 0..<100 {
            let listener = try OwnedDescriptor.bound(to: any)
            let address = try SocketAddress.local(of: listener)
            do throws(Errno) {
                let socket = try OwnedDescriptor.datagrams(at: address)
                return (Shared(socket: socket, listener: listener), address)
            } catch {
                #expect(error == .addressInUse)
            }
        }
        throw Errno.addressInUse
    }

    /// What the threads have a hand in.
    private final class Shared: Sendable {
        let socket: OwnedDescriptor
        let listener: OwnedDescriptor
        let questions = Mutex<[[UInt8]]>([])
        let accepted = Atomic(0)

        init(socket: consuming OwnedDescriptor, listener: consuming OwnedDescriptor) {
            self.socket = consume socket
            self.listener = consume listener
        }

        func answer(_ datagrams: Datagrams) {
            var (question, peer) = ([UInt8](repeating: 0, count: 512), sockaddr_storage())
            while true {
                var size = socklen_t(MemoryLayout<sockaddr_storage>.size)
                // The kernel writes within the sizes given.
                let count = unsafe withUnsafeMutableBytes(of: &peer) { peer in
                    unsafe recvfrom(
                        socket.rawValue, &question, question.count, 0,
                        peer.assumingMemoryBound(to: sockaddr.self).baseAddress, &size)
                }
                guard count > 0 else { return }
                let asked = Array(question.prefix(count))
                questions.withLock { $0.append(asked) }
                // The kernel reads within the sizes given.
                let address = unsafe withUnsafeBytes(of: peer) { peer in
                    unsafe SocketAddress(copying: .init(rebasing: peer[..<Int(size)]))
                }
                for answer in datagrams(asked) { send(answer, to: address) }
            }
        }

        func serve(_ script: Script) {
            while true {
                let listener = listener.rawValue
                let number = accept4(listener, nil, nil, Int32(SOCK_CLOEXEC.rawValue))
                guard number >= 0 else { return }
                accepted.add(1, ordering: .sequentiallyConsistent)
                script(Peer(OwnedDescriptor(adopting: number)))
            }
        }

        /// An empty datagram, as no question is, ends the thread.
        func endDatagrams(at address: SocketAddress) {
            send([], to: address)
        }

        private func send(_ datagram: [UInt8], to address: SocketAddress) {
            let rawValue = socket.rawValue
            _ = unsafe address.withPointer { pointer, byteCount in
                // The kernel reads within the sizes given.
                Int32(unsafe sendto(rawValue, datagram, datagram.count, 0, pointer, byteCount))
            }
        }
    }
}

extension OwnedDescriptor {
    /// A blocking socket for datagrams, bound to an address.
    static func datagrams(at address: SocketAddress) throws(Errno) -> OwnedDescriptor {
        let type = Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue)
        let socket = try OwnedDescriptor { CLinux.socket(address.family, type, 0) }
        let number = socket.rawValue
        _ = try Syscall.value {
            // The kernel reads the address while the closure runs.
            unsafe address.withPointer { unsafe bind(number, $0, $1) }
        }
        return socket
    }
}

/// An address whose port nobody else gets, and where datagrams are turned away.
final class DatagramDeadEnd {
    let address: SocketAddress
    private let socket: OwnedDescriptor

    init() throws {
        let any = try #require(SocketAddress(literal: "127.0.0.1", port: 0))
        socket = try .datagrams(at: any)
        let address = try SocketAddress.local(of: socket)
        self.address = address
        let number = socket.rawValue
        // Connected to itself, it takes nobody else's.
        _ = try Syscall.value {
            // The kernel reads the address while the closure runs.
            unsafe address.withPointer { unsafe connect(number, $0, $1) }
        }
    }
}

extension Peer {
    /// The next message of a stream; nil at its end.
    func receiveMessage() -> [UInt8]? {
        guard let length = receive(exactly: 2) else { return nil }
        return receive(exactly: Int(length[0]) << 8 | Int(length[1]))
    }

    private func receive(exactly count: Int) -> [UInt8]? {
        var bytes: [UInt8] = []
        while bytes.count < count {
            var some = [UInt8](repeating: 0, count: count - bytes.count)
            let count = read(into: &some)
            if count <= 0 { return nil }
            bytes += some.prefix(count)
        }
        return bytes
    }

    /// A message behind its length.
    @discardableResult
    func sendMessage(_ message: [UInt8]) -> Bool {
        write(DNSMessage.bytes(UInt16(message.count)) + message)
    }
}
