// SPDX-License-Identifier: BSD-2-Clause
//
// The other side: a blocking client that sends exactly the bytes that a test wants, cut where it
// wants, and reads responses one by one.

import CLinux
import Reactor
import SystemPackage
import Testing

/// A response as a client sees it.
struct Response: Equatable {
    var status = 0
    /// Names in lower case.
    var fields: [String: String] = [:]
    var body: [UInt8] = []

    var text: String { String(decoding: body, as: UTF8.self) }
    var closes: Bool { fields["connection"] == "close" }
}

enum ClientError: Error {
    /// The stream ended within a response.
    case ended(after: String)
    /// The connection was reset, or nothing came for too long.
    case failed
}

/// A connection to 127.0.0.1. A read that lasts 20 seconds fails: nothing here takes so long.
final class Client {
    private var socket: OwnedDescriptor?
    private var buffer: [UInt8] = []
    private var scratch = [UInt8](repeating: 0, count: 1 << 16)

    /// - Parameter receiveBytes: of the kernel's receive buffer; small for a slow reader.
    init(port: UInt16, receiveBytes: Int32? = nil) throws {
        socket = try Self.open(receiveBytes: receiveBytes)
        try connect(port: port)
    }

    /// Has a socket, and is to be connected.
    init() throws {
        socket = try Self.open(receiveBytes: nil)
    }

    private static func open(receiveBytes: Int32?) throws -> OwnedDescriptor {
        let socket = try OwnedDescriptor {
            CLinux.socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        }
        let number = socket.rawValue
        var patience = timeval(tv_sec: 20, tv_usec: 0)
        // The kernel reads a local variable of the size given.
        unsafe setsockopt(
            number, SOL_SOCKET, SO_RCVTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
        if var receiveBytes {
            // As above.
            unsafe setsockopt(
                number, SOL_SOCKET, SO_RCVBUF, &receiveBytes,
                socklen_t(MemoryLayout<Int32>.size))
        }
        return socket
    }

    func connect(port: UInt16) throws {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        let number = rawValue
        // sockaddr_in begins as sockaddr does, and its size is given.
        _ = try unsafe withUnsafePointer(to: address) { pointer in
            try unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
                try Syscall.value {
                    unsafe CLinux.connect(
                        number, pointer, socklen_t(MemoryLayout<sockaddr_in>.size))
                }
            }
        }
    }

    func send(_ text: String) {
        let bytes = Array(text.utf8)
        var sent = 0
        while sent < bytes.count {
            guard case .moved(let count) = socket?.send(bytes.span.extracting(sent...)) else {
                // The server has closed: a test that cares looks at what it reads.
                return
            }
            sent += count
        }
    }

    func get(_ target: String) {
        send("GET \(target) HTTP/1.1\r\nHost: test\r\n\r\n")
    }

    /// Says that it will send no more.
    func finishSending() {
        socket?.shutdownSending()
    }

    func close() {
        socket = nil
    }

    private var rawValue: Int32 {
        guard let rawValue = socket?.rawValue else { preconditionFailure("closed") }
        return rawValue
    }

    /// Closes with a reset instead of an orderly end.
    func reset() {
        var option = linger(l_onoff: 1, l_linger: 0)
        let number = rawValue
        // The kernel reads a local variable of the size given.
        unsafe setsockopt(
            number, SOL_SOCKET, SO_LINGER, &option, socklen_t(MemoryLayout<linger>.size))
        socket = nil
    }

    /// Reads the next response.
    ///
    /// - Parameter hasBody: false for the answer to HEAD.
    func response(hasBody: Bool = true) throws -> Response {
        var response = Response()
        let statusLine = try line()
        response.status = Int(statusLine.split(separator: " ").dropFirst().first ?? "") ?? -1
        while true {
            let line = try line()
            if line.isEmpty { break }
            let parts = line.split(separator: ":", maxSplits: 1)
            try #require(parts.count == 2)
            let value = parts[1].drop { $0 == " " }
            response.fields[parts[0].lowercased()] = String(value)
        }
        guard hasBody, response.status != 100 else { return response }
        let length = try #require(Int(response.fields["content-length"] ?? ""))
        while buffer.count < length {
            try fill()
        }
        response.body = Array(buffer.prefix(length))
        buffer.removeFirst(length)
        return response
    }

    /// Whether the stream ends here, without a byte before.
    func hasEnded() -> Bool {
        guard buffer.isEmpty else { return false }
        do {
            try fill()
            return false
        } catch ClientError.ended {
            return true
        } catch {
            return false
        }
    }

    private func line() throws -> String {
        while true {
            if let end = buffer.firstIndex(of: UInt8(ascii: "\n")) {
                let line = buffer[..<end]
                try #require(line.last == UInt8(ascii: "\r"))
                defer { buffer.removeFirst(end + 1) }
                return String(decoding: line.dropLast(), as: UTF8.self)
            }
            try fill()
        }
    }

    private func fill() throws {
        guard case .moved(let count) = socket?.receive(into: &scratch, from: 0) else {
            throw ClientError.failed
        }
        if count == 0 { throw ClientError.ended(after: String(decoding: buffer, as: UTF8.self)) }
        buffer += scratch[..<count]
    }
}
