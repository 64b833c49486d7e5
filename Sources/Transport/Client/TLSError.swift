// SPDX-License-Identifier: BSD-2-Clause
//
// Why TLS did not work, in words for an operator.

/// What went wrong with TLS; each description is one line.
package enum TLSError: Error, Hashable, Sendable, CustomStringConvertible {
    /// libssl could not be set up, for the reason that it gives: with this process's configuration
    /// of OpenSSL, say.
    case setUp(String)
    /// The peer's certificate is not accepted, for the reason that libcrypto gives.
    case certificate(String)
    /// The peers do not understand or do not want each other, for the reason that libssl gives; an
    /// alert of the peer's is one.
    case failed(String)
    /// The peer closed the connection before the handshake was complete.
    case handshakeCutOff
    /// The connection ended without a close_notify alert: somebody else may have ended it, and what
    /// came before it need not be all (RFC 8446 section 6.1).
    case truncated

    /// One line.
    package var description: String {
        switch self {
        case .setUp(let reason): "TLS cannot be set up: \(reason)"
        case .certificate(let reason): "certificate not accepted: \(reason)"
        case .failed(let reason): "TLS failed: \(reason)"
        case .handshakeCutOff: "connection closed during the TLS handshake"
        case .truncated: "TLS connection cut off"
        }
    }
}
