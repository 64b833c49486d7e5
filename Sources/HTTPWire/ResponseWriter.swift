// SPDX-License-Identifier: BSD-2-Clause
package struct ResponseWriter: ~Copyable {
    private var output: [UInt8]
    /// How the next response is framed. Set it to the request's before each response.
    package var framing: ResponseFraming

    /// - Parameters:
    ///   - output: what is waiting to be sent; responses are appended to it.
    ///   - date: the Date field line of the responses.
    package init(output: consuming [UInt8], date: DateField) {
        self.output = output
        self.framing = .closing
    }

    /// The output with all responses written. A response that was begun must have been ended.
    package consuming func finish() -> [UInt8] { output }

    /// Bytes of output so far.
    package var byteCount: Int { output.count }

    /// Whether a response is begun and not ended.
    package var isWriting: Bool { false }

    /// Writes the interim response 100 (Continue).
    package mutating func continueToBody() {}

    package mutating func begin(_ status: Status, contentType: StaticString) {}
    package mutating func field(_ name: StaticString, _ value: StaticString) {}
    package mutating func field(_ name: StaticString, _ value: Span<UInt8>) {}
    package mutating func field(_ name: StaticString, decimal value: UInt64) {}
    package mutating func append(_ text: StaticString) {}
    package mutating func append(_ text: String) {}
    package mutating func append(_ bytes: Span<UInt8>) {}
    package mutating func append(byte: UInt8) {}
    package mutating func append(decimal value: UInt64) {}
    package mutating func append(
        addingCapacity byteCount: Int, initializingWith fill: (inout OutputSpan<UInt8>) -> Void
    ) {}
    package mutating func end() {}

    package mutating func text(_ status: Status, _ reason: StaticString) {}
    package mutating func text(_ status: Status, _ reason: String) {}
    package mutating func prerendered(_ response: PrerenderedResponse) {}
}
