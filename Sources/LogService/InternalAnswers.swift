// SPDX-License-Identifier: BSD-2-Clause

// A primary's face to its secondaries and its operator.

package import HTTPWire
package import TileStore

/// Answers the internal requests of a primary: all committed leaves, and the metrics.
package final class InternalAnswers {
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
    ) throws(StoreError) -> Answer {
        let routing = routes.routing(of: bytes.extracting(head.target), method: head.method)
        switch routing {
        case .route(.leaves(let start, let end)):
            let status = try response.undoingPartOnThrow { response throws(StoreError) in
                try reads.committedLeaves(
                    from: start, to: end, countMax: leafCountMax, &response)
            }
            return .written(.getLeaves, status)
        case .route(.metrics):
            response.begin(.ok, contentType: "text/plain; version=0.0.4; charset=utf-8")
            response.append(metrics().span)
            response.end()
            return .written(.metrics, .ok)
        case .route: preconditionFailure("the internal table has no other routes")
        default: return routing.writeRefusal(to: &response)
        }
    }
}
