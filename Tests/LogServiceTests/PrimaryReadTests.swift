// SPDX-License-Identifier: BSD-2-Clause

// The public reads, from request bytes to response bytes, held against what log-go answered.

import HTTPWire
import LogCrypto
import LogService
import MerkleLog
import SigsumFormats
import TestSupport
import Testing
import TileStore

@Suite struct PrimaryReadTests {
    static func nodeHashes(_ path: [String]) -> String {
        path.map { "node_hash=\($0)\n" }.joined()
    }

    /// A 200 with `body` under `endpoint`, and the same to HEAD without it.
    static func expectBody(
        _ fixture: LogFixture, _ path: String, _ endpoint: Endpoint, _ body: String,
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        let exchange = try fixture.exchange(Request(path))
        #expect(exchange.status == 200, "\(path)", sourceLocation: sourceLocation)
        #expect(exchange.body == body, "\(path)", sourceLocation: sourceLocation)
        #expect(exchange.response?.isWhole == true, sourceLocation: sourceLocation)
        #expect(exchange.counted == .ok, sourceLocation: sourceLocation)
        #expect(exchange.endpoint == endpoint, sourceLocation: sourceLocation)
        let head = try fixture.exchange(Request(path, method: "HEAD"))
        #expect(head.body == "", sourceLocation: sourceLocation)
        #expect(head.response?.fields == exchange.response?.fields, sourceLocation: sourceLocation)
    }

    /// A refusal with `status` and a reason in plain text.
    static func expectRefusal(
        _ fixture: LogFixture, _ path: String, _ status: UInt16, method: String = "GET",
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        let exchange = try fixture.exchange(Request(path, method: method))
        #expect(exchange.status == status, "\(path)", sourceLocation: sourceLocation)
        #expect(exchange.counted?.code == status, sourceLocation: sourceLocation)
        #expect(exchange.response?.isWhole == true, sourceLocation: sourceLocation)
        #expect(
            exchange.response?.fields["content-type"] == "text/plain; charset=utf-8",
            sourceLocation: sourceLocation)
        let reason = exchange.body ?? ""
        #expect(
            reason.utf8.count > 3 && reason.hasSuffix("\n") && !reason.dropLast().contains("\n"),
            "\(reason)", sourceLocation: sourceLocation)
    }

    // MARK: Bodies

    @Test func treeHeadsAreThoseOfLogGo() throws {
        for body in try Vectors.treeHeads() {
            let golden = try CosignedTreeHead(parsing: Array(body.utf8).span)
            let size = Int(golden.signedTreeHead.treeHead.size.value)
            let fixture = try LogFixture(committed: size, published: nil)
            fixture.board.publish(
                Publication(try Golden.published(size, cosignatures: golden.cosignatures)))
            try Self.expectBody(fixture, "/get-tree-head", .getTreeHead, body)
        }
    }

    @Test func theNewestPublicationIsAnswered() throws {
        let fixture = try LogFixture(committed: 5, published: 3)
        let before = try fixture.exchange(Request("/get-tree-head")).body
        fixture.board.publish(Publication(try Golden.published(5)))
        let after = try fixture.exchange(Request("/get-tree-head")).body
        #expect(before?.hasPrefix("size=3\n") == true)
        #expect(after?.hasPrefix("size=5\n") == true)
        try Self.expectBody(
            fixture, "/get-leaves/4/5", .getLeaves, try Golden.lines(4..<5))
    }

    /// Each golden inclusion proof, from a store that has just that tree, and from one that has
    /// more: when its tree is the published one, and when a larger one is.
    @Test func inclusionProofsAreThoseOfLogGo() throws {
        let leaves = try Golden.leaves.get()
        let large = try LogFixture(committed: 600, published: nil)
        var exact: (size: Int, fixture: LogFixture)?
        for vector in try Vectors.inclusion() {
            let size = Int(vector.size)
            let path = "/get-inclusion-proof/\(size)/\(leaves[Int(vector.index)].leafHash)"
            let body = "leaf_index=\(vector.index)\n" + Self.nodeHashes(vector.path)
            if exact?.size != size {
                exact = (size, try LogFixture(committed: size, published: size))
            }
            if let exact { try Self.expectBody(exact.fixture, path, .getInclusionProof, body) }
            for published in Set([size, min(size + 1, 600), 600]) {
                large.board.publish(Publication(try Golden.published(published)))
                try Self.expectBody(large, path, .getInclusionProof, body)
            }
        }
    }

    @Test func consistencyProofsAreThoseOfLogGo() throws {
        let fixture = try LogFixture(committed: 600, published: nil)
        for vector in try Vectors.consistency() {
            let size = Int(vector.new_size)
            for published in Set([size, min(size + 1, 600), min(size + 40, 600), 600]) {
                fixture.board.publish(Publication(try Golden.published(published)))
                try Self.expectBody(
                    fixture, "/get-consistency-proof/\(vector.old_size)/\(size)",
                    .getConsistencyProof, Self.nodeHashes(vector.path))
            }
        }
    }

    /// Ranges at, before and across the borders of slabs and of the tail.
    @Test func leafLines() throws {
        let fixture = try LogFixture(committed: 600, published: 590)
        let borders = [0, 1, 2, 255, 256, 257, 511, 512, 513, 588, 589, 590]
        for start in borders {
            for end in borders where start < end {
                try Self.expectBody(
                    fixture, "/get-leaves/\(start)/\(end)", .getLeaves,
                    try Golden.lines(start..<min(end, start + 512)))
            }
        }
    }

    @Test(arguments: [1, 2, 100, 511, 599, 600, 1000, Int.max])
    func atMostMaxRangeLeaves(max: Int) throws {
        let fixture = try LogFixture(committed: 600, published: 600, leafCountMax: max)
        for (start, end) in [(0, 600), (0, 1), (250, 600), (599, 600)] {
            let cut = end - start > max ? start + max : end
            try Self.expectBody(
                fixture, "/get-leaves/\(start)/\(end)", .getLeaves, try Golden.lines(start..<cut))
        }
    }

    // MARK: Refusals

    @Test func limitsOfProofs() throws {
        let fixture = try LogFixture(committed: 600, published: 300)
        let leaves = try Golden.leaves.get()
        let (first, published, committed) = (
            leaves[0].leafHash, leaves[299].leafHash, leaves[300].leafHash
        )
        let absent = String(repeating: "00", count: 32)
        for (path, status) in [
            ("/get-inclusion-proof/0/\(first)", 400), ("/get-inclusion-proof/1/\(first)", 400),
            ("/get-inclusion-proof/2/\(first)", 200), ("/get-inclusion-proof/300/\(first)", 200),
            ("/get-inclusion-proof/301/\(first)", 400),
            ("/get-inclusion-proof/9223372036854775807/\(first)", 400),
            ("/get-inclusion-proof/300/\(published)", 200),
            // In the published tree, not in the one asked for.
            ("/get-inclusion-proof/299/\(published)", 404),
            // Committed, not published.
            ("/get-inclusion-proof/300/\(committed)", 404),
            ("/get-inclusion-proof/301/\(committed)", 400),
            ("/get-inclusion-proof/300/\(absent)", 404),
            // A size that is refused is refused also for a leaf that is not there.
            ("/get-inclusion-proof/1/\(absent)", 400), ("/get-inclusion-proof/301/\(absent)", 400),

            ("/get-consistency-proof/1/2", 200), ("/get-consistency-proof/299/300", 200),
            ("/get-consistency-proof/0/1", 400), ("/get-consistency-proof/0/0", 400),
            ("/get-consistency-proof/2/2", 400), ("/get-consistency-proof/300/300", 400),
            ("/get-consistency-proof/2/1", 400), ("/get-consistency-proof/300/301", 400),
            ("/get-consistency-proof/1/9223372036854775807", 400),

            ("/get-leaves/0/0", 400), ("/get-leaves/1/1", 400), ("/get-leaves/2/1", 400),
            ("/get-leaves/299/300", 200), ("/get-leaves/299/301", 400),
            ("/get-leaves/300/300", 400), ("/get-leaves/300/301", 400),
            ("/get-leaves/0/301", 400), ("/get-leaves/0/9223372036854775807", 400),
            ("/get-leaves/9223372036854775806/9223372036854775807", 400),
        ] as [(String, UInt16)] {
            guard status != 200 else {
                #expect(try fixture.exchange(Request(path)).status == 200, "\(path)")
                continue
            }
            try Self.expectRefusal(fixture, path, status)
        }
    }

    @Test func anEmptyPublishedTree() throws {
        let fixture = try LogFixture(committed: 3, published: 0)
        let body = try fixture.exchange(Request("/get-tree-head")).body
        #expect(body?.hasPrefix("size=0\nroot_hash=e3b0c44298fc1c149afbf4c8996fb924") == true)
        let hash = try Golden.leaves.get()[0].leafHash
        for path in [
            "/get-leaves/0/1", "/get-leaves/0/0", "/get-consistency-proof/0/1",
            "/get-consistency-proof/1/2", "/get-inclusion-proof/1/\(hash)",
            "/get-inclusion-proof/2/\(hash)",
        ] { try Self.expectRefusal(fixture, path, 400) }
    }

    /// Before the first publication: later, and what can be said at once is said at once.
    @Test func withoutAPublication() throws {
        let fixture = try LogFixture(committed: 5, published: nil)
        let hash = try Golden.leaves.get()[0].leafHash
        for path in [
            "/get-tree-head", "/get-leaves/0/1", "/get-leaves/5/1", "/get-consistency-proof/1/2",
            "/get-inclusion-proof/2/\(hash)",
        ] {
            try Self.expectRefusal(fixture, path, 503)
            let later = try fixture.exchange(Request(path)).response?.fields["retry-after"]
            #expect(later.flatMap { UInt($0) } ?? 0 > 0)
            let head = try fixture.exchange(Request(path, method: "HEAD"))
            #expect(head.status == 503 && head.body == "")
        }
        try Self.expectRefusal(fixture, "/get-leaves/x", 400)
        try Self.expectRefusal(fixture, "/nothing", 404)
        try Self.expectRefusal(fixture, "/get-tree-head", 405, method: "PUT")
        #expect(try fixture.exchange(Request("/")).status == 200)
    }

    @Test func refusalsOfRoutes() throws {
        let fixture = try LogFixture(committed: 2, published: 2, prefix: "/a/b")
        for (path, method, status) in [
            ("/a/b/nothing", "GET", 404), ("/get-tree-head", "GET", 404),
            ("/a/b/nothing", "DELETE", 404), ("/a/b/get-tree-head/", "GET", 404),
            ("/a/b/get-leaves/", "GET", 400), ("/a/b/%", "GET", 400),
            ("/a/b/get-tree-head", "POST", 405), ("/a/b/get-tree-head", "get", 405),
            ("/a/b/add-leaf", "GET", 405), ("/a/b/", "OPTIONS", 405), ("*", "OPTIONS", 404),
            ("/a/b/get-leaves", "GET", 301), ("/", "GET", 301), ("/a/b", "GET", 301),
        ] as [(String, String, UInt16)] {
            try Self.expectRefusal(fixture, path, status, method: method)
        }
        for (path, method, allow) in [
            ("/a/b/get-tree-head", "POST", "GET, HEAD"), ("/a/b/add-leaf", "PUT", "POST"),
            ("/a/b/add-leaf", "HEAD", "POST"), ("/a/b/get-leaves", "PUT", "GET, HEAD"),
        ] {
            let exchange = try fixture.exchange(Request(path, method: method))
            #expect(exchange.status == 405 && exchange.response?.fields["allow"] == allow)
        }
        for (path, location) in [
            ("/", "/a/b/"), ("/a/b?x", "/a/b/"), ("/a/b/get-leaves?x", "/a/b/get-leaves/"),
        ] {
            let exchange = try fixture.exchange(Request(path))
            #expect(exchange.response?.fields["location"] == location)
        }
    }

    @Test func infoPage() throws {
        let fixture = try LogFixture(committed: 0, published: 0, prefix: "/a'b")
        let exchange = try fixture.exchange(Request("/a'b/"))
        #expect(exchange.status == 200 && exchange.endpoint == .info && exchange.counted == .ok)
        #expect(exchange.response?.fields["content-type"] == "text/html; charset=utf-8")
        #expect(exchange.response?.isWhole == true)
        let keys = try Vectors.keys().log
        for fact in [keys.public_key, keys.key_hash, "/a'b", "sigsum test"] {
            #expect(exchange.body?.contains(fact) == true, "\(fact)")
        }
        let head = try fixture.exchange(Request("/a'b/", method: "HEAD"))
        #expect(head.body == "" && head.response?.fields == exchange.response?.fields)
    }

    // MARK: A store that fails

    /// Published leaves that the store lacks: nothing half-made is sent, and the next answer is
    /// whole.
    @Test func aFailureLeavesNoPartialResponse() throws {
        let fixture = try LogFixture(committed: 10, published: 300)
        let hash = try Golden.leaves.get()[0].leafHash
        for path in [
            "/get-leaves/0/20", "/get-leaves/20/21", "/get-inclusion-proof/300/\(hash)",
            "/get-consistency-proof/4/300",
        ] {
            for method in ["GET", "HEAD"] {
                let exchange = try fixture.exchange(Request(path, method: method))
                #expect(exchange.response == nil, "\(path)")
                guard case .failure(.corrupt) = exchange.answer else {
                    Issue.record("\(path): \(exchange.answer)")
                    continue
                }
            }
        }
        try Self.expectBody(fixture, "/get-leaves/0/10", .getLeaves, try Golden.lines(0..<10))
    }
}
