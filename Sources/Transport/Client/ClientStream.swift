// SPDX-License-Identifier: BSD-2-Clause
//
// A connected socket, with TLS over it or without: bytes in and out. What the bytes say, who is
// waited for and how long, is ClientConnection's part.

import Reactor
import SystemPackage

/// Why a stream is of no further use.
enum StreamError: Error {
    case system(Errno)
    case tls(TLSError)
}

/// Whether more can come from the peer.
enum StreamState {
    case open
    /// The peer has sent all it wanted.
    case ended
    /// TLS: the connection ended, and the peer did not say that it should.
    case cutOff
}

/// The client's end of one connection.
struct ClientStream: ~Copyable {
    /// To register with the reactor.
    let socket: OwnedDescriptor
    private var session: TLSSession?
    /// To be sent: bytes as they go over the wire, `sent` of which are gone.
    private var output: [UInt8] = []
    private var sent = 0

    /// Counted over the stream's life: bytes that the kernel took, and those that go before the
    /// first one of the latest request.
    private var sentTotal = 0
    private var requestStart: Int?

    /// Ciphertext received at once: more than the largest record.
    private static let ciphertextBytes = 1 << 15

    init(_ socket: consuming OwnedDescriptor, session: consuming TLSSession?) {
        self.socket = socket
        self.session = session
    }

    /// Bytes that wait for room in the kernel's buffer.
    var outputByteCount: Int { output.count - sent }

    /// Whether any byte of the latest request has left this process.
    var hasSentRequest: Bool {
        guard let requestStart else { return false }
        return sentTotal > requestStart
    }

    // MARK: Handshake

    /// Says the first word of a TLS handshake.
    ///
    /// - Returns: whether the stream may be written to: without TLS, at once.
    mutating func beginHandshake() throws(StreamError) -> Bool {
        if session == nil { return true }
        return try advanceHandshake()
    }

    /// Receives once and goes on with the handshake.
    ///
    /// - Returns: whether it is complete. What it has to say, an alert included, is not sent yet.
    mutating func continueHandshake() throws(StreamError) -> Bool {
        let hasEnded = try receiveCiphertext()
        if try advanceHandshake() { return true }
        guard !hasEnded else { throw .tls(.handshakeCutOff) }
        return false
    }

    private mutating func advanceHandshake() throws(StreamError) -> Bool {
        defer { session?.takeOutput(into: &output) }
        do throws(TLSError) {
            return try session?.handshake() ?? true
        } catch {
            throw .tls(error)
        }
    }

    // MARK: Bytes

    /// Adds a request to what is to be sent.
    mutating func write(request: [UInt8]) throws(StreamError) {
        requestStart = sentTotal + outputByteCount
        guard session != nil else {
            output += request
            return
        }
        do throws(TLSError) {
            try session?.write(request.span)
        } catch {
            throw .tls(error)
        }
        session?.takeOutput(into: &output)
    }

    /// Sends once, if there is anything to send.
    mutating func flush() throws(StreamError) {
        guard outputByteCount > 0 else { return }
        switch socket.send(output.span.extracting(sent...)) {
        case .moved(let count):
            sent += count
            sentTotal += count
            if sent == output.count { dropOutput() }
        case .wouldBlock:
            break
        case .failed(let error):
            throw .system(error)
        }
    }

    /// Forgets what is to be sent: nobody would receive it.
    mutating func dropOutput() {
        output = []
        sent = 0
    }

    /// Receives once. There may be new bytes in `buffer` whatever the state is; with TLS there may
    /// be none though something was received.
    mutating func receive(
        into buffer: inout ResponseBuffer
    ) throws(StreamError) -> StreamState {
        guard session != nil else {
            switch buffer.receive(from: socket) {
            case .moved(let count): return count == 0 ? .ended : .open
            case .wouldBlock: return .open
            case .failed(let error): throw .system(error)
            }
        }
        let hasEnded = try receiveCiphertext()
        do throws(TLSError) {
            let state = try decrypt(into: &buffer)
            return hasEnded && state == .open ? .cutOff : state
        } catch {
            throw .tls(error)
        }
    }

    /// Ends the stream orderly as far as that can be done at once.
    mutating func sayGoodbye() {
        // Behind half a request it would be no goodbye.
        guard session != nil, outputByteCount == 0 else { return }
        session?.end()
        session?.takeOutput(into: &output)
        try? flush()
        dropOutput()
    }

    /// Sends the alert that says why the stream is given up, as far as that can be done at once.
    mutating func sayWhyNot() {
        try? flush()
        dropOutput()
    }

    /// - Returns: whether the connection is at its end.
    private mutating func receiveCiphertext() throws(StreamError) -> Bool {
        var ciphertext = [UInt8](repeating: 0, count: Self.ciphertextBytes)
        switch socket.receive(into: &ciphertext, from: 0) {
        case .moved(0):
            return true
        case .moved(let count):
            session?.receive(ciphertext.span.extracting(first: count))
            return false
        case .wouldBlock:
            return false
        case .failed(let error):
            throw .system(error)
        }
    }

    /// Until nothing is left to decrypt; what a full buffer leaves behind belongs to no answer.
    private mutating func decrypt(
        into buffer: inout ResponseBuffer
    ) throws(TLSError) -> StreamState {
        defer { session?.takeOutput(into: &output) }
        while buffer.hasRoom {
            switch try session?.read(into: &buffer) {
            case .bytes: continue
            case .needMore, nil: return .open
            case .ended: return .ended
            }
        }
        return .open
    }
}

extension TLSSession {
    /// As the buffer's `read(from:)`, for a session that is reached by optional chaining only.
    fileprivate mutating func read(
        into buffer: inout ResponseBuffer
    ) throws(TLSError) -> ReadOutcome {
        try buffer.read(from: &self)
    }
}
