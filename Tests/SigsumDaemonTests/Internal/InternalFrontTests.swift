// SPDX-License-Identifier: BSD-2-Clause
//
// Internal requests over sockets: what is held and what releases it, and who gets which signature.

import LogCrypto
import LogService
import SigsumFormats
import Testing

@testable import SigsumDaemon

@Suite struct InternalFrontTests {
    /// Runs `body` with a node that is stopped after it.
    static func withNode(
        size: Int, routes: RouteTable = .secondaryInternal(prefix: "/log"),
        _ body: (InternalNode) async throws -> Void
    ) async throws {
        let node = try InternalNode(size: size, routes: routes)
        defer { node.stop() }
        try await body(node)
    }

    /// The tree head in an answer, which must be signed with the node's key.
    static func treeHead(_ answer: NodeAnswer, of node: InternalNode) throws -> TreeHead {
        #expect(answer.status == 200)
        let signed = try SignedTreeHead(parsing: Array(answer.body.utf8).span)
        #expect(signed.isValid(for: node.signer.publicKey))
        return signed.treeHead
    }

    // MARK: Leaves

    @Test(arguments: [
        RouteTable.primaryInternal(prefix: "/log"), .secondaryInternal(prefix: "/log"),
    ])
    func leavesAreHeldUntilTheyAreThere(routes: RouteTable) async throws {
        try await Self.withNode(size: 3, routes: routes) { node in
            let atOnce = try await node.get("/log/get-leaves/0/9")
            #expect(try atOnce == .leaves(0..<3))
            async let first = node.get("/log/get-leaves/3/9", prefer: "wait=100")
            async let second = node.get("/log/get-leaves/3/4", prefer: "wait=7")
            await node.wait { $0.held.count == 2 }
            try node.grow(to: 5)
            let (firstAnswer, secondAnswer) = (try await first, try await second)
            #expect(try firstAnswer == .leaves(3..<5, applied: "wait=60"))
            #expect(try secondAnswer == .leaves(3..<4, applied: "wait=7"))
            #expect(node.counted("get-leaves", 200) == 3)
        }
    }

    /// Each has its own deadline, and a later request may have an earlier one.
    @Test func theWaitEnds() async throws {
        try await Self.withNode(size: 3) { node in
            async let long = node.get("/log/get-leaves/3/9", prefer: "wait=20")
            await node.wait { $0.held.count == 1 }
            async let short = node.get("/log/get-leaves/3/9", prefer: "wait=5")
            await node.wait { $0.held.count == 2 }
            await node.advance(byMilliseconds: 4_999)
            #expect(await node.heldCount == 2)
            await node.advance(byMilliseconds: 1)
            let shortAnswer = try await short
            #expect(shortAnswer == .end(applied: "wait=5"))
            #expect(await node.heldCount == 1)
            await node.advance(byMilliseconds: 15_000)
            let longAnswer = try await long
            #expect(longAnswer == .end(applied: "wait=20"))
            #expect(node.counted("get-leaves", 404) == 2)
            // And the next is held as if nothing had been.
            async let next = node.get("/log/get-leaves/3/9", prefer: "wait=1")
            await node.wait { $0.held.count == 1 }
            await node.advance(byMilliseconds: 1_000)
            let nextAnswer = try await next
            #expect(nextAnswer == .end(applied: "wait=1"))
        }
    }

    /// At the end of the process all are answered with what is true, and none is held any more.
    @Test func everythingIsReleased() async throws {
        try await Self.withNode(size: 3) { node in
            async let leaves = node.get("/log/get-leaves/3/9", prefer: "wait=20")
            async let treeHead = node.get(
                "/log/get-secondary-tree-head?size=3", prefer: "wait=20")
            await node.wait { $0.held.count == 2 }
            node.front.releaseAll()
            let leavesAnswer = try await leaves
            #expect(leavesAnswer == .end(applied: "wait=20"))
            let signed = try Self.treeHead(await treeHead, of: node)
            #expect(signed == node.treeHead)
            let later = try await node.get("/log/get-leaves/3/9", prefer: "wait=20")
            #expect(later == .end(applied: "wait=20"))
        }
    }

    // MARK: Tree heads

    /// The committed tree's head at once; held while the client knows it.
    @Test func treeHeads() async throws {
        try await Self.withNode(size: 3) { node in
            let target = "/log/get-secondary-tree-head"
            let small = node.treeHead
            for (query, prefer) in [
                ("", nil), ("?size=3", nil), ("?size=2", "wait=9"), ("?size=9", "wait=0"),
            ] as [(String, String?)] {
                let answer = try await node.get(target + query, prefer: prefer)
                #expect(try Self.treeHead(answer, of: node) == small)
                #expect(answer.applied == prefer)
            }
            // The same head is signed once.
            #expect(node.signer.callCount == 1)
            async let held = node.get("\(target)?size=3", prefer: "wait=9")
            async let heldLonger = node.get("\(target)?size=5", prefer: "wait=9")
            await node.wait { $0.held.count == 2 }
            try node.grow(to: 5)
            let answer = try await held
            #expect(try Self.treeHead(answer, of: node) == node.treeHead)
            #expect(answer.applied == "wait=9" && node.treeHead.size > small.size)
            await node.advance(byMilliseconds: 9_000)
            let later = try Self.treeHead(await heldLonger, of: node)
            #expect(later == node.treeHead)
            #expect(node.signer.callCount == 2)
            #expect(node.counted("get-secondary-tree-head", 200) == 6)
        }
    }

    /// While one signature is made, those who ask wait for the next and share it.
    @Test func aSignatureIsShared() async throws {
        try await Self.withNode(size: 3) { node in
            let target = "/log/get-secondary-tree-head"
            let small = node.treeHead
            node.signer.play(.wait)
            async let first = node.get(target)
            while node.signer.callCount == 0 { await node.wait { _ in true } }
            async let second = node.get(target)
            async let third = node.get("\(target)?size=3")
            await node.wait { $0.unsigned.count == 2 }
            // Meanwhile other requests are served.
            let leaf = try await node.get("/log/get-leaves/2/3")
            #expect(try leaf == .leaves(2..<3))
            try node.grow(to: 4)
            node.signer.play(.sign)
            node.signer.open()
            let firstSigned = try Self.treeHead(await first, of: node)
            #expect(firstSigned == small)
            for answer in [try await second, try await third] {
                #expect(try Self.treeHead(answer, of: node) == node.treeHead)
            }
            #expect(node.signer.callCount == 2)
        }
    }

    @Test(arguments: [ScriptedSigner.Script.fail, .cheat])
    func noSignature(script: ScriptedSigner.Script) async throws {
        try await Self.withNode(size: 3) { node in
            let target = "/log/get-secondary-tree-head"
            node.signer.play(script)
            for _ in 0..<2 {
                let answer = try await node.get(target, prefer: "wait=9")
                let body = "no signature could be made; see the log file\n"
                #expect(answer == NodeAnswer(status: 500, body: body, applied: "wait=9"))
            }
            node.signer.play(.sign)
            let signed = try Self.treeHead(await node.get(target), of: node)
            #expect(signed == node.treeHead)
            #expect(node.signer.callCount == 3)
            #expect(node.counted("get-secondary-tree-head", 500) == 2)
        }
    }

    // MARK: A secondary's public endpoint

    @Test func nothingElsewhere() async throws {
        try await Self.withNode(size: 3, routes: .nothing) { node in
            for target in ["/", "/metrics", "/log/get-tree-head", "/log/get-leaves/3/9", "/%zz"] {
                let answer = try await node.get(target, prefer: "wait=9")
                #expect(answer == NodeAnswer(status: 404, body: "not found\n", applied: nil))
            }
            #expect(node.counted("other", 404) == 5)
        }
    }
}
