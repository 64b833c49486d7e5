// SPDX-License-Identifier: BSD-2-Clause

// From a request's target to what it asks for. Paths and refusals are log-go's:
//
//     <prefix>/get-tree-head                              a name and nothing after it; else 404
//     <prefix>/get-leaves/<start>/<end>                   a name with arguments; wrong ones are 400
//     <prefix>/get-leaves                                 a redirect to the same with a slash
//     <prefix>/get-secondary-tree-head?size=<size>        the only one that looks at its query
//     <prefix>/                                           the page about the log
//
// Any other query is ignored, and percent-encoded bytes of the path are decoded. What the numbers
// may be is for the answers to check: it depends on the tree.

package import HTTPWire
package import LogCrypto
internal import SigsumFormats

/// The things that can be asked for, as metrics count them.
package enum Endpoint: Int, CaseIterable, Sendable {
    case getTreeHead
    case getInclusionProof
    case getConsistencyProof
    case getLeaves
    case getSecondaryTreeHead
    case addLeaf
    case info
    case metrics
    /// Everything that is not one of these.
    case other

    /// The name in paths and in metric labels.
    package var name: StaticString {
        switch self {
        case .getTreeHead: "get-tree-head"
        case .getInclusionProof: "get-inclusion-proof"
        case .getConsistencyProof: "get-consistency-proof"
        case .getLeaves: "get-leaves"
        case .getSecondaryTreeHead: "get-secondary-tree-head"
        case .addLeaf: "add-leaf"
        case .info: "info"
        case .metrics: "metrics"
        case .other: "other"
        }
    }

    /// The number of arguments after the name; nil for endpoints that take none.
    var argumentCount: Int? {
        switch self {
        case .getInclusionProof, .getConsistencyProof, .getLeaves: 2
        default: nil
        }
    }

    /// The value of `Allow`.
    var allowedMethods: StaticString { self == .addLeaf ? "POST" : "GET, HEAD" }

    func allows(_ method: Method) -> Bool {
        switch method {
        case .get, .head: self != .addLeaf
        case .post: self == .addLeaf
        default: false
        }
    }
}

/// What a request asks for.
package enum Route: Equatable, Sendable {
    case treeHead
    case inclusionProof(size: UInt64, leafHash: Digest)
    case consistencyProof(oldSize: UInt64, newSize: UInt64)
    case leaves(start: UInt64, end: UInt64)
    /// `knownSize` is that of the last one that the client has seen, if it says so.
    case secondaryTreeHead(knownSize: UInt64?)
    case addLeaf
    case info
    case metrics
}

/// What is to be done with a request's target.
package enum Routing: Equatable, Sendable {
    /// Answer this.
    case route(Route)
    /// 301 to this path.
    case redirect(Endpoint, to: [UInt8])
    /// 404.
    case notFound
    /// 405, `Allow` being the endpoint's.
    case methodNotAllowed(Endpoint)
    /// 400: the arguments are not what the endpoint takes.
    case malformed(Endpoint, String)
}

/// The paths that one listener answers.
package struct RouteTable: Sendable {
    /// The paths that are known, `/<prefix>` first, without a slash at the end: empty or `/a/b`.
    private let prefix: [UInt8]
    private let endpoints: [Endpoint]
    private let hasInfo: Bool
    private let hasMetrics: Bool

    private init(prefix: String, endpoints: [Endpoint], hasInfo: Bool, hasMetrics: Bool) {
        precondition(prefix.isEmpty || (prefix.hasPrefix("/") && !prefix.hasSuffix("/")))
        self.prefix = Array(prefix.utf8)
        self.endpoints = endpoints
        self.hasInfo = hasInfo
        self.hasMetrics = hasMetrics
    }

    /// A log's public endpoint. `prefix` is empty or begins with a slash and does not end with one.
    package static func external(prefix: String) -> RouteTable {
        RouteTable(
            prefix: prefix,
            endpoints: [
                .getTreeHead, .getInclusionProof, .getConsistencyProof, .getLeaves, .addLeaf,
            ], hasInfo: true, hasMetrics: false)
    }

    /// A primary's endpoint for its secondaries and its operator. `/metrics` is not below `prefix`.
    package static func primaryInternal(prefix: String) -> RouteTable {
        RouteTable(prefix: prefix, endpoints: [.getLeaves], hasInfo: false, hasMetrics: true)
    }

    /// A secondary's endpoint for its primary, for nodes that are filled from it, and for its
    /// operator. `/metrics` is not below `prefix`.
    package static func secondaryInternal(prefix: String) -> RouteTable {
        RouteTable(
            prefix: prefix, endpoints: [.getSecondaryTreeHead, .getLeaves], hasInfo: false,
            hasMetrics: true)
    }

    /// A secondary's public endpoint: there is nothing.
    package static let nothing = RouteTable(
        prefix: "", endpoints: [], hasInfo: false, hasMetrics: false)

    /// Finds what `target`, a path with perhaps a query, asks for.
    package func routing(of target: Span<UInt8>, method: Method) -> Routing {
        guard !endpoints.isEmpty else { return .notFound }
        var end = 0
        var isEncoded = false
        while end < target.count, target[end] != UInt8(ascii: "?") {
            if target[end] == UInt8(ascii: "%") { isEncoded = true }
            end += 1
        }
        let path = target.extracting(0..<end)
        let query = target.extracting(min(end + 1, target.count)..<target.count)
        guard isEncoded else { return routing(ofPath: path, query: query, method: method) }
        guard let decoded = Self.percentDecoded(path) else {
            return .malformed(.other, "malformed percent-encoding in the path")
        }
        return routing(ofPath: decoded.span, query: query, method: method)
    }

    private func routing(
        ofPath path: Span<UInt8>, query: Span<UInt8>, method: Method
    ) -> Routing {
        if hasMetrics, path.count == 8, path.hasBytes(of: "/metrics", at: 0) {
            return allowed(.metrics, .metrics, method)
        }
        if hasInfo, path.count == 1, path[0] == UInt8(ascii: "/"), !prefix.isEmpty {
            return redirect(.info, to: prefix, method: method)
        }
        guard path.count >= prefix.count, hasPrefix(path) else { return .notFound }
        let start = prefix.count
        guard path.count > start else {
            return hasInfo ? redirect(.info, to: prefix, method: method) : .notFound
        }
        guard path[start] == UInt8(ascii: "/") else { return .notFound }
        guard path.count > start + 1 else {
            return hasInfo ? allowed(.info, .info, method) : .notFound
        }
        for endpoint in endpoints where path.hasBytes(of: endpoint.name, at: start + 1) {
            return routing(
                to: endpoint, path: path,
                afterName: start + 1 + endpoint.name.utf8CodeUnitCount, query: query,
                method: method)
        }
        return .notFound
    }

    private func routing(
        to endpoint: Endpoint, path: Span<UInt8>, afterName: Int, query: Span<UInt8>,
        method: Method
    ) -> Routing {
        guard endpoint.argumentCount != nil else {
            guard path.count == afterName else { return .notFound }
            switch endpoint {
            case .addLeaf: return allowed(endpoint, .addLeaf, method)
            case .getSecondaryTreeHead:
                guard endpoint.allows(method) else { return .methodNotAllowed(endpoint) }
                return secondaryTreeHead(query)
            default: return allowed(endpoint, .treeHead, method)
            }
        }
        guard path.count > afterName else {
            return redirect(
                endpoint, to: path.indices.map { path[$0] }, method: method)
        }
        guard path[afterName] == UInt8(ascii: "/") else { return .notFound }
        guard endpoint.allows(method) else { return .methodNotAllowed(endpoint) }
        return arguments(of: endpoint, path.extracting(afterName + 1..<path.count))
    }

    private func allowed(_ endpoint: Endpoint, _ route: Route, _ method: Method) -> Routing {
        endpoint.allows(method) ? .route(route) : .methodNotAllowed(endpoint)
    }

    private func redirect(_ endpoint: Endpoint, to path: [UInt8], method: Method) -> Routing {
        guard endpoint.allows(method) else { return .methodNotAllowed(endpoint) }
        return .redirect(endpoint, to: path + [UInt8(ascii: "/")])
    }

    private func arguments(of endpoint: Endpoint, _ text: Span<UInt8>) -> Routing {
        var slash = 0
        while slash < text.count, text[slash] != UInt8(ascii: "/") { slash += 1 }
        guard slash < text.count else {
            return .malformed(endpoint, "expected two arguments")
        }
        let first = text.extracting(0..<slash)
        let second = text.extracting(slash + 1..<text.count)
        guard let number = ASCIIDecimal.parse(first) else {
            return .malformed(endpoint, "the first argument must be a decimal number up to 2^63-1")
        }
        if endpoint == .getInclusionProof {
            guard let leafHash = Digest(hex: second) else {
                return .malformed(
                    endpoint, "the second argument must be a leaf hash, 64 hex digits")
            }
            return .route(.inclusionProof(size: number, leafHash: leafHash))
        }
        guard let other = ASCIIDecimal.parse(second) else {
            return .malformed(endpoint, "the second argument must be a decimal number up to 2^63-1")
        }
        return .route(
            endpoint == .getLeaves
                ? .leaves(start: number, end: other)
                : .consistencyProof(oldSize: number, newSize: other))
    }

    /// With `size=<decimal>` among the parts of the query, which `&` separates.
    private func secondaryTreeHead(_ query: Span<UInt8>) -> Routing {
        var knownSize: UInt64?
        var start = 0
        while start < query.count {
            var end = start
            while end < query.count, query[end] != UInt8(ascii: "&") { end += 1 }
            let part = query.extracting(start..<end)
            start = end + 1
            guard part.hasBytes(of: "size=", at: 0) else { continue }
            guard knownSize == nil, let size = ASCIIDecimal.parse(part.extracting(5..<part.count))
            else {
                return .malformed(
                    .getSecondaryTreeHead, "expected one size, a decimal number up to 2^63-1")
            }
            knownSize = size
        }
        return .route(.secondaryTreeHead(knownSize: knownSize))
    }

    private func hasPrefix(_ path: Span<UInt8>) -> Bool {
        for position in prefix.indices where path[position] != prefix[position] { return false }
        return true
    }

    private static func percentDecoded(_ path: Span<UInt8>) -> [UInt8]? {
        var decoded: [UInt8] = []
        var position = 0
        while position < path.count {
            guard path[position] == UInt8(ascii: "%") else {
                decoded.append(path[position])
                position += 1
                continue
            }
            guard position + 2 < path.count, let high = Hex.value(of: path[position + 1]),
                let low = Hex.value(of: path[position + 2])
            else { return nil }
            decoded.append(high << 4 | low)
            position += 3
        }
        return decoded
    }
}
