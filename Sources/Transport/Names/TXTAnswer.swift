// SPDX-License-Identifier: BSD-2-Clause
//
// What a look-up of TXT records comes to. The line that matters runs between "there are none",
// which is a fact about the name, and a failure, which says nothing about it.

package import SystemPackage

/// The TXT records of a name, or why there are none.
package enum TXTAnswer: Hashable, Sendable {
    /// The records of the name, or of the one that it is an alias of (CNAME), at least one, in the
    /// order of the answer; of each its strings, joined.
    ///
    /// `ttl`: how long the answer holds, as the name server says.
    case records([[UInt8]], ttl: Duration)
    /// There is no such name, or it has no TXT record.
    ///
    /// `ttl`: how long that holds (RFC 2308 section 5), zero if the name server does not say.
    case nonexistent(ttl: Duration)
    /// It is not known what records the name has.
    case failure(TXTFailure)
}

/// Why it is not known what records a name has.
package enum TXTFailure: Error, Hashable, Sendable {
    /// No name server gave an answer in time.
    case unanswered
    /// The last name server to answer gives a response code that is no answer: 2 (SERVFAIL),
    /// 5 (REFUSED) and others.
    case refused(code: UInt8)
    /// A name server knows only of others that may know (RFC 2308 section 2.2, referral).
    case referred
    /// The answer is too long for a datagram, and no name server gave it over TCP in time.
    case truncated
    /// The answer is not what RFC 1035 describes, or answers something else.
    case malformed
    /// Too many look-ups wait for others already.
    case overloaded
    /// The system has nothing to ask with: no thread, no socket, no memory.
    case unavailable(Errno)
    /// Look-ups have been ended.
    case stopped
}

extension TXTFailure: CustomStringConvertible {
    /// For a log line, after the name.
    package var description: String {
        switch self {
        case .unanswered: "no name server answered in time"
        case .refused(let code): "the name server answers \(Self.name(ofCode: code))"
        case .referred: "the name server refers to others"
        case .truncated: "the answer is too long for UDP and did not come over TCP"
        case .malformed: "malformed answer"
        case .overloaded: "too many look-ups are waiting"
        case .unavailable(let error): "\(error)"
        case .stopped: "look-ups have ended"
        }
    }

    private static func name(ofCode code: UInt8) -> String {
        switch code {
        case 1: "FORMERR"
        case 2: "SERVFAIL"
        case 4: "NOTIMP"
        case 5: "REFUSED"
        default: "with response code \(code)"
        }
    }
}
