// SPDX-License-Identifier: BSD-2-Clause

// What a secondary's HTTP answer means, compared with a store of golden leaves: every size that it
// may have, and everything that may be wrong with it.

import LogCrypto
import MerkleLog
import SigsumFormats
import TestSupport
import Testing
import TileStore

@testable import LogService

@Suite struct SecondaryAnswerTests {
    /// One whole slab, and some leaves of another.
    static let committed = 300

    static func key(_ number: UInt8) -> SigningKey {
        SigningKey(seed: FixedBytes(copying: [UInt8](repeating: number, count: 32).span))
    }

    /// A secondary's answer over the tree of the first `count` golden leaves.
    static func body(
        _ count: Int, rootOf other: Int? = nil, key number: UInt8 = 1
    ) throws -> [UInt8] {
        let roots = try Vectors.roots()
        let treeHead = TreeHead(size: .of(count), rootHash: roots[other ?? count])
        return SignedTreeHead(signing: treeHead, with: key(number)).encode()
    }

    let fixture: LogFixture
    let reader: StoreReader

    init() throws {
        fixture = try LogFixture(committed: Self.committed, published: nil)
        reader = try StoreReader(fixture.store)
    }

    func answer(
        _ body: [UInt8], status: Int = 200, isWaitHonored: Bool = false
    ) throws -> SecondaryAnswer {
        try SecondaryAnswer(
            status: status, body: body.span, isWaitHonored: isWaitHonored,
            from: Self.key(1).publicKey, reader: reader)
    }

    @Test func everySizeThatItMayHave() throws {
        let roots = try Vectors.roots()
        for count in 0...Self.committed {
            let isWaitHonored = count % 2 == 0
            let treeHead = TreeHead(size: .of(count), rootHash: roots[count])
            #expect(
                try answer(Self.body(count), isWaitHonored: isWaitHonored)
                    == .holds(treeHead, isWaitHonored: isWaitHonored))
        }
    }

    @Test(arguments: [301, 302, 512, 600])
    func aheadOfThisLog(count: Int) throws {
        #expect(
            try answer(Self.body(count))
                == .rejected(.ahead(.of(count), committedSize: .of(300))))
    }

    @Test func aheadOfAnyLog() throws {
        let treeHead = TreeHead(size: .max, rootHash: try Vectors.roots()[3])
        let body = SignedTreeHead(signing: treeHead, with: Self.key(1)).encode()
        #expect(
            try answer(body)
                == .rejected(.ahead(.max, committedSize: .of(300))))
    }

    /// Of each size another root than this log's: also of the empty tree, which all logs share.
    @Test(arguments: [(0, 1), (1, 2), (2, 1), (255, 256), (256, 255), (257, 256), (300, 299)])
    func anotherTree(count: Int, other: Int) throws {
        #expect(
            try answer(Self.body(count, rootOf: other))
                == .rejected(.different(.of(count))))
    }

    static let unsigned = SecondaryAnswer.rejected(.signature)

    /// Another node's answer: two URLs that were mixed up, or the log's own tree head. Told even
    /// when the tree is another as well.
    @Test func anotherKey() throws {
        #expect(try answer(Self.body(9, key: 2)) == Self.unsigned)
        #expect(try answer(Self.body(9, rootOf: 8, key: 2)) == Self.unsigned)
        #expect(try answer(Self.body(400, key: 2)) == Self.unsigned)
        #expect(try answer(Golden.published(9).head.signedTreeHead.encode()) == Self.unsigned)
    }

    /// A signature by the right key, over the same tree in the log's name: the primary's key hash
    /// is in the first line, where its own should be.
    @Test func aSignatureInAnothersName() throws {
        let treeHead = try Golden.snapshots.get()[9].treeHead
        let text = treeHead.signedText(keyHash: try Golden.logKey().publicKey.keyHash)
        let signed = SignedTreeHead(treeHead: treeHead, signature: Self.key(1).sign(text.span))
        #expect(try answer(signed.encode()) == Self.unsigned)
    }

    /// No byte of a tree head can be changed, and none left out, without being noticed.
    @Test func everyChangedByte() throws {
        let good = try Self.body(9)
        let text = String(decoding: good, as: UTF8.self)
        for position in good.indices {
            var body = good
            body[position] ^= 1
            guard case .holds = try answer(body) else { continue }
            Issue.record("byte \(position) of \(text)")
        }
        for count in good.indices {
            guard case .failed = try answer(Array(good[..<count])) else {
                Issue.record("cut to \(count) bytes")
                continue
            }
        }
        #expect(try answer(good) != Self.unsigned)
    }

    @Test(
        arguments: [
            (404, "404 page not found\n", "answered 404 \"404 page not found\""),
            (500, "", "answered 500 nothing"),
            (503, "a\u{1B}[1m\nb", "answered 503 \"a\\x1b[1m\""),
            (204, "", "answered 204 nothing"),
            (301, "moved\n", "answered 301 \"moved\""),
            (200, "", "answered with no tree head: "),
            (200, "<html>\n", "answered with no tree head: line 1: "),
            (200, "size=9\n", "answered with no tree head: line 2: "),
            (200, "size=-1\nroot_hash=00\nsignature=00\n", "answered with no tree head: line 1: "),
            (200, "size=9223372036854775808\n", "answered with no tree head: line 1: "),
        ] as [(Int, String, String)])
    func noTreeHead(status: Int, body: String, reason: String) throws {
        let answer = try answer(Array(body.utf8), status: status)
        guard case .failed(let found) = answer else {
            Issue.record("\(answer)")
            return
        }
        #expect(found.hasPrefix(reason) && !found.contains("\n"))
    }

    /// A good tree head counts with status 200 alone, and with nothing after it.
    @Test func aGoodTreeHeadInAWrongAnswer() throws {
        let good = try Self.body(9)
        for status in [201, 202, 206, 404, 500] {
            guard case .failed = try answer(good, status: status) else {
                Issue.record("taken with status \(status)")
                continue
            }
        }
        guard case .failed = try answer(good + Array("size=9\n".utf8)) else {
            Issue.record("taken with a line more")
            return
        }
    }

    /// The tree is compared as it is now, not as it was when the reader was made.
    @Test func theLogGrows() throws {
        let writer = try StoreWriter(fixture.store)
        #expect(
            try answer(Self.body(310))
                == .rejected(.ahead(.of(310), committedSize: .of(300))))
        _ = try writer.append(Array(Golden.hashed.get()[300..<320]))
        #expect(
            try answer(Self.body(310))
                == .holds(
                    try Golden.snapshots.get()[310].treeHead, isWaitHonored: false))
    }

    @Test(arguments: [
        (SecondaryRejection.signature, "the signature is not one of its key"),
        (.ahead(.of(5), committedSize: .of(3)), "it has 5 leaves, this log 3"),
        (.different(.of(7)), "its tree of 7 leaves is not the beginning of this log's"),
    ])
    func rejectionsInWords(rejection: SecondaryRejection, words: String) {
        #expect(rejection.description == words)
    }
}
