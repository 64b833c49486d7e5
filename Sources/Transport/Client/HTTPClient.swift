// SPDX-License-Identifier: BSD-2-Clause
//
// The way of a request: is there a connection from the request before? If not, find the host's
// addresses, connect to one of them, make a ClientConnection of the socket. Then the request is that
// connection's. One timer runs over all of it.
//
// What was sent is never sent again by itself: the peer counts requests, and so does the caller.

package import HTTPWire
package import Reactor
import SystemPackage

/// An HTTP/1.1 client for one origin. It has one connection at most, kept between requests, and one
/// request in flight at most; redirects are answers like others. It belongs to one reactor, and all
/// its functions are called on that reactor's thread.
///
/// Before the reactor ends, the client has to be closed: else who waits, waits for ever. An idle
/// connection keeps what it needs alive until it is closed, at most `ClientTimeouts.idle`.
///
/// `@unchecked Sendable`: everything is touched on the reactor's thread only; the reference itself
/// goes through the hands of tasks that wait.
package final class HTTPClient: @unchecked Sendable {
    /// A request that has no answer yet.
    private struct Flight {
        let number: UInt64
        let request: ClientRequest
        let timeouts: ClientTimeouts
        let alarm: Timer
        let then: (Result<ClientResponse, HTTPClientError>) -> Void
    }

    private enum Stage {
        case resolving
        case connecting(ConnectAttempt)
        case talking
    }

    /// Whom this client talks to.
    package let origin: HTTPOrigin
    private let reactor: Reactor
    private let tls: TLSClientContext?
    private let timeouts: ClientTimeouts
    private let limits: ResponseLimits
    private let writer: RequestWriter
    private let resolver: NameResolver

    private var connection: ClientConnection?
    private var flight: Flight?
    private var stage = Stage.resolving
    private var lastNumber: UInt64 = 0

    /// A client that has not connected yet.
    ///
    /// - Parameters:
    ///   - tls: needed for a secure origin, not used for others.
    ///   - userAgent: the value of the User-Agent field.
    package convenience init(
        on reactor: Reactor, origin: HTTPOrigin, tls: TLSClientContext?,
        timeouts: ClientTimeouts = ClientTimeouts(), limits: ResponseLimits = ResponseLimits(),
        userAgent: String
    ) {
        self.init(
            on: reactor, origin: origin, tls: tls, timeouts: timeouts, limits: limits,
            userAgent: userAgent, lookup: NameResolver.systemLookup)
    }

    /// As above, with another resolver than the system's.
    init(
        on reactor: Reactor, origin: HTTPOrigin, tls: TLSClientContext?, timeouts: ClientTimeouts,
        limits: ResponseLimits, userAgent: String, lookup: @escaping NameResolver.Lookup
    ) {
        precondition(!origin.isSecure || tls != nil, "https without TLS")
        self.reactor = reactor
        self.origin = origin
        self.tls = origin.isSecure ? tls : nil
        self.timeouts = timeouts
        self.limits = limits
        writer = RequestWriter(host: origin.authority, userAgent: userAgent)
        resolver = NameResolver(on: reactor, origin: origin, lookup: lookup)
    }

    /// Whether a request has no answer yet.
    package var isBusy: Bool { flight != nil }

    /// How far the request in flight has come.
    var phase: HTTPClientError.Phase {
        switch stage {
        case .resolving: .resolving
        case .connecting: .connecting
        case .talking: connection?.phase ?? .answer
        }
    }

    // MARK: Requests

    /// Sends a request when none is in flight.
    ///
    /// - Parameter then: called once, on the reactor's thread and not within this call. It may send
    ///   the next request.
    package func send(
        _ request: ClientRequest, then: @escaping (Result<ClientResponse, HTTPClientError>) -> Void
    ) {
        precondition(flight == nil, "one request at a time")
        lastNumber += 1
        let number = lastNumber
        let timeouts = request.timeouts ?? self.timeouts
        let alarm = reactor.schedule(at: reactor.now.advanced(by: timeouts.overall)) {
            self.abandon(.timeout(self.phase))
        }
        flight = Flight(
            number: number, request: request, timeouts: timeouts, alarm: alarm, then: then)
        stage = .resolving
        // Soon rather than now: so a caller that asks again after each failure does not nest.
        _ = reactor.schedule(at: reactor.now) {
            if self.flight?.number == number { self.start() }
        }
    }

    /// As `send(_:then:)`, for actors that live on the reactor. Cancelling the task cancels the
    /// request.
    ///
    /// - Parameter isolation: the calling actor, on whose executor, the reactor, this goes on.
    package func send(
        _ request: ClientRequest, isolation: isolated (any Actor)? = #isolation
    ) async throws(HTTPClientError) -> ClientResponse {
        guard !Task.isCancelled else { throw HTTPClientError(.cancelled, wasSent: false) }
        let number = lastNumber + 1
        let result = await withTaskCancellationHandler {
            // Naming it makes the closure the actor's as well.
            _ = isolation
            return await withCheckedContinuation { continuation in
                send(request) { continuation.resume(returning: $0) }
            }
        } onCancel: {
            reactor.post {
                if self.flight?.number == number { self.cancel() }
            }
        }
        return try result.get()
    }

    /// Ends the request in flight, if there is one; its callback gets `.cancelled` before this
    /// returns.
    package func cancel() {
        abandon(.cancelled)
    }

    /// Ends the request in flight as `cancel()` does, and closes the connection.
    package func close() {
        cancel()
        connection?.close()
    }

    // MARK: The way of a request

    private func start() {
        guard let flight else { return }
        if let connection, connection.isReusable() {
            stage = .talking
            return connection.begin(exchange(for: flight))
        }
        stage = .resolving
        do throws(Errno) {
            try resolver.resolve { self.connect(to: $0) }
        } catch {
            fail(.system(error))
        }
    }

    private func connect(to answer: NameResolver.Answer) {
        guard let flight else { return }
        switch answer {
        case .failure(let error):
            fail(.resolve(host: origin.host, error))
        case .success(let addresses):
            let attempt = ConnectAttempt(
                to: addresses, on: reactor, timeout: flight.timeouts.connect
            ) { self.connected($0) }
            stage = .connecting(attempt)
            attempt.begin()
        }
    }

    private func connected(_ outcome: consuming ConnectOutcome) {
        switch consume outcome {
        case .failed(let failures): fail(.connect(failures))
        case .connected(let socket): talk(over: socket)
        }
    }

    private func talk(over socket: consuming OwnedDescriptor) {
        guard let flight else { return }
        stage = .talking
        var session: TLSSession?
        do throws(TLSError) {
            session = try tls.map { context throws(TLSError) in
                try TLSSession(context, host: origin.host, isAddress: origin.isAddress)
            }
        } catch {
            return fail(.tls(error))
        }
        let connection = ClientConnection(
            ClientStream(socket, session: session.take()), on: reactor, limits: limits,
            idleTimeout: timeouts.idle
        ) { self.connection = nil }
        self.connection = connection
        do throws(Errno) {
            try connection.open(exchange(for: flight))
        } catch {
            self.connection = nil
            fail(.system(error))
        }
    }

    private func exchange(for flight: Flight) -> ClientConnection.Exchange {
        let request = flight.request
        return ClientConnection.Exchange(
            request: writer.render(
                request.method, request.target, fields: request.fields,
                contentType: request.contentType, body: request.body.span),
            method: request.method, timeout: flight.timeouts.request
        ) { self.finish($0) }
    }

    // MARK: Ends

    /// Stops whatever is being done for the request, and reports it.
    private func abandon(_ cause: HTTPClientError.Cause) {
        guard flight != nil else { return }
        switch stage {
        case .resolving:
            resolver.cancel()
            fail(cause)
        case .connecting(let attempt):
            attempt.cancel()
            fail(cause)
        case .talking:
            // Reports by the exchange's callback.
            connection?.fail(cause)
        }
    }

    /// Before any byte of the request was sent.
    private func fail(_ cause: HTTPClientError.Cause) {
        finish(.failure(HTTPClientError(cause, wasSent: false)))
    }

    private func finish(_ result: Result<ClientResponse, HTTPClientError>) {
        guard let flight else { return }
        self.flight = nil
        stage = .resolving
        reactor.cancel(flight.alarm)
        flight.then(result)
    }
}
