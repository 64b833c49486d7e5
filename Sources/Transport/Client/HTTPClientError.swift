// SPDX-License-Identifier: BSD-2-Clause
//
// Why a request has no answer. What an answer means, a status 500 included, is for others to say.

package import HTTPWire
package import SystemPackage

/// A request without an answer; its description is one line.
package struct HTTPClientError: Error, Hashable, Sendable, CustomStringConvertible {
    /// How far the request had come.
    package enum Phase: Hashable, Sendable {
        /// The host's addresses were asked for.
        case resolving
        /// A connection to one of them was waited for.
        case connecting
        /// There was a connection, and the peer had not proved yet who it is.
        case handshake
        /// The request was on its way, or its answer was.
        case answer
    }

    /// What happened.
    package enum Cause: Hashable, Sendable {
        /// The host's name stands for no address.
        case resolve(host: String, ResolverError)
        /// No address could be connected to; each with the reason, in the order tried.
        case connect([ConnectFailure])
        /// TLS did not come about, or broke.
        case tls(TLSError)
        /// A deadline passed.
        case timeout(Phase)
        /// The peer closed or reset the connection before the end of the answer. Reused: other
        /// requests had been answered on it. Got bytes: the answer had begun.
        case closed(reused: Bool, gotBytes: Bool)
        /// The answer is not HTTP as it should be.
        case malformed(ResponseError)
        /// The answer is larger than the limits.
        case tooLarge
        /// `cancel()` or `close()` was called, or the task that waited was cancelled.
        case cancelled
        /// The kernel refused something to this process, or reported that the peer is unreachable.
        case system(Errno)
    }

    /// What happened.
    package let cause: Cause
    /// Whether any byte of the request was sent, so that the peer may have seen and counted it.
    package let wasSent: Bool

    /// An error of its parts.
    package init(_ cause: Cause, wasSent: Bool) {
        self.cause = cause
        self.wasSent = wasSent
    }

    /// A connection that was kept from an earlier request turned out to be closed: nothing is known
    /// against the peer, and the request may be made once more, which takes a new connection. The
    /// client does not do that by itself: the peer may have seen the request (see `wasSent`).
    package var isStaleConnection: Bool {
        cause == .closed(reused: true, gotBytes: false)
    }

    /// One line.
    package var description: String {
        switch cause {
        case .resolve(let host, let error): "\(host) not resolved: \(error)"
        case .connect(let failures):
            "cannot connect to " + failures.map(\.description).joined(separator: ", nor to ")
        case .tls(let error): "\(error)"
        case .timeout(let phase): "time is up, \(phase)"
        case .closed(reused: false, gotBytes: false): "connection closed without an answer"
        case .closed(reused: true, gotBytes: false): "kept connection closed without an answer"
        case .closed(_, gotBytes: true): "connection closed in the middle of the answer"
        case .malformed(let error): "malformed answer: \(error.reason)"
        case .tooLarge: "answer too large"
        case .cancelled: "cancelled"
        case .system(let error): "\(error)"
        }
    }
}

extension HTTPClientError.Phase: CustomStringConvertible {
    /// The end of a sentence about time.
    package var description: String {
        switch self {
        case .resolving: "the name is not resolved"
        case .connecting: "there is no connection"
        case .handshake: "the TLS handshake is not complete"
        case .answer: "the answer is not complete"
        }
    }
}

/// An address that could not be connected to.
package struct ConnectFailure: Hashable, Sendable, CustomStringConvertible {
    /// Such as `127.0.0.1:6965` or `[::1]:6965`.
    package let address: String
    /// What the kernel says; ETIMEDOUT also when it was our own patience that ended.
    package let error: Errno

    /// `127.0.0.1:6965 (Connection refused)`
    package var description: String { "\(address) (\(error))" }
}
