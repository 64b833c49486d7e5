// SPDX-License-Identifier: BSD-2-Clause
//
// From a list of addresses to one connected socket. The addresses are tried one after the other, in
// the order given: the resolver has sorted them by what this machine can reach (RFC 6724). Trying
// several at once (RFC 8305) saves people seconds at their screens; here it would only open
// connections that the peer has to count and nobody uses.

import CLinux
import Reactor
import SystemPackage

/// What came of an attempt to connect.
enum ConnectOutcome: ~Copyable {
    /// A non-blocking socket.
    case connected(OwnedDescriptor)
    /// Every address failed.
    case failed([ConnectFailure])
}

/// One attempt, on the reactor's thread only. It keeps itself alive, by what it has registered,
/// until it has called back or was cancelled.
final class ConnectAttempt: EventHandler {
    private let reactor: Reactor
    /// Those not tried yet.
    private var addresses: ArraySlice<SocketAddress>
    private let timeout: Duration
    private var then: ((consuming ConnectOutcome) -> Void)?

    /// The address that is being connected to, with what belongs to it.
    private var address: SocketAddress?
    private var socket: OwnedDescriptor?
    private var registration = Registration.none
    private var alarm: Timer?
    private var failures: [ConnectFailure] = []

    /// - Parameters:
    ///   - timeout: for each address.
    ///   - then: called once, perhaps within `begin()`.
    init(
        to addresses: [SocketAddress], on reactor: Reactor, timeout: Duration,
        then: @escaping (consuming ConnectOutcome) -> Void
    ) {
        self.reactor = reactor
        self.addresses = addresses[...]
        self.timeout = timeout
        self.then = then
    }

    /// Begins with the first address.
    func begin() {
        tryNext()
    }

    /// Gives up. Nobody is called back.
    func cancel() {
        then = nil
        abandon()
    }

    /// The connection is there, or failed (EventHandler).
    func ready(_ events: ReadyEvents, of registration: Registration) {
        let error = pendingError
        guard error == nil else { return fail(error) }
        succeed()
    }

    /// Goes through the addresses until one connects, or promises to.
    private func tryNext() {
        while let address = addresses.popFirst() {
            self.address = address
            do throws(Errno) {
                guard try connect(to: address) else { return waitForConnection() }
                return succeed()
            } catch {
                record(error)
            }
        }
        finish(.failed(failures))
    }

    /// Whether the connection is there at once, which the local machine manages sometimes.
    private func connect(to address: SocketAddress) throws(Errno) -> Bool {
        let type = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue)
        let socket = try OwnedDescriptor { CLinux.socket(address.family, type, 0) }
        // Requests are sent whole, or as whole TLS records.
        try socket.setOption(Int32(IPPROTO_TCP), TCP_NODELAY)
        let rawValue = socket.rawValue
        var isConnected = true
        do throws(Errno) {
            _ = try Syscall.value {
                unsafe address.withPointer { pointer, byteCount in
                    // The kernel reads the address while the closure runs.
                    unsafe CLinux.connect(rawValue, pointer, byteCount)
                }
            }
        } catch {
            // EALREADY: a signal had cut the first call off, and connecting went on.
            guard error == .nowInProgress || error == .alreadyInProcess else { throw error }
            isConnected = false
        }
        if !isConnected {
            registration = try reactor.register(socket, for: .write, handler: self)
        }
        self.socket = consume socket
        return isConnected
    }

    private func waitForConnection() {
        alarm = reactor.schedule(at: reactor.now.advanced(by: timeout)) {
            self.alarm = nil
            self.fail(.timedOut)
        }
    }

    /// What the kernel has to say about the connection; nil if it stands.
    private var pendingError: Errno? {
        guard let rawValue = socket?.rawValue else { return .socketNotConnected }
        var value: Int32 = 0
        var size = socklen_t(MemoryLayout<Int32>.size)
        // The kernel writes an Int32 and its size to local variables. It has no reason to fail.
        let status = unsafe getsockopt(rawValue, SOL_SOCKET, SO_ERROR, &value, &size)
        precondition(status == 0, "getsockopt: \(Errno(rawValue: clinux_errno()))")
        return value == 0 ? nil : Errno(rawValue: value)
    }

    private func fail(_ error: Errno?) {
        record(error ?? .socketNotConnected)
        tryNext()
    }

    private func record(_ error: Errno) {
        abandon()
        guard let address else { return }
        failures.append(ConnectFailure(address: "\(address)", error: error))
    }

    private func succeed() {
        stopWaiting()
        guard let socket = socket.take() else { return }
        finish(.connected(socket))
    }

    private func finish(_ outcome: consuming ConnectOutcome) {
        let then = self.then
        self.then = nil
        then?(outcome)
    }

    private func abandon() {
        stopWaiting()
        socket = nil
    }

    private func stopWaiting() {
        if let alarm { reactor.cancel(alarm) }
        alarm = nil
        reactor.deregister(registration)
        registration = .none
    }
}
