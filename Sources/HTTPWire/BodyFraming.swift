// SPDX-License-Identifier: BSD-2-Clause
package enum BodyFraming: Sendable, Hashable {
    case none
    case length(Int)
    case chunked
}
