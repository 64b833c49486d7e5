// SPDX-License-Identifier: BSD-2-Clause
//
// One connection of a client from the moment it stands to its end: the TLS handshake if there is to
// be one, requests one at a time, and between them the wait for the next one. Whom to connect to,
// and how long all of it may take, is HTTPClient's part.
//
//     handshaking -> exchanging <-> idle
//               \         |         /
//                `---> closed <----'

import HTTPWire
import Reactor
import SystemPackage

/// A client's end of one connection; on the reactor's thread only.
final class ClientConnection: EventHandler {
    /// A request and whoever waits for its answer.
    struct Exchange {
        let request: [UInt8]
        let method: Method
        /// From the request's first byte to its answer's last.
        let timeout: Duration
        let then: (Result<ClientResponse, HTTPClientError>) -> Void
    }

    private enum Stage {
        case handshaking(Exchange)
        case exchanging(Exchange)
        case idle
        case closed
    }

    private let reactor: Reactor
    private var stream: ClientStream
    private var registration = Registration.none
    private var stage = Stage.closed
    private let whenClosed: () -> Void

    private var parser: ResponseParser
    private var buffer: ResponseBuffer
    /// The kernel would send no more, for this reason. There may be an answer all the same.
    private var sendError: Errno?
    /// Requests answered before the present one.
    private var answerCount = 0

    /// The end of the exchange's time, or of idleness.
    private var alarm: Timer?
    private let idleTimeout: Duration
    /// Receipts since the last answer, which brought nothing but TLS's own messages.
    private var idleReceiptCount = 0

    /// While more than this, beside a request, waits to be sent, nothing is received: a peer that has
    /// TLS answer it and does not listen must not fill the memory.
    private static let outputBytesMax = 1 << 16
    /// Session tickets and new keys come in one or two; a peer that does nothing else is not worth
    /// the processor's time.
    private static let idleReceiptsMax = 16

    /// - Parameter whenClosed: called once, when the connection is of no further use, before
    ///   whoever waits for an answer hears of it.
    init(
        _ stream: consuming ClientStream, on reactor: Reactor, limits: ResponseLimits,
        idleTimeout: Duration, whenClosed: @escaping () -> Void
    ) {
        self.reactor = reactor
        self.stream = stream
        self.idleTimeout = idleTimeout
        self.whenClosed = whenClosed
        parser = ResponseParser(limits: limits)
        buffer = ResponseBuffer(byteCountMax: limits.responseBytesMax)
    }

    /// Begins with the connection's first exchange, after the handshake if there is to be one.
    ///
    /// - Throws: the kernel's refusal to watch the socket.
    func open(_ exchange: Exchange) throws(Errno) {
        registration = try reactor.register(stream.socket, for: .read, handler: self)
        stage = .handshaking(exchange)
        shakeHands { stream throws(StreamError) in try stream.beginHandshake() }
        settle()
    }

    /// Whether the connection can be used for an exchange, as far as one look tells.
    func isReusable() -> Bool {
        guard case .idle = stage else { return false }
        listen()
        guard case .idle = stage else { return false }
        return true
    }

    /// Begins another exchange on an idle connection.
    func begin(_ exchange: Exchange) {
        guard case .idle = stage else { preconditionFailure("not idle") }
        start(exchange)
        settle()
    }

    /// How far the exchange has come.
    var phase: HTTPClientError.Phase {
        if case .handshaking = stage { return .handshake }
        return .answer
    }

    /// Ends the exchange, and with it the connection: its answer could still come.
    func fail(_ cause: HTTPClientError.Cause) {
        let error = HTTPClientError(cause, wasSent: stream.hasSentRequest)
        finish(.failure(error), isReusable: false)
    }

    /// Ends an idle connection.
    func close() {
        if case .closed = stage { return }
        stage = .closed
        stopAlarm()
        stream.sayGoodbye()
        buffer.removeAll()
        reactor.deregister(registration)
        // The descriptor goes with the last reference, which the caller has.
        whenClosed()
    }

    // MARK: What wakes the connection

    /// Bytes, room for them, or the connection's end (EventHandler).
    func ready(_ events: ReadyEvents, of registration: Registration) {
        let isReadable = !events.isDisjoint(with: [.readable, .hangUp, .error])
        if events.contains(.writable) { flush() }
        switch stage {
        case .handshaking where isReadable:
            shakeHands { stream throws(StreamError) in try stream.continueHandshake() }
        case .exchanging where isReadable:
            receive()
        case .idle where isReadable:
            listen()
        default:
            break
        }
        settle()
    }

    private func settle() {
        if case .closed = stage { return }
        var bytesMax = Self.outputBytesMax
        // Encrypted, it has grown a little.
        if case .exchanging(let exchange) = stage { bytesMax += 2 * exchange.request.count }
        var interest: Interest = stream.outputByteCount > bytesMax ? [] : .read
        if stream.outputByteCount > 0 { interest.insert(.write) }
        reactor.update(registration, for: interest)
    }

    /// Sends what there is. A failure is kept: the peer may have answered before it went, and its
    /// end, which is what comes else, is reported with it.
    private func flush() {
        do throws(StreamError) {
            try stream.flush()
        } catch {
            guard case .system(let error) = error else { return }
            sendError = error
            stream.dropOutput()
        }
    }

    // MARK: Handshake

    private func shakeHands(
        _ step: (inout ClientStream) throws(StreamError) -> Bool
    ) {
        guard case .handshaking(let exchange) = stage else { return }
        do throws(StreamError) {
            if try step(&stream) { start(exchange) } else { flush() }
        } catch {
            stream.sayWhyNot()
            streamFailed(error)
        }
    }

    // MARK: Exchange

    private func start(_ exchange: Exchange) {
        stage = .exchanging(exchange)
        stopAlarm()
        sendError = nil
        parser.begin(answering: exchange.method)
        alarm = reactor.schedule(at: reactor.now.advanced(by: exchange.timeout)) {
            self.fail(.timeout(.answer))
        }
        do throws(StreamError) {
            try stream.write(request: exchange.request)
            flush()
        } catch {
            streamFailed(error)
        }
    }

    private func receive() {
        do throws(StreamError) {
            let state = try stream.receive(into: &buffer)
            parse(at: state)
        } catch {
            streamFailed(error)
        }
    }

    private func parse(at state: StreamState) {
        let step = buffer.withBytes { bytes in
            state == .ended ? parser.end(bytes) : parser.parse(bytes)
        }
        switch step {
        case .complete(let byteCount):
            answer(byteCount, isOpen: state == .open)
        case .needMore where state == .cutOff:
            fail(buffer.isEmpty ? closed : .tls(.truncated))
        case .needMore:
            // The parser knows the limits, and asks for no more than the buffer takes.
            if !buffer.hasRoom { fail(.tooLarge) }
        case .malformed(.truncated):
            fail(closed)
        case .malformed(let error):
            fail(error.isTooLarge ? .tooLarge : .malformed(error))
        }
    }

    /// Hands the answer over. The connection goes on if both sides want that, all of the request
    /// was wanted, and the peer has said nothing beyond the answer.
    private func answer(_ byteCount: Int, isOpen: Bool) {
        let isReusable =
            isOpen && parser.head.persistence != .close && byteCount == buffer.byteCount
            && buffer.hasRoom && stream.outputByteCount == 0 && sendError == nil
        let body = buffer.withBytes { bytes in
            parser.withBody(of: bytes) { body in
                // Copied while the span is borrowed.
                unsafe body.withUnsafeBufferPointer { unsafe Array($0) }
            }
        }
        let response = ClientResponse(
            parser.head, bytes: buffer.take(first: byteCount), body: body,
            isFirstOnConnection: answerCount == 0)
        finish(.success(response), isReusable: isReusable)
    }

    private func finish(
        _ result: Result<ClientResponse, HTTPClientError>, isReusable: Bool
    ) {
        let exchange: Exchange
        switch stage {
        case .handshaking(let pending), .exchanging(let pending): exchange = pending
        case .idle, .closed: return
        }
        if isReusable { rest() } else { close() }
        exchange.then(result)
    }

    // MARK: Idleness

    private func rest() {
        stage = .idle
        stopAlarm()
        buffer.removeAll()
        answerCount += 1
        idleReceiptCount = 0
        alarm = reactor.schedule(at: reactor.now.advanced(by: idleTimeout)) { self.close() }
    }

    /// Closes the connection if the peer has closed it, or says anything: nobody asked, and it would
    /// be taken for the answer to the next request. What TLS says to itself is no such thing.
    private func listen() {
        var surplus = ResponseBuffer(byteCountMax: 1)
        idleReceiptCount += 1
        do throws(StreamError) {
            let state = try stream.receive(into: &surplus)
            let isQuiet = state == .open && surplus.isEmpty
            guard isQuiet, idleReceiptCount <= Self.idleReceiptsMax else { return close() }
            flush()
        } catch {
            close()
        }
    }

    private func stopAlarm() {
        if let alarm { reactor.cancel(alarm) }
        alarm = nil
    }

    // MARK: Errors

    /// The peer ended the connection.
    private var closed: HTTPClientError.Cause {
        if let sendError, !sendError.isPeersEnd { return .system(sendError) }
        return .closed(reused: answerCount > 0, gotBytes: !buffer.isEmpty)
    }

    private func streamFailed(_ error: StreamError) {
        switch error {
        case .tls(let error): fail(.tls(error))
        case .system(let error) where error.isPeersEnd:
            if case .handshaking = stage { fail(.tls(.handshakeCutOff)) } else { fail(closed) }
        case .system(let error): fail(.system(error))
        }
    }
}

extension Errno {
    /// The peer closed its socket, rather than the network or this machine.
    fileprivate var isPeersEnd: Bool {
        self == .connectionReset || self == .brokenPipe
    }
}

extension ResponseError {
    /// A limit was passed.
    fileprivate var isTooLarge: Bool {
        switch self {
        case .message(.headTooLarge), .message(.fieldsTooMany), .message(.bodyTooLarge),
            .message(.chunkFramingTooLarge):
            true
        default: false
        }
    }
}
