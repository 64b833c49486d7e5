// SPDX-License-Identifier: BSD-2-Clause
//
// One connection from its acceptance to its end. Whatever wakes it (bytes, room to send, a deferred
// response, an alarm), it then goes through the same three steps, `advance()`:
//
//     1. render: parse what was received, request by request, and have each one answered
//     2. flush:  send what was rendered, with one system call
//     3. settle: close, or say what to wait for next, and until when
//
// In the common case that is one receive and one send per request, or per batch of pipelined ones.
//
// Nothing is received or handled while output waits for the peer, and nothing is handled while a
// deferred response is outstanding; meanwhile the input buffer fills up and then reading pauses. So
// a connection holds at most one input buffer, `outputBytesMax` of output and one response.

import HTTPWire
import Reactor
import SystemPackage

/// A server's end of one connection; on the reactor's thread only.
final class HTTPConnection: EventHandler {
    private enum Stage {
        /// Requests are parsed as they come.
        case reading
        /// A request was handled and its response is to come.
        case deferred(ResponseFraming)
        /// The last response is rendered.
        case closing
        /// The last response is sent; what the peer still sends is dropped, up to so many bytes.
        case lingering(bytesLeft: Int)
        case closed
    }

    /// What the peer must do before the deadline.
    private enum Wait {
        case nothing
        case head
        case body
        case request
        case receipt
        case farewell
    }

    private let server: HTTPServer
    private let socket: OwnedDescriptor
    private var registration = Registration.none
    private var stage = Stage.reading

    private var parser: RequestParser
    private var input = InputBuffer()
    /// The peer has said that it will send no more.
    private var isInputEnded = false
    /// The part of an incomplete request that the parser waits for.
    private var phase = RequestPhase.head
    /// Requests handled; the number of the one whose response is deferred.
    private var requestCount: UInt64 = 0

    /// Rendered and not sent completely: empty, or `sent` of its bytes are sent.
    private var output: [UInt8] = []
    private var sent = 0
    /// Rendering stopped because there was enough output, not because there was no request.
    private var isCutShort = false

    /// Moving the deadline is an assignment. The alarm, a timer of the reactor, is set anew only
    /// when it rings too early, or would ring too late.
    private var wait = Wait.nothing
    private var deadline = MonotonicInstant(nanoseconds: .max)
    private var alarm: Timer?
    private var alarmTime = MonotonicInstant(nanoseconds: .max)

    init(_ socket: consuming OwnedDescriptor, of server: HTTPServer) {
        self.socket = socket
        self.server = server
        parser = RequestParser(limits: server.limits.request)
    }

    /// Waits for the first request.
    func begin() throws(Errno) -> Registration {
        registration = try server.reactor.register(socket, for: .read, handler: self)
        waitForPeer(.head)
        return registration
    }

    // MARK: What wakes the connection

    func ready(_ events: ReadyEvents, of registration: Registration) {
        let isReading = interest.contains(.read)
        if events.contains(.writable) { flush() }
        if case .closed = stage { return }
        if isReading {
            receive()
        } else if !events.isDisjoint(with: [.error, .hangUp]) {
            // Nothing was to be received, and nothing can be sent any more.
            return close()
        }
        advance()
    }

    /// Writes a deferred response. Nothing happens if another request than the ticket's is waiting.
    func complete(_ ticketed: UInt64, _ render: (inout ResponseWriter) -> Void) {
        guard case .deferred(let framing) = stage, ticketed == requestCount else { return }
        stage = .reading
        var writer = ResponseWriter(output: takeOutput(), date: server.date)
        writer.framing = framing
        if server.isDraining { writer.framing.persistence = .close }
        let byteCount = writer.byteCount
        render(&writer)
        responseWritten(by: writer, since: byteCount)
        renderRequests(to: &writer)
        output = writer.finish()
        advance()
    }

    /// The server ends: an idle connection is closed, unless a request is in the socket just now.
    func drain() {
        guard case .reading = stage, input.isEmpty, output.isEmpty else { return }
        receive()
        advance()
    }

    private func alarmRang() {
        alarm = nil
        alarmTime = MonotonicInstant(nanoseconds: .max)
        guard wait != .nothing else { return }
        guard server.reactor.now >= deadline else { return setAlarm() }
        guard wait == .head || wait == .body, !input.isEmpty else { return close() }
        var writer = ResponseWriter(output: takeOutput(), date: server.date)
        refuse(.requestTimeout, "request not complete in time", to: &writer)
        output = writer.finish()
        advance()
    }

    // MARK: The three steps

    private func advance() {
        if case .closed = stage { return }
        if output.isEmpty { render() }
        flush()
        settle()
    }

    private func receive() {
        switch input.receive(from: socket, pool: &server.inputs) {
        case .moved(0):
            isInputEnded = true
        case .moved(let count):
            guard case .lingering(let bytesLeft) = stage else { return }
            input.consumeAll()
            stage = .lingering(bytesLeft: bytesLeft - count)
        case .wouldBlock:
            break
        case .failed:
            close()
        }
    }

    private func render() {
        guard case .reading = stage, !input.isEmpty else { return }
        var writer = ResponseWriter(output: takeOutput(), date: server.date)
        renderRequests(to: &writer)
        output = writer.finish()
        if output.isEmpty { recycleOutput() }
    }

    private func renderRequests(to writer: inout ResponseWriter) {
        isCutShort = false
        while case .reading = stage, !input.isEmpty {
            guard writer.byteCount < server.limits.outputBytesMax else {
                isCutShort = true
                return
            }
            switch input.withBytes({ parser.parse($0) }) {
            case .complete(let byteCount):
                handleRequest(byteCount, writer: &writer)
            case .needMore(let phase):
                self.phase = phase
                return
            case .sendContinue:
                writer.continueToBody()
            case .malformed(let error):
                refuse(error.status, error.reason, to: &writer)
            }
        }
    }

    private func handleRequest(_ requestByteCount: Int, writer: inout ResponseWriter) {
        requestCount += 1
        phase = .head
        wait = .nothing
        writer.framing = ResponseFraming(answering: parser.head)
        if server.isDraining { writer.framing.persistence = .close }
        let outputByteCount = writer.byteCount
        var isTicketDrawn = false

        let handling = input.withBytes { bytes in
            parser.withBody(of: bytes) { body in
                server.handler.handle(
                    parser.head, bytes: bytes.extracting(first: requestByteCount), body: body,
                    response: &writer
                ) {
                    isTicketDrawn = true
                    return ResponseTicket(
                        reactor: server.reactor, registration: registration,
                        sequence: requestCount)
                }
            }
        }
        input.consume(requestByteCount)

        switch handling {
        case .answered:
            responseWritten(by: writer, since: outputByteCount)
        case .deferred:
            precondition(isTicketDrawn, "a response deferred without a ticket never comes")
            precondition(writer.byteCount == outputByteCount, "written and deferred")
            stage = .deferred(writer.framing)
        }
    }

    private func responseWritten(by writer: borrowing ResponseWriter, since byteCount: Int) {
        precondition(!writer.isWriting, "a response was not ended")
        precondition(writer.byteCount > byteCount, "answered without a response")
        if writer.framing.persistence == .close { stage = .closing }
    }

    /// Answers what is no request, or not a whole one. Where the next one begins is unknown.
    private func refuse(
        _ status: Status, _ reason: StaticString, to writer: inout ResponseWriter
    ) {
        server.counters.requestMalformed(status)
        writer.framing = .closing
        writer.text(status, reason)
        stage = .closing
    }

    /// Sends once. When the kernel takes a part only, it would take no more now, and will tell
    /// when.
    private func flush() {
        if output.isEmpty { return }
        switch socket.send(output.span.extracting(sent...)) {
        case .moved(let count):
            sent += count
            wait = .nothing
            if sent == output.count { recycleOutput() }
        case .wouldBlock:
            break
        case .failed:
            close()
        }
    }

    private func settle() {
        if output.isEmpty, !isCutShort { endIfDone() }
        if case .closed = stage { return }
        input.recycle(into: &server.inputs)
        server.reactor.update(registration, for: interest)
        waitForPeer(nextWait)
    }

    /// With all output sent: closes if there is nothing left to do, or begins to linger.
    private func endIfDone() {
        switch stage {
        case .reading:
            // An incomplete request that nothing more can be added to counts as nothing.
            if isInputEnded || server.isDraining && input.isEmpty { close() }
        case .deferred, .closed:
            break
        case .closing:
            // A look into the socket: bytes that nobody has read make the kernel send a reset,
            // which could overtake the response on the peer's side.
            if !isInputEnded && input.isEmpty { receive() }
            if isInputEnded || input.isEmpty { return close() }
            input.consumeAll()
            socket.shutdownSending()
            stage = .lingering(bytesLeft: server.limits.lingerBytesMax)
        case .lingering(let bytesLeft):
            if isInputEnded || bytesLeft <= 0 { close() }
        }
    }

    /// What the reactor is to report. With enough output rendered and sent, room for more is
    /// awaited though it is there: so other connections have their turn in between.
    private var interest: Interest {
        if !output.isEmpty || isCutShort { return .write }
        return isInputEnded || !input.hasRoom ? [] : .read
    }

    private var nextWait: Wait {
        if !output.isEmpty { return .receipt }
        switch stage {
        case .reading:
            if input.isEmpty && requestCount > 0 { return .request }
            return phase == .head ? .head : .body
        case .lingering:
            return .farewell
        case .deferred, .closing, .closed:
            return .nothing
        }
    }

    /// Ends the connection at once. What is not sent is lost.
    func close() {
        if case .closed = stage { return }
        stage = .closed
        if let alarm { server.reactor.cancel(alarm) }
        alarm = nil
        input.consumeAll()
        input.recycle(into: &server.inputs)
        recycleOutput()
        server.reactor.deregister(registration)
        // The descriptor goes with the last reference, which the caller has.
        server.connectionClosed(registration)
    }

    // MARK: Output storage

    /// The waiting output to append to, or an empty buffer.
    private func takeOutput() -> [UInt8] {
        guard !output.isEmpty else { return server.takeOutput() }
        var taken: [UInt8] = []
        swap(&taken, &output)
        return taken
    }

    private func recycleOutput() {
        var taken: [UInt8] = []
        swap(&taken, &output)
        sent = 0
        server.giveOutput(taken)
    }

    // MARK: Deadlines

    /// Sets the deadline for what the peer must do next. One that was set for the same thing stays:
    /// a request that comes byte by byte does not get more time by it. Only idleness begins anew.
    private func waitForPeer(_ next: Wait) {
        guard next != wait || next == .request else { return }
        wait = next
        let patience: Int64
        switch next {
        case .nothing: return
        case .head: patience = server.patience.head
        case .body: patience = server.patience.body
        case .request: patience = server.patience.idle
        case .receipt: patience = server.patience.write
        case .farewell: patience = server.patience.linger
        }
        deadline = server.reactor.now.advanced(byNanoseconds: patience)
        if deadline < alarmTime { setAlarm() }
    }

    private func setAlarm() {
        if let alarm { server.reactor.cancel(alarm) }
        alarmTime = deadline
        // The reference is given up when the alarm rings or the connection closes.
        alarm = server.reactor.schedule(at: deadline) { self.alarmRang() }
    }
}
