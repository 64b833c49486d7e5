// SPDX-License-Identifier: BSD-2-Clause
//
// An ssh-agent that plays a script: it takes one connection, keeps what it was asked, and answers
// with given bytes.

import Dispatch
import Foundation
import Glibc
import SigsumFormats
import Synchronization

/// Listens on a socket of its own until the value is gone.
final class FakeAgent: Sendable {
    /// What is done with the connection once a whole request has come.
    enum Script: Sendable {
        /// Sends these bytes, then closes.
        case answer([UInt8])
        /// Sends these bytes, one at a time, then closes.
        case dribble([UInt8])
        /// Closes without reading.
        case close
        /// Reads, sends these bytes, and keeps the connection open without another word.
        case hang([UInt8])
    }

    let path: String
    private let listener: Int32
    /// Signalled when the thread has ended, and with it the last use of the listener.
    private let ended = DispatchSemaphore(value: 0)
    private let state = Mutex<(request: [UInt8], open: [Int32])>(([], []))

    /// What came, with its length.
    var request: [UInt8] { state.withLock { $0.request } }

    init(_ script: Script) throws {
        path =
            FileManager.default.temporaryDirectory
            .appending(path: "sigsum-agent-\(UUID().uuidString)").path
        listener = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let bytes = Array(path.utf8)
        // The path is short enough, or the copy traps; bind is given the structure's own length.
        unsafe withUnsafeMutableBytes(of: &address.sun_path) { unsafe $0.copyBytes(from: bytes) }
        let bound = unsafe withUnsafePointer(to: address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe bind(listener, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        guard bound == 0, listen(listener, 4) == 0 else { throw POSIXError(.EIO) }
        Thread { [self] in
            let connection = accept(listener, nil, nil)
            if connection >= 0 { play(script, on: connection) }
            ended.signal()
        }.start()
    }

    /// Ends the connections that hang, and the thread.
    func stop() {
        // Wakes the thread where it waits for a connection that never came.
        shutdown(listener, Int32(SHUT_RDWR))
        ended.wait()
        Glibc.close(listener)
        for connection in state.withLock(\.open) { Glibc.close(connection) }
        try? FileManager.default.removeItem(atPath: path)
    }

    /// Waits for the peer of a connection that hangs to close it; false when it does not.
    func waitForEnd() -> Bool {
        guard ended.wait(timeout: .now() + 60) == .success else { return false }
        ended.signal()
        return state.withLock(\.open).allSatisfy { connection in
            var ready = pollfd(fd: connection, events: Int16(POLLIN), revents: 0)
            // The one element is a local.
            return unsafe poll(&ready, 1, 60_000) == 1
        }
    }

    private func play(_ script: Script, on connection: Int32) {
        switch script {
        case .answer(let bytes):
            receiveRequest(connection)
            send(bytes, on: connection)
        case .dribble(let bytes):
            receiveRequest(connection)
            for byte in bytes { send([byte], on: connection) }
        case .close: break
        case .hang(let bytes):
            receiveRequest(connection)
            send(bytes, on: connection)
            state.withLock { $0.open.append(connection) }
            return
        }
        Glibc.close(connection)
    }

    private func receiveRequest(_ connection: Int32) {
        var request: [UInt8] = []
        var byte: UInt8 = 0
        func length() -> Int { request.prefix(4).reduce(0) { $0 << 8 | Int($1) } }
        while request.count < 4 || request.count < 4 + length() {
            // One byte into a local.
            guard unsafe recv(connection, &byte, 1, 0) == 1 else { return }
            request.append(byte)
        }
        state.withLock { $0.request = request }
    }

    private func send(_ bytes: [UInt8], on connection: Int32) {
        var sent = 0
        while sent < bytes.count {
            let count = unsafe bytes.withUnsafeBytes { buffer in
                // Within the buffer.
                unsafe Glibc.send(
                    connection, buffer.baseAddress?.advanced(by: sent), buffer.count - sent,
                    Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else { return }
            sent += count
        }
    }
}
