// SPDX-License-Identifier: BSD-2-Clause
//
// The request methods that the log's routes tell apart. Which of them a resource allows is the
// routes' business.

/// A request method (RFC 9110 section 9). Method tokens are case-sensitive: `get` is `.other`.
package enum Method: Sendable, Hashable {
    case get
    case head
    case post
    /// Any other well-formed token; it is answered with 405, or 404 where there is no resource.
    case other
}
