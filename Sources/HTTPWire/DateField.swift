// SPDX-License-Identifier: BSD-2-Clause
//
// The Date field of responses. Every response has one and it changes once a second, so whoever owns
// the clock makes it then; every response copies it.

/// A complete field line, `Date: Sun, 06 Nov 1994 08:49:37 GMT` and its line end: the IMF-fixdate form
/// of RFC 9110 section 5.6.7.
package struct DateField: Sendable {
    /// The line's bytes, CR LF included.
    package let line: InlineArray<37, UInt8>

    /// - Parameter unixSeconds: seconds since 1970-01-01 00:00:00 UTC without leap seconds, in the years
    ///   1 to 9999; a time outside of them is written as the nearest one inside.
    package init(unixSeconds: Int64) {
        line = InlineArray(repeating: 0)
    }
}
