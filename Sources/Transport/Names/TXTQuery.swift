// SPDX-License-Identifier: BSD-2-Clause
//
// Asks the machine's name servers for TXT records, on the calling thread, by the resolver of the C
// library. With TXTResponse.swift the only file that names the resolver's symbols: this one has
// those that ask (res_...), that one those that read what comes back (ns_...).
//
// The resolver keeps time over UDP, but its TCP has no limit at all: one name server that accepts a
// connection and dies would hold the thread for ever. So it is kept to UDP (RES_IGNTC), and a
// truncated answer is fetched by NameServerStream.

import CLinux
internal import CResolver
import Reactor
import SystemPackage

/// A way to ask for TXT records, with its limits.
package struct TXTQuery: Sendable {
    private let timeLimit: Duration
    private let recordCountMax: Int
    /// For tests: whom to ask, instead of those in resolv.conf; IPv4 only.
    private let servers: [SocketAddress]

    /// - Parameters:
    ///   - timeLimit: the longest time that a look-up may take; at least a second for each name
    ///     server is taken in any case.
    ///   - recordCountMax: the records to keep, at least 1; further ones are ignored.
    package init(timeLimit: Duration, recordCountMax: Int) {
        self.init(timeLimit: timeLimit, recordCountMax: recordCountMax, servers: [])
    }

    init(timeLimit: Duration, recordCountMax: Int, servers: [SocketAddress]) {
        precondition(recordCountMax > 0 && servers.count <= ResolverState.serverCountMax)
        self.timeLimit = timeLimit
        self.recordCountMax = recordCountMax
        self.servers = servers
    }

    /// Looks `name` up, exactly as it is: no search list, no hosts file. Waits for other machines.
    ///
    /// - Parameter name: in A-label form, with or without a dot at its end. What cannot be a name
    ///   of letters, digits, `-` and `_` does not exist.
    package func answer(for name: String) -> TXTAnswer {
        let deadline = MonotonicInstant.now().advanced(by: timeLimit)
        guard let name = DNSName(name) else { return .nonexistent(ttl: .zero) }
        do throws(TXTFailure) {
            let state = try ResolverState(servers: servers)
            let question = state.question(for: name)
            if !state.prefersStream {
                let message = try state.exchange(question, within: timeLimit)
                let response = try TXTResponse(message, to: question)
                if !response.isTruncated {
                    return try response.answer(for: name, recordCountMax: recordCountMax)
                }
            }
            let message = try Self.fetch(question, from: state.servers, until: deadline)
            return try TXTResponse(message, to: question).answer(
                for: name, recordCountMax: recordCountMax)
        } catch {
            return .failure(error)
        }
    }

    /// The answer of the first name server that gives one over TCP. Each is given its share of the
    /// time that is left.
    private static func fetch(
        _ question: [UInt8], from servers: [SocketAddress], until deadline: MonotonicInstant
    ) throws(TXTFailure) -> [UInt8] {
        for (index, server) in servers.enumerated() {
            let now = MonotonicInstant.now()
            let share = now.duration(to: deadline) / (servers.count - index)
            do throws(Errno) {
                let stream = try NameServerStream(to: server, until: now.advanced(by: share))
                return try stream.exchange(question)
            } catch {
                continue
            }
        }
        throw .truncated
    }
}

/// The resolver's view of the machine, as it is now: the C library looks at resolv.conf each time,
/// and reads it when it has changed; with the question made it costs a few microseconds.
@safe
private struct ResolverState: ~Copyable {
    static let serverCountMax = Int(MAXNS)

    /// On the heap, as its search list points into the structure itself. It is there and
    /// initialised for as long as this value lives, for every use below.
    private let handle: UnsafeMutablePointer<__res_state>

    init(servers: [SocketAddress]) throws(TXTFailure) {
        // All zeros is what the resolver takes for a structure that was never initialised.
        let handle = UnsafeMutablePointer<__res_state>.allocate(capacity: 1)
        unsafe handle.initialize(to: __res_state())
        guard unsafe cresolver_init(handle) == 0 else {
            let error = Errno(rawValue: clinux_errno())
            unsafe handle.deallocate()
            throw .unavailable(error)
        }
        unsafe self.handle = handle
        if !servers.isEmpty { replaceServers(by: servers) }
    }

    deinit {
        // Initialised in init, and closed nowhere else.
        unsafe cresolver_close(handle)
        unsafe handle.deallocate()
    }

    /// Whether the machine's owner wants TCP from the beginning (`options use-vc`).
    var prefersStream: Bool {
        unsafe handle.pointee.options & UInt(RES_USEVC) != 0
    }

    /// The message that asks for the TXT records of `name`, without searching for it elsewhere.
    func question(for name: DNSName) -> [UInt8] {
        var message = [UInt8](repeating: 0, count: Int(NS_PACKETSZ))
        // The call writes within the length given, and reads a string that lives meanwhile. It
        // makes a query of no more than a name, which is a valid one.
        let count = unsafe res_nmkquery(
            handle, Int32(ns_o_query.rawValue), name.text, Int32(ns_c_in.rawValue),
            Int32(ns_t_txt.rawValue), nil, 0, nil, &message, Int32(message.count))
        precondition(count > 0, "no question can be made of \(name.text)")
        message.removeSubrange(Int(count)...)
        return message
    }

    /// Sends a question to the name servers in turn, and again to those that do not answer.
    ///
    /// - Returns: the first answer, perhaps a truncated one.
    func exchange(
        _ question: [UInt8], within timeLimit: Duration
    ) throws(TXTFailure) -> [UInt8] {
        limitWaiting(to: timeLimit)
        unsafe handle.pointee.options |= UInt(RES_IGNTC)
        var message = [UInt8](repeating: 0, count: Int(NS_MAXMSG))
        // Both arrays are read and written within the lengths given.
        let count = unsafe res_nsend(
            handle, question, Int32(question.count), &message, Int32(message.count))
        guard count > 0 else {
            // The last message that came is still there, if it was one that refuses.
            let response = try? TXTResponse(message, to: question)
            throw response?.refusal ?? .unanswered
        }
        message.removeSubrange(Int(count)...)
        return message
    }

    /// Keeps what resolv.conf says about waiting, unless it would take longer than allowed.
    ///
    /// The resolver waits `retrans` seconds for each of n servers, roughly: in all no longer than
    /// n * `retrans`, and that `retry` times.
    private func limitWaiting(to timeLimit: Duration) {
        let seconds = Int32(clamping: timeLimit.components.seconds)
        let servers = max(1, unsafe handle.pointee.nscount)
        let tries = max(1, min(unsafe handle.pointee.retry, seconds / servers))
        let wait = max(1, min(unsafe handle.pointee.retrans, seconds / (servers * tries)))
        unsafe handle.pointee.retry = tries
        unsafe handle.pointee.retrans = wait
    }

    /// The name servers, in the order in which they are asked.
    var servers: [SocketAddress] {
        let count = min(Int(unsafe handle.pointee.nscount), Self.serverCountMax)
        // Addresses that are longer than the list's elements stand apart, and their elements in the
        // list have the family zero.
        let (short, long) = unsafe (handle.pointee.nsaddr_list, handle.pointee._u._ext.nsaddrs)
        // Within the lists' bounds, as `count` is.
        return unsafe withUnsafeBytes(of: short) { short in
            unsafe withUnsafeBytes(of: long) { long in
                (0..<count).compactMap { index in
                    let size = MemoryLayout<sockaddr_in>.stride
                    let element = unsafe short[index * size..<(index + 1) * size]
                    let address = unsafe SocketAddress(copying: .init(rebasing: element))
                    if address.family != 0 { return address }
                    // Tuples of three lie in memory as arrays of three do.
                    let pointers = unsafe long.assumingMemoryBound(
                        to: UnsafeMutablePointer<sockaddr_in6>?.self)
                    guard let pointer = unsafe pointers[index] else { return nil }
                    return unsafe SocketAddress(
                        copying: UnsafeRawBufferPointer(
                            start: pointer, count: MemoryLayout<sockaddr_in6>.size))
                }
            }
        }
    }

    private func replaceServers(by servers: [SocketAddress]) {
        unsafe handle.pointee.nscount = Int32(servers.count)
        unsafe withUnsafeMutableBytes(of: &handle.pointee.nsaddr_list) { list in
            for (index, server) in servers.enumerated() {
                precondition(server.family == AF_INET)
                let start = index * MemoryLayout<sockaddr_in>.stride
                _ = unsafe server.withPointer { pointer, byteCount in
                    // The list has room for so many addresses of this family.
                    let target = unsafe UnsafeMutableRawBufferPointer(rebasing: list[start...])
                    unsafe target.copyMemory(
                        from: UnsafeRawBufferPointer(start: pointer, count: Int(byteCount)))
                    return 0
                }
            }
        }
    }
}
