// SPDX-License-Identifier: BSD-2-Clause

// A primary's public face: one for each reactor. Reads are answered here and now; of add-leaf the
// part that needs no waiting.

package import HTTPWire
package import LogCrypto
package import MerkleLog
package import SigsumFormats
package import TileStore

/// What was done with a request.
package enum Answer: Equatable, Sendable {
    /// The response is written.
    case written(Endpoint, Status)
    /// A leaf that the tree does not have: it is to be submitted, then answered. With the submit token
    /// that came along, which nobody has looked into yet.
    case submit(UnverifiedLeaf, leafHash: Digest, SubmitToken?)
    /// A leaf that the tree has and the published one does not: to be held, then answered 200.
    case hold(LeafIndex)
}

/// Answers the public requests of a primary.
package final class PrimaryAnswers {
    private let routes: RouteTable
    private let board: PublicationBoard
    private let reads: ReadAnswers
    private let leafCountMax: Int
    private let infoPage: PrerenderedResponse
    private var hasher = TreeHasher()

    /// - Parameters:
    ///   - routes: the public paths.
    ///   - leafCountMax: the most leaves in one get-leaves answer (`max-range`).
    ///   - infoPage: the response for `GET <prefix>/`.
    /// - Throws: when the store has no room for one more reader.
    package init(
        routes: RouteTable, board: PublicationBoard, store: TileStore, leafCountMax: Int,
        infoPage: PrerenderedResponse
    ) throws(StoreError) {
        self.routes = routes
        self.board = board
        self.reads = try ReadAnswers(store)
        self.leafCountMax = leafCountMax
        self.infoPage = infoPage
    }

    /// Answers the request with `head`, whose ranges are in `bytes`. Throws when the store fails;
    /// then nothing is written.
    package func answer(
        _ head: RequestHead, bytes: Span<UInt8>, body: Span<UInt8>,
        response: inout ResponseWriter
    ) throws(StoreError) -> Answer {
        let routing = routes.routing(of: bytes.extracting(head.target), method: head.method)
        guard case .route(let route) = routing else {
            let (endpoint, status) = routing.writeRefusal(to: &response)
            return .written(endpoint, status)
        }
        switch route {
        case .addLeaf: return try addLeaf(head, bytes: bytes, body: body, response: &response)
        case .info:
            response.prerendered(infoPage)
            return .written(.info, .ok)
        default:
            guard let publication = board.publication else {
                response.unavailable("no tree head is published yet")
                return .written(route.endpoint, .serviceUnavailable)
            }
            let status = try read(route, publication, response: &response)
            return .written(route.endpoint, status)
        }
    }

    /// The position of the leaf with `leafHash`, as it is now; nil when the tree does not have it.
    package func leafIndex(of leafHash: Digest) throws(StoreError) -> LeafIndex? {
        try reads.leafIndex(of: leafHash)
    }

    /// Whether the leaf at `index` is in the published tree.
    package func isPublished(_ index: LeafIndex) -> Bool {
        publishedSize.map { index.isWithin($0) } ?? false
    }

    /// The number of leaves in the published tree; nil before there is one.
    package var publishedSize: TreeSize? { board.publication?.tree.treeHead.size }

    private func read(
        _ route: Route, _ publication: Publication, response: inout ResponseWriter
    ) throws(StoreError) -> Status {
        let published = publication.tree
        return try response.undoingPartOnThrow { response throws(StoreError) in
            switch route {
            case .treeHead:
                response.prerendered(publication.response)
                return .ok
            case .inclusionProof(let size, let leafHash):
                return try reads.inclusionProof(
                    of: leafHash, in: size, published: published, &response)
            case .consistencyProof(let oldSize, let newSize):
                return try reads.consistencyProof(
                    from: oldSize, to: newSize, published: published, &response)
            case .leaves(let start, let end):
                return try reads.publishedLeaves(
                    from: start, to: end, countMax: leafCountMax, published: published, &response)
            case .secondaryTreeHead, .addLeaf, .info, .metrics:
                preconditionFailure("answered elsewhere")
            }
        }
    }

    private func addLeaf(
        _ head: RequestHead, bytes: Span<UInt8>, body: Span<UInt8>,
        response: inout ResponseWriter
    ) throws(StoreError) -> Answer {
        let leaf: UnverifiedLeaf
        var token: SubmitToken?
        do throws(FormatError) {
            switch head.occurrence(of: "sigsum-token", in: bytes) {
            case .absent: break
            case .once(let range): token = try SubmitToken(parsing: bytes.extracting(range))
            case .repeated:
                throw FormatError(expected: "one sigsum-token header", found: "several")
            }
            leaf = try UnverifiedLeaf(parsing: body)
        } catch {
            response.text(.badRequest, error.description)
            return .written(.addLeaf, .badRequest)
        }
        let leafHash = leaf.leafHash(hasher: &hasher)
        guard let index = try reads.leafIndex(of: leafHash) else {
            return .submit(leaf, leafHash: leafHash, token)
        }
        guard isPublished(index) else { return .hold(index) }
        AddLeafAnswer.logged.write(to: &response)
        return .written(.addLeaf, .ok)
    }
}

extension Route {
    /// The endpoint that metrics count it under.
    package var endpoint: Endpoint {
        switch self {
        case .treeHead: .getTreeHead
        case .inclusionProof: .getInclusionProof
        case .consistencyProof: .getConsistencyProof
        case .leaves: .getLeaves
        case .secondaryTreeHead: .getSecondaryTreeHead
        case .addLeaf: .addLeaf
        case .info: .info
        case .metrics: .metrics
        }
    }
}

extension Routing {
    /// Writes the response for anything but a route.
    func writeRefusal(to response: inout ResponseWriter) -> (Endpoint, Status) {
        switch self {
        case .route: preconditionFailure("a route is answered")
        case .redirect(let endpoint, let path):
            response.begin(.movedPermanently, contentType: "text/plain; charset=utf-8")
            response.field("Location", path.span)
            response.append("moved permanently\n")
            response.end()
            return (endpoint, .movedPermanently)
        case .notFound:
            response.text(.notFound, "not found")
            return (.other, .notFound)
        case .methodNotAllowed(let endpoint):
            response.begin(.methodNotAllowed, contentType: "text/plain; charset=utf-8")
            response.field("Allow", endpoint.allowedMethods)
            response.append("method not allowed\n")
            response.end()
            return (endpoint, .methodNotAllowed)
        case .malformed(let endpoint, let reason):
            response.text(.badRequest, reason)
            return (endpoint, .badRequest)
        }
    }
}

extension ResponseWriter {
    /// Runs `body`; when it throws after it began a response, takes that back.
    mutating func undoingPartOnThrow<Result, Failure: Error>(
        _ body: (inout ResponseWriter) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        do {
            return try body(&self)
        } catch {
            if isWriting { abandon() }
            throw error
        }
    }
}
