// SPDX-License-Identifier: BSD-2-Clause
//
// Renders responses straight into a connection's output. Every response says how long its body is;
// the body is written in place behind a head whose Content-Length is filled in at the end, so that
// nothing is measured first and nothing copied. What is answered, and when it is sent, others
// decide.

/// Writes the responses of one connection, one after the other:
///
///     HTTP/1.1 200 OK
///     Date: Sun, 06 Nov 1994 08:49:37 GMT
///     Content-Type: text/plain; charset=utf-8
///     Content-Length:          10
///
///     no tree...
///
/// The blanks before the length are optional white space (RFC 9112 section 5), room for more
/// digits.
package struct ResponseWriter: ~Copyable {
    /// How the next response is framed: set it to the request's before each. A handler that wants
    /// the connection to end after its answer sets its persistence before it begins.
    package var framing = ResponseFraming.closing {
        willSet { precondition(!isWriting, "the response has begun") }
    }

    private var output: [UInt8]
    private let date: DateField
    private var stage = Stage.between
    /// Where the current response begins, and where its Content-Length's last digit ends.
    private var responseStart = 0
    private var lengthEnd = 0

    private enum Stage: Equatable {
        case between
        case fields
        case body(start: Int)
    }

    /// - Parameters:
    ///   - output: what is waiting to be sent; responses are appended to it.
    ///   - date: the Date field of all responses from this writer.
    package init(output: consuming [UInt8], date: DateField) {
        self.output = output
        self.date = date
    }

    /// The output with the responses. A response that was begun must have been ended.
    package consuming func finish() -> [UInt8] {
        precondition(!isWriting, "a response was not ended")
        return output
    }

    /// Bytes of output so far.
    package var byteCount: Int { output.count }

    /// A response is begun and not ended.
    package var isWriting: Bool { stage != .between }

    /// Writes the interim response 100 (Continue), RFC 9110 section 15.2.1. The response follows.
    package mutating func continueToBody() {
        precondition(!isWriting)
        output.append("HTTP/1.1 100 Continue\r\n\r\n")
    }
}

// MARK: A response in parts

extension ResponseWriter {
    /// Begins a response. Then come `field` calls, then `append` calls for the body, then `end()`.
    package mutating func begin(_ status: Status, contentType: StaticString) {
        precondition(!isWriting, "the previous response was not ended")
        responseStart = output.count
        output.append(status.line)
        output.append(copying: date.line.span)
        output.append("Content-Type: ")
        output.append(contentType)
        output.append("\r\nContent-Length:           0\r\n")
        lengthEnd = output.count - 2
        appendFramingFields()
        stage = .fields
    }

    /// Adds a field to the response that was begun. Control bytes in the value, which could end the
    /// line early, are written as blanks, as RFC 9110 section 5.5 has a recipient read them.
    package mutating func field(_ name: StaticString, _ value: Span<UInt8>) {
        precondition(stage == .fields, "fields come before the body")
        output.append(name)
        output.append(": ")
        for offset in value.indices {
            let byte = value[offset]
            output.append(byte < 0x20 || byte == 0x7f ? ASCII.space : byte)
        }
        output.append("\r\n")
    }

    /// Adds a field with a fixed value, such as Allow.
    package mutating func field(_ name: StaticString, _ value: StaticString) {
        precondition(stage == .fields, "fields come before the body")
        output.append(name)
        output.append(": ")
        output.append(value)
        output.append("\r\n")
    }

    /// Adds a field with a number, such as Retry-After.
    package mutating func field(_ name: StaticString, decimal value: UInt64) {
        precondition(stage == .fields, "fields come before the body")
        output.append(name)
        output.append(": ")
        output.append(decimal: value)
        output.append("\r\n")
    }

    /// Appends to the body of the response that was begun.
    package mutating func append(_ bytes: Span<UInt8>) {
        enterBody()
        output.append(copying: bytes)
    }

    /// Appends the bytes of a fixed text to the body.
    package mutating func append(_ text: StaticString) {
        enterBody()
        output.append(text)
    }

    /// Appends a text in UTF-8 to the body. Disfavoured, so that a literal goes the way of static
    /// strings, which makes no String.
    @_disfavoredOverload
    package mutating func append(_ text: String) {
        enterBody()
        output.append(contentsOf: text.utf8)
    }

    /// Appends one byte to the body.
    package mutating func append(byte: UInt8) {
        enterBody()
        output.append(byte)
    }

    /// Appends a number in its shortest decimal form.
    package mutating func append(decimal value: UInt64) {
        enterBody()
        output.append(decimal: value)
    }

    /// Appends up to `byteCount` body bytes that `fill` writes in place.
    package mutating func append<Failure: Error>(
        addingCapacity byteCount: Int,
        initializingWith fill: (inout OutputSpan<UInt8>) throws(Failure) -> Void
    ) throws(Failure) {
        enterBody()
        try output.append(addingCapacity: byteCount, initializingWith: fill)
    }

    /// Ends the response: its Content-Length is now known. For HEAD the body is taken back.
    package mutating func end() {
        enterBody()
        guard case .body(let start) = stage else { preconditionFailure("no response was begun") }
        let bodyByteCount = output.count - start
        patchContentLength(bodyByteCount)
        if framing.omitsBody { output.removeLast(bodyByteCount) }
        stage = .between
    }

    /// Takes back what was written of the response that was begun, for another to take its place.
    package mutating func abandon() {
        precondition(isWriting, "no response was begun")
        output.removeLast(output.count - responseStart)
        stage = .between
    }

    private mutating func enterBody() {
        guard stage == .fields else {
            precondition(isWriting, "no response was begun")
            return
        }
        output.append("\r\n")
        stage = .body(start: output.count)
    }

    /// Writes the length right-aligned over the blanks and the zero that `begin` left for it.
    private mutating func patchContentLength(_ byteCount: Int) {
        precondition(byteCount < 10_000_000_000, "eleven digits do not fit")
        var rest = byteCount
        var offset = lengthEnd
        while rest > 0 {
            offset -= 1
            output[offset] = ASCII.zero + UInt8(rest % 10)
            rest /= 10
        }
    }

    /// What depends on the request alone.
    private mutating func appendFramingFields() {
        switch framing.persistence {
        case .implied: break
        case .keepAlive: output.append("Connection: keep-alive\r\n")
        case .close: output.append("Connection: close\r\n")
        }
        if let grantedWait = framing.grantedWait {
            output.append("Preference-Applied: wait=")
            output.append(decimal: UInt64(grantedWait))
            output.append("\r\n")
        }
    }
}

// MARK: A response at once

extension ResponseWriter {
    /// Writes a whole response whose body is `reason` and a line feed, in plain text.
    package mutating func text(_ status: Status, _ reason: StaticString) {
        begin(status, contentType: "text/plain; charset=utf-8")
        append(reason)
        append(byte: ASCII.lineFeed)
        end()
    }

    /// Writes a whole response whose body is `reason` and a line feed, in plain text.
    @_disfavoredOverload
    package mutating func text(_ status: Status, _ reason: String) {
        begin(status, contentType: "text/plain; charset=utf-8")
        append(reason)
        append(byte: ASCII.lineFeed)
        end()
    }

    /// Writes a whole response that was rendered before.
    package mutating func prerendered(_ response: PrerenderedResponse) {
        precondition(!isWriting, "the previous response was not ended")
        let bytes = response.bytes.span
        output.append(copying: bytes.extracting(first: response.fieldsByteCount))
        output.append(copying: date.line.span)
        appendFramingFields()
        if framing.omitsBody {
            output.append("\r\n")
        } else {
            output.append(copying: bytes.extracting(droppingFirst: response.fieldsByteCount))
        }
    }
}
