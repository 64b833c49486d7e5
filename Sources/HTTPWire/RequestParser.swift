// SPDX-License-Identifier: BSD-2-Clause
/// What a parser answers to the bytes received so far.
package enum RequestStep: Sendable, Hashable {
    /// The request is incomplete: call again when there are more bytes.
    case needMore(RequestPhase)
    /// Send `ResponseWriter.continueToBody()` now, then call again, with the same bytes or more. At
    /// most once per request.
    case sendContinue
    /// The request is the first `byteCount` bytes. Drop them before parsing the next one.
    case complete(byteCount: Int)
    /// Answer with the error's status and close. The parser gives the same answer from here on.
    case malformed(RequestError)
}

/// What an incomplete request is waiting for; each has its own deadline.
package enum RequestPhase: Sendable, Hashable {
    case head
    case body
}

package struct RequestParser: ~Copyable {
    package let limits: RequestLimits
    /// Valid from `.complete` to the next `parse(_:)`. Its storage is reused for every request.
    package private(set) var head = RequestHead()

    package init(limits: RequestLimits) {
        self.limits = limits
    }

    package mutating func parse(_ bytes: Span<UInt8>) -> RequestStep {
        .needMore(.head)
    }

    package func withBody<Result: ~Copyable, Failure: Error>(
        of bytes: Span<UInt8>, _ use: (Span<UInt8>) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try use(bytes.extracting(0..<0))
    }
}
