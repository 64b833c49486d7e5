// SPDX-License-Identifier: BSD-2-Clause
//
// A blocking connection to a Unix socket that gives up at a deadline. What is said on it is
// AgentSigner's business. The only file here that names the calls for sockets.

import CLinux
import Glibc
import SystemPackage

/// A connected stream socket, closed with this value.
struct AgentSocket: ~Copyable {
    private let descriptor: Int32
    private let timeout: Duration
    /// The end of the time, counted from `epoch`. Not an Instant: with a stored property of a type
    /// whose size only its library knows, Swift 6.3.1 does not run this type's deinit when the last
    /// use is in another file and the module is not optimised as a whole.
    private let deadline: Duration
    private static let epoch = ContinuousClock.now

    private init(descriptor: Int32, timeout: Duration) {
        self.descriptor = descriptor
        self.timeout = timeout
        deadline = Self.epoch.duration(to: .now) + timeout
    }

    /// Connects to the socket at `path`. All that is done with the connection, this included, may
    /// take `timeout`.
    static func connected(
        to path: String, timeout: Duration
    ) throws(AgentSocketError) -> AgentSocket {
        let address = try address(of: path)
        let type = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue)
        let descriptor = Glibc.socket(AF_UNIX, type, 0)
        guard descriptor >= 0 else { throw .system(lastError, doing: "cannot make a socket") }
        let socket = AgentSocket(descriptor: descriptor, timeout: timeout)
        try socket.connect(to: address)
        return socket
    }

    deinit {
        close(descriptor)
    }

    /// Sends all of `bytes`.
    func send(_ bytes: [UInt8]) throws(AgentSocketError) {
        var sent = 0
        while sent < bytes.count {
            try wait(for: POLLOUT)
            let flags = Int32(MSG_DONTWAIT | MSG_NOSIGNAL)
            let rest = bytes.span.extracting(droppingFirst: sent)
            let count = unsafe rest.withUnsafeBytes {
                // Reads inside the buffer, which lives through the call.
                unsafe Glibc.send(descriptor, $0.baseAddress, $0.count, flags)
            }
            sent += try transferred(count, doing: "cannot send")
        }
    }

    /// Receives a message: four bytes of length, big-endian, then as many bytes, which are
    /// returned. A message of more than `byteCountMax` bytes or of none is an error, its bytes are
    /// not read.
    func receiveMessage(byteCountMax: Int) throws(AgentSocketError) -> [UInt8] {
        let length = try receive(4).reduce(0) { $0 << 8 | Int($1) }
        guard length > 0, length <= byteCountMax else { throw .lengthUnexpected(length) }
        return try receive(length)
    }

    private func receive(_ byteCount: Int) throws(AgentSocketError) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: byteCount)
        var received = 0
        while received < byteCount {
            try wait(for: POLLIN)
            let count = unsafe bytes.withUnsafeMutableBytes { buffer in
                // `received` is less than the buffer's count: writes what is left of it at most.
                unsafe recv(
                    descriptor, buffer.baseAddress?.advanced(by: received),
                    byteCount - received, Int32(MSG_DONTWAIT))
            }
            guard count != 0 else { throw .closed }
            received += try transferred(count, doing: "cannot receive")
        }
        return bytes
    }

    /// Waits until the socket is ready for `events`, or has failed.
    private func wait(for events: Int32) throws(AgentSocketError) {
        while true {
            var ready = pollfd(fd: descriptor, events: Int16(events), revents: 0)
            // The one element is a local.
            let count = unsafe poll(&ready, 1, try millisecondsLeft())
            guard count <= 0 else { return }
            guard count == 0 || Self.lastError == .interrupted else {
                throw .system(Self.lastError, doing: "cannot wait")
            }
        }
    }

    /// What is left of the time, rounded up, so that a wait never ends just before it.
    private func millisecondsLeft() throws(AgentSocketError) -> Int32 {
        let left = deadline - Self.epoch.duration(to: .now)
        guard left > .zero else { throw .timedOut(timeout) }
        let milliseconds = (left / .milliseconds(1)).rounded(.up)
        return milliseconds < 86_400_000 ? Int32(milliseconds) : 86_400_000
    }

    /// The bytes that a call moved: none when it has to be made again.
    private func transferred(_ count: Int, doing: String) throws(AgentSocketError) -> Int {
        guard count < 0 else { return count }
        let error = Self.lastError
        guard error == .interrupted || error == .wouldBlock else {
            throw .system(error, doing: doing)
        }
        return 0
    }
}

// Connecting.
extension AgentSocket {
    private static var lastError: Errno { Errno(rawValue: errno) }

    /// Connecting blocks only while the agent's queue is full, and then as sending would.
    private func connect(to address: sockaddr_un) throws(AgentSocketError) {
        let (seconds, attoseconds) = timeout.components
        // A zero would be no limit.
        let microseconds = max(attoseconds / 1_000_000_000_000, seconds == 0 ? 1 : 0)
        var limit = timeval(tv_sec: Int(seconds), tv_usec: Int(microseconds))
        // The option is a local of the length given.
        let isLimited = unsafe setsockopt(
            descriptor, SOL_SOCKET, SO_SNDTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        guard isLimited == 0 else { throw .system(Self.lastError, doing: "cannot set a limit") }
        var result: Int32
        repeat {
            // A sockaddr_un begins as every sockaddr does, and its own length is given.
            result = unsafe withUnsafePointer(to: address) { pointer in
                unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    unsafe Glibc.connect(
                        descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
                }
            }
        } while result != 0 && Self.lastError == .interrupted
        guard result != 0 else { return }
        let error = Self.lastError
        throw error == .wouldBlock ? .timedOut(timeout) : .system(error, doing: "cannot connect")
    }

    private static func address(of path: String) throws(AgentSocketError) -> sockaddr_un {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let bytes = Array(path.utf8)
        // One byte less than there is room for: the path's NUL.
        let byteCountMax = MemoryLayout.size(ofValue: address.sun_path) - 1
        guard bytes.count <= byteCountMax else { throw .pathTooLong(byteCountMax) }
        // The path fits, as was just found; the rest stays zero.
        unsafe withUnsafeMutableBytes(of: &address.sun_path) { room in
            unsafe room.copyBytes(from: bytes)
        }
        return address
    }
}

/// Why there was no answer, as the end of a sentence about the agent.
enum AgentSocketError: Error, CustomStringConvertible {
    case system(Errno, doing: String)
    case pathTooLong(Int)
    case timedOut(Duration)
    case closed
    case lengthUnexpected(Int)

    var description: String {
        switch self {
        case .system(let errno, let doing): "\(doing): \(errno)"
        case .pathTooLong(let max):
            "the path is longer than the \(max) bytes that a socket's can have"
        case .timedOut(let timeout): "no answer within \(timeout)"
        case .closed: "it closed the connection without a whole answer"
        case .lengthUnexpected(let length): "its answer has \(length) bytes"
        }
    }
}
