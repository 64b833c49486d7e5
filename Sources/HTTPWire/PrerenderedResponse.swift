// SPDX-License-Identifier: BSD-2-Clause
//
// A response made once and sent many times, such as the published tree head: all of it but the fields
// that differ from one answer to the next, Date and Connection.

/// A complete response but for its Date and Connection fields.
package struct PrerenderedResponse: Sendable {
    /// The head without its end, then the empty line that ends it, then the body. Date and Connection
    /// go between the first two, so sending is a copy of two slices around a short line.
    let bytes: [UInt8]
    /// How many of `bytes` come before the empty line.
    let fieldsByteCount: Int

    package init(_ status: Status, contentType: StaticString, body: [UInt8]) {
        bytes = []
        fieldsByteCount = 0
    }
}
