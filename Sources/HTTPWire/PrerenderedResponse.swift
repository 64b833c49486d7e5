// SPDX-License-Identifier: BSD-2-Clause
//
// A response made once and sent many times, such as the published tree head: all of it but the
// fields that differ from one answer to the next: Date, and those that depend on the request.

/// A complete response but for its Date field and those of its ``ResponseFraming``.
package struct PrerenderedResponse: Sendable {
    /// Status line and fields, then the empty line that ends them, then the body. What is missing
    /// goes between the first two, so that sending is a copy of two slices around a short line.
    let bytes: [UInt8]
    /// How many of `bytes` come before the empty line.
    let fieldsByteCount: Int

    /// Renders a response with the whole of `body`.
    package init(_ status: Status, contentType: StaticString, body: Span<UInt8>) {
        var bytes: [UInt8] = []
        bytes.append(status.line)
        bytes.append("Content-Type: ")
        bytes.append(contentType)
        bytes.append("\r\nContent-Length: ")
        bytes.append(decimal: UInt64(body.count))
        bytes.append("\r\n")
        fieldsByteCount = bytes.count
        bytes.append("\r\n")
        bytes.append(copying: body)
        self.bytes = bytes
    }
}
