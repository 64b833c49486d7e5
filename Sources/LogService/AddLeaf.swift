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
    /// 400: the submit token's domain does not stand behind it.
    case invalidToken(TokenFault)
    /// 403: the signature is not the public key's.
    case invalidSignature
    /// 429: the rate limits do not allow a new leaf.
    case overLimit(RateLimitRefusal)
    /// 500: it could not be found out what the submit token is worth; another log may know.
    case tokenUnchecked
    /// 500: the store cannot be read.
    case storeFailed
    /// 503: too much to do, or too little room; later it may work.
    case unavailable(Unavailability)

    /// The reasons for 503.
    package enum Unavailability: Hashable, Sendable {
        /// The queue of leaves to verify is full.
        case overloaded
        /// Too many submit tokens wait for name servers, or to be verified.
        case tokensOverloaded
        /// The disk is nearly full.
        case diskNearlyFull
        /// The stored leaves contradict what was signed, or what a witness cosigned.
        case signingHalted
        /// The tree that the log begins with has not met its quorum yet.
        case nothingPublished

        var text: StaticString {
            switch self {
            case .overloaded: "too many leaves are waiting; try again later"
            case .tokensOverloaded: "too many submit tokens are being checked; try again later"
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
        case .invalidToken: .badRequest
        case .invalidSignature: .forbidden
        case .overLimit: .tooManyRequests
        case .tokenUnchecked, .storeFailed: .internalServerError
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
        case .invalidToken(let fault):
            response.text(.badRequest, fault.text)
        case .overLimit(let refusal):
            response.text(.tooManyRequests, refusal.text)
        case .tokenUnchecked:
            response.text(
                .internalServerError,
                "the DNS records of the submit token's domain could not be read")
        case .storeFailed:
            response.text(.internalServerError, "the log's store failed")
        case .unavailable(let reason):
            response.unavailable(reason.text)
        }
    }
}

/// What is wrong with a submit token that is well-formed.
package enum TokenFault: Hashable, Sendable {
    /// Its domain is no domain name in normal form.
    case domain
    /// Its domain has no key in the DNS.
    case noKey
    /// None of the domain's keys made it for this log.
    case signature

    var text: String {
        switch self {
        case .domain: "the submit token's domain is no normalised domain name"
        case .noKey: "the submit token's domain has no key in TXT records of _sigsum_v1"
        case .signature: "the submit token was not made for this log by a key of its domain"
        }
    }
}

/// Why no account has room for a new leaf.
package enum RateLimitRefusal: Hashable, Sendable {
    /// Neither the key nor, for want of a submit token, a domain is known.
    case unknownKey
    /// Neither the key nor the domain is one that may submit.
    case unknownDomain
    /// What the table of counts says.
    case quota(QuotaTable.Verdict)

    var text: String {
        switch self {
        case .unknownKey: "rate limit: this key has none of its own, and no submit token came along"
        case .unknownDomain: "rate limit: neither this key nor this domain may submit here"
        case .quota(.overPublicTotal):
            "rate limit: what all public domains may submit in 24 hours is used up"
        case .quota(.tooManyDomains):
            "rate limit: too many domains have submitted in these 24 hours"
        case .quota: "rate limit: what this key or domain may submit in 24 hours is used up"
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
