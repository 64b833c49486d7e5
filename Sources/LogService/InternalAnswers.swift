// SPDX-License-Identifier: BSD-2-Clause

// A node's face to the log's other nodes and to its operator, in either role. What a request asks
// for that is not there yet may be waited for, if the request says how long (Prefer: wait): then a
// node hears of new leaves as soon as they are durable, without asking all the time.

package import HTTPWire
package import MerkleLog
package import TileStore

/// What was done with an internal request.
package enum InternalAnswer: Equatable, Sendable {
    /// The response is written.
    case written(Endpoint, Status)
    /// Nothing is written. To be held until the committed tree has more than so many leaves, but
    /// no longer than the response's ``ResponseFraming/grantedWait``; then this is to be answered.
    case hold(HeldRead, beyond: TreeSize)
    /// Nothing is written. To be answered with the head of the committed tree, signed.
    case signTreeHead
}

/// What a held request asks for.
package enum HeldRead: Equatable, Sendable {
    /// For ``InternalAnswers/leaves(from:to:response:)``.
    case leaves(start: UInt64, end: UInt64)
    /// For whoever signs.
    case treeHead
}

/// Answers internal requests: all committed leaves, and the metrics; of a secondary's tree head all
/// but the signature.
package final class InternalAnswers {
    /// The most leaves in one get-leaves answer, unless a public one may have more: a megabyte, a
    /// few milliseconds' work for either side.
    package static let usualLeafCountMax = 4096
    /// The longest that a request is held, in seconds.
    package static let waitMax: UInt32 = 60

    private let routes: RouteTable
    private let reads: ReadAnswers
    private let leafCountMax: Int
    private let metrics: () -> [UInt8]

    /// - Parameters:
    ///   - leafCountMax: the most leaves in one get-leaves answer.
    ///   - metrics: renders the metrics page.
    /// - Throws: when the store has no room for one more reader.
    package init(
        routes: RouteTable, store: TileStore, leafCountMax: Int, metrics: @escaping () -> [UInt8]
    ) throws(StoreError) {
        self.routes = routes
        self.reads = try ReadAnswers(store)
        self.leafCountMax = leafCountMax
        self.metrics = metrics
    }

    /// Answers the request with `head`, whose ranges are in `bytes`. Throws when the store fails;
    /// then nothing is written.
    package func answer(
        _ head: RequestHead, bytes: Span<UInt8>, response: inout ResponseWriter
    ) throws(StoreError) -> InternalAnswer {
        let routing = routes.routing(of: bytes.extracting(head.target), method: head.method)
        switch routing {
        case .route(.leaves(let start, let end)):
            response.grantWait(head.preferredWait(in: bytes))
            if response.mayWait, start < end {
                let size = try reads.committedSize()
                if size.value == start {
                    return .hold(.leaves(start: start, end: end), beyond: size)
                }
            }
            return .written(
                .getLeaves, try leaves(from: start, to: end, response: &response))
        case .route(.secondaryTreeHead(let knownSize)):
            response.grantWait(head.preferredWait(in: bytes))
            if response.mayWait, let known = knownSize.flatMap(TreeSize.init),
                try reads.committedSize() <= known
            {
                return .hold(.treeHead, beyond: known)
            }
            return .signTreeHead
        case .route(.metrics):
            response.begin(.ok, contentType: "text/plain; version=0.0.4; charset=utf-8")
            response.append(metrics().span)
            response.end()
            return .written(.metrics, .ok)
        case .route: preconditionFailure("the internal tables have no other routes")
        default:
            let (endpoint, status) = routing.writeRefusal(to: &response)
            return .written(endpoint, status)
        }
    }

    /// Answers a get-leaves request with what there is now; 404 at the end of the tree. Throws when
    /// the store fails; then nothing is written.
    package func leaves(
        from start: UInt64, to end: UInt64, response: inout ResponseWriter
    ) throws(StoreError) -> Status {
        try response.undoingPartOnThrow { response throws(StoreError) in
            try reads.committedLeaves(from: start, to: end, countMax: leafCountMax, &response)
        }
    }
}

extension ResponseWriter {
    /// Grants a wait that was asked for, or a part of it; the response will say so.
    fileprivate mutating func grantWait(_ seconds: UInt64?) {
        framing.grantedWait = seconds.map { min(UInt32(clamping: $0), InternalAnswers.waitMax) }
    }

    fileprivate var mayWait: Bool { framing.grantedWait.map { $0 > 0 } ?? false }
}
