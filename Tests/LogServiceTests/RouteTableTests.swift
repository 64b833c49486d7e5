// SPDX-License-Identifier: BSD-2-Clause

// Which path is which route, and how those that are none are refused: PROTOCOL sections 3 and 4 as
// a table.

import HTTPWire
import LogCrypto
import LogService
import TestSupport
import Testing

@Suite struct RouteTableTests {
    static let hash = String(repeating: "0123456789abcdef", count: 4)
    static let max = "9223372036854775807"
    static let prefixes = ["", "/log", "/2026/log", "/get-leaves"]

    static func routing(
        _ target: String, _ method: Method = .get, in table: RouteTable
    ) -> Routing {
        table.routing(of: Array(target.utf8).span, method: method)
    }

    static func digest(_ hex: String) throws -> Digest { try #require(Digest(hex: hex)) }

    /// A row: the path below the prefix, and the name of what it must be.
    struct Row: CustomTestStringConvertible, Sendable {
        let path: String
        let expected: Expected
        var testDescription: String { path }
        init(_ path: String, _ expected: Expected) { (self.path, self.expected) = (path, expected) }
    }

    enum Expected: Equatable, Sendable {
        case route(Route)
        case redirect(Endpoint)
        case notFound
        case malformed(Endpoint)
    }

    static func kind(_ routing: Routing) -> Expected? {
        switch routing {
        case .route(let route): .route(route)
        case .redirect(let endpoint, _): .redirect(endpoint)
        case .notFound: .notFound
        case .malformed(let endpoint, _): .malformed(endpoint)
        case .methodNotAllowed: nil
        }
    }

    static let rows: [Row] = [
        Row("/get-tree-head", .route(.treeHead)),
        Row("/get-tree-head?", .route(.treeHead)),
        Row("/get-tree-head?size=3/4?x", .route(.treeHead)),
        Row("/get-tree-head/", .notFound),
        Row("/get-tree-head/x", .notFound),
        Row("/get-tree-heads", .notFound),
        Row("/get-tree-hea", .notFound),
        Row("/Get-Tree-Head", .notFound),
        Row("//get-tree-head", .notFound),
        Row("/./get-tree-head", .notFound),
        Row("/x/../get-tree-head", .notFound),
        Row("/", .route(.info)),
        Row("/?x", .route(.info)),
        Row("//", .notFound),
        Row("/index.html", .notFound),
        Row("/metrics", .notFound),
        Row("/get-secondary-tree-head", .notFound),

        Row("/get-leaves/0/1", .route(.leaves(start: 0, end: 1))),
        Row("/get-leaves/7/3?x=%", .route(.leaves(start: 7, end: 3))),
        Row("/get-leaves/0/\(max)", .route(.leaves(start: 0, end: UInt64(Int64.max)))),
        Row("/get-leaves/0/9223372036854775808", .malformed(.getLeaves)),
        Row("/get-leaves/0/18446744073709551615", .malformed(.getLeaves)),
        Row("/get-leaves/0/18446744073709551616", .malformed(.getLeaves)),
        Row("/get-leaves/0/99999999999999999999999", .malformed(.getLeaves)),
        Row("/get-leaves/9223372036854775808/1", .malformed(.getLeaves)),
        Row("/get-leaves/00/1", .malformed(.getLeaves)),
        Row("/get-leaves/0/01", .malformed(.getLeaves)),
        Row("/get-leaves/-0/1", .malformed(.getLeaves)),
        Row("/get-leaves/+0/1", .malformed(.getLeaves)),
        Row("/get-leaves/0x0/1", .malformed(.getLeaves)),
        Row("/get-leaves/ 0/1", .malformed(.getLeaves)),
        Row("/get-leaves/a/b", .malformed(.getLeaves)),
        Row("/get-leaves/0", .malformed(.getLeaves)),
        Row("/get-leaves/0/", .malformed(.getLeaves)),
        Row("/get-leaves/0/1/", .malformed(.getLeaves)),
        Row("/get-leaves/0/1/2", .malformed(.getLeaves)),
        Row("/get-leaves/0//1", .malformed(.getLeaves)),
        Row("/get-leaves//0/1", .malformed(.getLeaves)),
        Row("/get-leaves//", .malformed(.getLeaves)),
        Row("/get-leaves/", .malformed(.getLeaves)),
        Row("/get-leaves/?0/1", .malformed(.getLeaves)),
        Row("/get-leaves", .redirect(.getLeaves)),
        Row("/get-leaves?0/1", .redirect(.getLeaves)),
        Row("/get-leavesx/0/1", .notFound),
        Row("/get-leave/0/1", .notFound),

        Row("/get-consistency-proof/1/2", .route(.consistencyProof(oldSize: 1, newSize: 2))),
        Row("/get-consistency-proof/0/0", .route(.consistencyProof(oldSize: 0, newSize: 0))),
        Row("/get-consistency-proof/1", .malformed(.getConsistencyProof)),
        Row("/get-consistency-proof/01/2", .malformed(.getConsistencyProof)),
        Row("/get-consistency-proof/1/2/3", .malformed(.getConsistencyProof)),
        Row("/get-consistency-proof/1/9223372036854775808", .malformed(.getConsistencyProof)),
        Row("/get-consistency-proof/", .malformed(.getConsistencyProof)),
        Row("/get-consistency-proof", .redirect(.getConsistencyProof)),

        Row("/get-inclusion-proof/2", .malformed(.getInclusionProof)),
        Row("/get-inclusion-proof/2/", .malformed(.getInclusionProof)),
        Row("/get-inclusion-proof/02/\(hash)", .malformed(.getInclusionProof)),
        Row("/get-inclusion-proof/9223372036854775808/\(hash)", .malformed(.getInclusionProof)),
        Row("/get-inclusion-proof/2/\(hash)0", .malformed(.getInclusionProof)),
        Row("/get-inclusion-proof/2/\(hash.dropLast())", .malformed(.getInclusionProof)),
        Row("/get-inclusion-proof/2/\(hash.dropLast())g", .malformed(.getInclusionProof)),
        Row("/get-inclusion-proof/2/\(hash)/", .malformed(.getInclusionProof)),
        Row("/get-inclusion-proof/\(hash)/2", .malformed(.getInclusionProof)),
        Row("/get-inclusion-proof/", .malformed(.getInclusionProof)),
        Row("/get-inclusion-proof", .redirect(.getInclusionProof)),

        Row("/%67et-tree-head", .route(.treeHead)),
        Row("/get-tree-head%3F", .notFound),
        Row("/get-tree-head%00", .notFound),
        Row("/get-tree-head%2f", .notFound),
        Row("%2Fget-tree-head", .route(.treeHead)),
        Row("/get-leaves%2F0%2f1", .route(.leaves(start: 0, end: 1))),
        Row("/get-leaves/%30/1", .route(.leaves(start: 0, end: 1))),
        Row("/get-leaves/%2530/1", .malformed(.getLeaves)),
        Row("/get-l%65aves", .redirect(.getLeaves)),
        Row("/get-tree-head%", .malformed(.other)),
        Row("/get-tree-head%4", .malformed(.other)),
        Row("/get-tree-head%4g", .malformed(.other)),
        Row("/get-tree-head%g4", .malformed(.other)),
        Row("/%%34", .malformed(.other)),
        Row("/nothing%zz", .malformed(.other)),
    ]

    @Test(arguments: rows, prefixes) func publicPath(_ row: Row, prefix: String) {
        let routing = Self.routing(prefix + row.path, in: .external(prefix: prefix))
        #expect(Self.kind(routing) == row.expected)
    }

    /// The same paths without the prefix, or with a part of it, are nothing here.
    @Test func prefixIsNeeded() {
        for prefix in ["/log", "/2026/log"] {
            let table = RouteTable.external(prefix: prefix)
            for path in [
                "/get-tree-head", "/add-leaf", "/get-leaves/0/1", "/2026", "/2026/", "/lo", "/logs",
                "/logs/get-tree-head", "\(prefix)x", "/x\(prefix)/get-tree-head",
                "\(prefix)\(prefix)/get-tree-head", "\(prefix)get-tree-head", "/get-leaves",
                "/LOG/get-tree-head",
            ] {
                #expect(Self.routing(path, in: table) == .notFound, "\(prefix) \(path)")
            }
            let encoded = "/%6c" + "og" + "/get-tree-head"
            let whole = prefix == "/log" ? encoded : "/2026" + encoded
            #expect(Self.routing(whole, in: table) == .route(.treeHead))
            #expect(Self.routing("/%2e", in: table) == .notFound)
        }
    }

    /// Where a redirect leads, with everything but its last slash and its query.
    @Test func redirects() {
        for prefix in Self.prefixes {
            let table = RouteTable.external(prefix: prefix)
            for endpoint in [Endpoint.getLeaves, .getInclusionProof, .getConsistencyProof] {
                let path = "\(prefix)/\(endpoint.name)"
                let expected = Routing.redirect(endpoint, to: Array("\(path)/".utf8))
                #expect(Self.routing(path, in: table) == expected)
                #expect(Self.routing(path + "?a=b", .head, in: table) == expected)
                #expect(Self.routing(path, .post, in: table) == .methodNotAllowed(endpoint))
            }
            guard !prefix.isEmpty else { continue }
            let info = Routing.redirect(.info, to: Array("\(prefix)/".utf8))
            #expect(Self.routing("/", in: table) == info)
            #expect(Self.routing(prefix, in: table) == info)
            #expect(Self.routing("/?q", .head, in: table) == info)
            #expect(Self.routing("/", .post, in: table) == .methodNotAllowed(.info))
            #expect(Self.routing(prefix, .other, in: table) == .methodNotAllowed(.info))
        }
    }

    @Test(arguments: prefixes) func methods(prefix: String) throws {
        let table = RouteTable.external(prefix: prefix)
        let reads: [(String, Endpoint, Route)] = [
            ("/get-tree-head", .getTreeHead, .treeHead), ("/", .info, .info),
            ("/get-leaves/0/1", .getLeaves, .leaves(start: 0, end: 1)),
            (
                "/get-consistency-proof/1/2", .getConsistencyProof,
                .consistencyProof(oldSize: 1, newSize: 2)
            ),
            (
                "/get-inclusion-proof/2/\(Self.hash)", .getInclusionProof,
                .inclusionProof(size: 2, leafHash: try Self.digest(Self.hash))
            ),
        ]
        for (path, endpoint, route) in reads {
            for method in [Method.get, .head] {
                #expect(Self.routing(prefix + path, method, in: table) == .route(route))
            }
            for method in [Method.post, .other] {
                #expect(
                    Self.routing(prefix + path, method, in: table) == .methodNotAllowed(endpoint))
            }
        }
        let add = "\(prefix)/add-leaf"
        #expect(Self.routing(add, .post, in: table) == .route(.addLeaf))
        #expect(Self.routing(add + "?x", .post, in: table) == .route(.addLeaf))
        for method in [Method.get, .head, .other] {
            #expect(Self.routing(add, method, in: table) == .methodNotAllowed(.addLeaf))
        }
        for method in [Method.get, .head, .post, .other] {
            #expect(Self.routing(add + "/", method, in: table) == .notFound)
            #expect(Self.routing(add + "s", method, in: table) == .notFound)
            #expect(Self.routing("\(prefix)/nothing", method, in: table) == .notFound)
            #expect(Self.routing("*", method, in: table) == .notFound)
        }
        // What is malformed is only looked at when the method is right.
        #expect(
            Self.routing("\(prefix)/get-leaves/x", .post, in: table)
                == .methodNotAllowed(.getLeaves))
    }

    @Test func hexInEitherCase() throws {
        let expected = Routing.route(
            .inclusionProof(size: 2, leafHash: try Self.digest(Self.hash)))
        let table = RouteTable.external(prefix: "")
        for hash in [Self.hash, Self.hash.uppercased()] {
            #expect(Self.routing("/get-inclusion-proof/2/\(hash)", in: table) == expected)
        }
    }

    @Test(arguments: prefixes) func internalPaths(prefix: String) {
        let table = RouteTable.primaryInternal(prefix: prefix)
        for path in ["/metrics", "/metrics?name=x", "/%6detrics"] {
            #expect(Self.routing(path, in: table) == .route(.metrics))
        }
        #expect(Self.routing("/metrics", .head, in: table) == .route(.metrics))
        #expect(Self.routing("/metrics", .post, in: table) == .methodNotAllowed(.metrics))
        #expect(
            Self.routing("\(prefix)/get-leaves/3/9", in: table) == .route(.leaves(start: 3, end: 9))
        )
        #expect(
            Self.routing("\(prefix)/get-leaves", in: table)
                == .redirect(.getLeaves, to: Array("\(prefix)/get-leaves/".utf8)))
        #expect(
            Self.kind(Self.routing("\(prefix)/get-leaves/", in: table)) == .malformed(.getLeaves))
        for path in [
            "\(prefix)/", "\(prefix)/get-tree-head", "\(prefix)/add-leaf", "/metrics/",
            "\(prefix)/get-inclusion-proof/2/\(Self.hash)", "/x/metrics", "/metricsx",
            "\(prefix)/get-secondary-tree-head",
        ] {
            #expect(Self.routing(path, in: table) == .notFound, "\(path)")
        }
        if !prefix.isEmpty {
            #expect(Self.routing(prefix, in: table) == .notFound)
            #expect(Self.routing("\(prefix)/metrics", in: table) == .notFound)
            #expect(Self.routing("/", in: table) == .notFound)
        }
    }

    static let knownSizes: [(query: String, expected: Expected)] = [
        ("", .route(.secondaryTreeHead(knownSize: nil))),
        ("?", .route(.secondaryTreeHead(knownSize: nil))),
        ("?&&", .route(.secondaryTreeHead(knownSize: nil))),
        ("?x=1&y", .route(.secondaryTreeHead(knownSize: nil))),
        ("?size", .route(.secondaryTreeHead(knownSize: nil))),
        ("?sizes=x", .route(.secondaryTreeHead(knownSize: nil))),
        ("?Size=3", .route(.secondaryTreeHead(knownSize: nil))),
        ("?size=0", .route(.secondaryTreeHead(knownSize: 0))),
        ("?size=\(max)", .route(.secondaryTreeHead(knownSize: UInt64(Int64.max)))),
        ("?x=size=9&size=3&&z=%", .route(.secondaryTreeHead(knownSize: 3))),
        ("?size=3?", .malformed(.getSecondaryTreeHead)),
        ("?size=", .malformed(.getSecondaryTreeHead)),
        ("?size=&size=3", .malformed(.getSecondaryTreeHead)),
        ("?size=3&size=3", .malformed(.getSecondaryTreeHead)),
        ("?size=03", .malformed(.getSecondaryTreeHead)),
        ("?size=+3", .malformed(.getSecondaryTreeHead)),
        ("?size=-3", .malformed(.getSecondaryTreeHead)),
        ("?size=x", .malformed(.getSecondaryTreeHead)),
        ("?size=%33", .malformed(.getSecondaryTreeHead)),
        ("?size=9223372036854775808", .malformed(.getSecondaryTreeHead)),
    ]

    @Test(arguments: prefixes) func secondaryPaths(prefix: String) {
        let table = RouteTable.secondaryInternal(prefix: prefix)
        let path = "\(prefix)/get-secondary-tree-head"
        for (query, expected) in Self.knownSizes {
            #expect(Self.kind(Self.routing(path + query, in: table)) == expected, "\(query)")
            #expect(Self.kind(Self.routing(path + query, .head, in: table)) == expected)
            #expect(
                Self.routing(path + query, .post, in: table)
                    == .methodNotAllowed(.getSecondaryTreeHead))
        }
        #expect(
            Self.routing("\(prefix)/get%2dsecondary-tree-head?size=4", in: table)
                == .route(.secondaryTreeHead(knownSize: 4)))
        #expect(Self.routing("/metrics?size=x", in: table) == .route(.metrics))
        #expect(
            Self.routing("\(prefix)/get-leaves/3/9?size=x", in: table)
                == .route(.leaves(start: 3, end: 9)))
        for path in [
            "\(path)/", "\(path)/4", "\(path)s", "\(prefix)/get-tree-head", "\(prefix)/add-leaf",
            "\(prefix)/", "\(prefix)/get-inclusion-proof/2/\(Self.hash)", "/metrics/",
        ] {
            #expect(Self.routing(path, in: table) == .notFound, "\(path)")
        }
    }

    /// A secondary's public face has no path, no method and no malformed one.
    @Test func nothing() {
        let paths =
            Self.rows.map(\.path) + [
                "", "*", "/", "/metrics", "/add-leaf", "/get-secondary-tree-head",
            ]
        for path in paths {
            for method in [Method.get, .head, .post, .other] {
                #expect(Self.routing(path, method, in: .nothing) == .notFound, "\(path)")
            }
        }
    }

    /// Whatever the bytes, there is an answer, and a route only for what the table above has.
    @Test func anyBytes() {
        var random = SeededGenerator(seed: 2)
        let table = RouteTable.external(prefix: "/a")
        let pieces = [
            "/", "a", "/a", "/get-leaves", "/get-tree-head", "/add-leaf", "%", "%2", "%2F", "%61",
            "?", "0", "1", "/1", "\0", "é", Self.hash,
        ]
        for _ in 0..<20_000 {
            let count = Int.random(in: 0...7, using: &random)
            let target = (0..<count).map { _ in
                pieces[Int.random(in: 0..<pieces.count, using: &random)]
            }.joined()
            if case .redirect(_, let path) = Self.routing(target, in: table) {
                // A redirect's target is not redirected again.
                let next = table.routing(of: path.span, method: .get)
                #expect(
                    Self.kind(next).map { if case .redirect = $0 { false } else { true } } == true)
            }
        }
    }
}
