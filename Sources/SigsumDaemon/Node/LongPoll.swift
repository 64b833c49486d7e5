// SPDX-License-Identifier: BSD-2-Clause
//
// Requests that the peer may hold until there is something new (RFC 7240 section 4.3): between nodes
// of one log, so that replication takes milliseconds.

import HTTPWire
import Transport

/// How long a request may be held, for a given `timeout`.
struct LongPoll: Sendable {
    /// A little less than `timeout`, and at least 1: the peer is asked in whole seconds.
    let waitSeconds: UInt64
    /// For a request that may be held.
    let timeouts: ClientTimeouts

    /// - Parameter timeout: how long a request to another node may take.
    init(timeout: Duration) {
        let seconds = max(1, timeout.components.seconds - 1)
        waitSeconds = UInt64(seconds)
        let whole = max(timeout, .seconds(seconds + 1))
        timeouts = ClientTimeouts(
            connect: Self.connectTimeout(timeout), request: whole, overall: whole)
    }

    /// `Prefer: wait=9`.
    var preference: RequestField { RequestField("Prefer", "wait=\(waitSeconds)") }

    /// For requests that are answered at once.
    static func timeouts(_ timeout: Duration) -> ClientTimeouts {
        ClientTimeouts(connect: connectTimeout(timeout), request: timeout, overall: timeout)
    }

    /// An address that does not answer leaves time for the next one.
    private static func connectTimeout(_ timeout: Duration) -> Duration {
        min(.seconds(5), timeout / 2)
    }
}

extension ClientResponse {
    /// Whether the peer says that it may hold requests.
    var isWaitHonored: Bool {
        value(of: "preference-applied")?.lowercased().hasPrefix("wait") ?? false
    }
}
