// SPDX-License-Identifier: BSD-2-Clause

// What add-leaf answers.

package import HTTPWire

/// The answer to an add-leaf request.
package enum AddLeafAnswer: Hashable, Sendable {
    /// 200: the leaf is durable, here and on as many secondaries as are required, and will be in every
    /// tree head whose signing begins now or later.
    case logged
    /// 202: the leaf is durable here; too few secondaries hold it yet.
    case accepted
    /// 403: the signature is not the public key's.
    case invalidSignature
    /// 503: too much to do, or too little room; later it may work.
    case unavailable(Unavailability)

    /// The reasons for 503.
    package enum Unavailability: Hashable, Sendable {
        /// The queue of leaves to verify is full.
        case overloaded
        /// The disk is nearly full.
        case diskNearlyFull
        /// The stored leaves contradict what was signed, or what a witness cosigned.
        case signingHalted
        /// The tree that the log begins with has not met its quorum yet.
        case nothingPublished

        var text: StaticString {
            switch self {
            case .overloaded: "too many leaves are waiting; try again later"
            case .diskNearlyFull: "the log's disk is nearly full; no new leaves are taken"
            case .nothingPublished: "the log has not published its first tree head yet"
            case .signingHalted: "the log has stopped signing; see its log file"
            }
        }
    }

    /// The status that is sent.
    package var status: Status {
        switch self {
        case .logged: .ok
        case .accepted: .accepted
        case .invalidSignature: .forbidden
        case .unavailable: .serviceUnavailable
        }
    }

    /// Whether a little later, when the leaf is published, there may be a better one.
    package var isWorthWaiting: Bool { self == .logged || self == .accepted }

    /// Renders the response.
    package func write(to response: inout ResponseWriter) {
        switch self {
        case .logged:
            response.begin(.ok, contentType: "text/plain; charset=utf-8")
            response.end()
        case .accepted:
            response.text(
                .accepted, "the leaf is stored and waits for the secondaries; send it again later")
        case .invalidSignature:
            response.text(.forbidden, "invalid leaf signature")
        case .unavailable(let reason):
            response.unavailable(reason.text)
        }
    }
}

extension ResponseWriter {
    /// 503 with Retry-After: every client takes it for "later".
    mutating func unavailable(_ reason: StaticString) {
        begin(.serviceUnavailable, contentType: "text/plain; charset=utf-8")
        field("Retry-After", decimal: 1)
        append(reason)
        append(byte: 0x0A)
        end()
    }
}
