// SPDX-License-Identifier: BSD-2-Clause
//
// Looks a host's addresses up without holding up the reactor. The C library's resolver is the one
// that knows this machine's rules (hosts file, search list, name service switch), and it blocks; it
// has time limits of its own, which add up to minutes, and plug-ins that may have none. So each
// lookup has a short-lived thread for itself: one that hangs delays nobody else, as it would on a
// thread that lookups share, and not the end of the process.

import Reactor
import SystemPackage

/// Looks up the host of one origin, one lookup at a time.
///
/// `@unchecked Sendable`: the thread of a lookup holds a reference, and does nothing with it but
/// hand it back to the reactor, on whose thread all else happens.
final class NameResolver: @unchecked Sendable {
    /// Addresses in the order in which they are to be tried.
    typealias Answer = Result<[SocketAddress], ResolverError>
    /// Finds the addresses of a name with a port. Called on any thread, and may block.
    typealias Lookup = @Sendable (_ host: String, _ port: UInt16) -> Answer

    private let reactor: Reactor
    private let host: String
    private let port: UInt16
    private let lookup: Lookup
    /// There is a thread that has not answered. There is never another one: a resolver that hangs
    /// costs a client one thread, whatever number of requests it tries.
    private var isLookingUp = false
    private var then: ((Answer) -> Void)?

    init(on reactor: Reactor, origin: HTTPOrigin, lookup: @escaping Lookup = systemLookup) {
        self.reactor = reactor
        host = origin.host
        port = origin.port
        self.lookup = lookup
    }

    /// The system's resolver.
    static let systemLookup: Lookup = { host, port in
        do throws(ResolverError) {
            return .success(try SocketAddress.resolve(host: host, port: port))
        } catch {
            return .failure(error)
        }
    }

    /// Calls `then` on the reactor's thread: at once if the host is an address; otherwise when the
    /// resolver has answered, or, if an earlier lookup that was given up is still running, when
    /// that one has.
    ///
    /// - Throws: EAGAIN when the system has no thread to give; `then` is not called.
    func resolve(then: @escaping (Answer) -> Void) throws(Errno) {
        precondition(self.then == nil, "one lookup at a time")
        if let address = SocketAddress(literal: host, port: port) {
            return then(.success([address]))
        }
        if !isLookingUp { try startLookup() }
        self.then = then
    }

    /// Forgets who waits. The lookup itself cannot be stopped.
    func cancel() {
        then = nil
    }

    private func startLookup() throws(Errno) {
        let thread = try JoinableThread(name: "resolver") { [self] in
            let answer = lookup(host, port)
            // After the reactor's end this is dropped.
            reactor.post { self.finish(answer) }
        }
        thread.detach()
        isLookingUp = true
    }

    private func finish(_ answer: Answer) {
        isLookingUp = false
        guard let then else { return }
        self.then = nil
        if case .success(let addresses) = answer, addresses.isEmpty {
            return then(.failure(.noAddress))
        }
        then(answer)
    }
}
