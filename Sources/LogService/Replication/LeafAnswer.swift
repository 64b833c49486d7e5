// SPDX-License-Identifier: BSD-2-Clause

// What the primary's HTTP answer to get-leaves means (Sigsum log protocol, 3.4, and log-go's internal
// endpoint, where 404 is the end of the tree and 400 what lies beyond it).

package import SigsumFormats

/// What came of a get-leaves request.
package enum LeafAnswer: Hashable, Sendable {
    /// 200: at least one leaf, from the start of the request on, and no more than it asked for.
    case leaves([Leaf])
    /// 404: the primary has exactly as many leaves as the request's start. `isWaitHonored` is whether
    /// it heeds the wish to be held until it has more.
    case atEnd(isWaitHonored: Bool)
    /// 400: the primary has fewer leaves than that.
    case beyondEnd(reason: String)
    /// The answer's end did not come in time: the way to the primary may be too slow for so much.
    case late(reason: String)
    /// Anything else.
    case failed(reason: String)
    /// A kept connection turned out to be closed before anything was answered.
    case connectionGone

    /// Reads an HTTP answer to `request`.
    ///
    /// - Parameter isWaitHonored: whether it has Preference-Applied with `wait`.
    package init(
        status: Int, body: Span<UInt8>, isWaitHonored: Bool, to request: LeafRequest
    ) {
        switch status {
        case 200:
            do throws(FormatError) {
                let leaves = try Leaf.parseLines(body)
                guard UInt64(leaves.count) <= request.leafCount else {
                    self = .failed(
                        reason: "answered 200, but with \(leaves.count) leaves instead of "
                            + "\(request.leafCount)")
                    return
                }
                self = .leaves(leaves)
            } catch {
                self = .failed(reason: "answered 200, but \(error)")
            }
        case 404 where Self.saysEnd(body):
            self = .atEnd(isWaitHonored: isWaitHonored)
        case 400:
            self = .beyondEnd(reason: Self.reason(status, body))
        default:
            self = .failed(reason: Self.reason(status, body))
        }
    }

    /// Only a log says so with its 404; a web server that knows nothing of get-leaves does not.
    private static func saysEnd(_ body: Span<UInt8>) -> Bool {
        body.indices.contains { body.hasBytes(of: "at end of tree", at: $0) }
    }

    private static func reason(_ status: Int, _ body: Span<UInt8>) -> String {
        "answered \(status) \(FormatError.quotedLine(of: body))"
    }
}
