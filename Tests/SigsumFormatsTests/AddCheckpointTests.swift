// SPDX-License-Identifier: BSD-2-Clause

// add-checkpoint: the requests that log-go sent, byte for byte, and the answer that says a size.

import LogCrypto
import MerkleLog
import SigsumFormats
import TestSupport
import Testing

@Suite struct AddCheckpointRequestTests {
    @Test func goldenRequests() throws {
        let key = SigningKey(seed: try #require(Digest(hex: try Vectors.keys().log.seed)).bytes)
        let exchanges = try Exchange.all()
        #expect(exchanges.count > 10)
        for exchange in exchanges {
            let request = AddCheckpointRequest(
                oldSize: exchange.oldSize, proof: exchange.proof,
                signedTreeHead: SignedTreeHead(signing: exchange.treeHead, with: key),
                logKey: key.publicKey)
            #expect(request.encode() == exchange.request, "old \(exchange.oldSize)")
        }
    }

    static func request(old: UInt64, size: UInt64, proofCount: Int) -> AddCheckpointRequest? {
        guard let oldSize = TreeSize(old), let size = TreeSize(size) else { return nil }
        let digest = Digest(bytes: FixedBytes())
        return AddCheckpointRequest(
            oldSize: oldSize, proof: Array(repeating: digest, count: proofCount),
            signedTreeHead: SignedTreeHead(
                treeHead: TreeHead(size: size, rootHash: digest),
                signature: Signature(bytes: FixedBytes())),
            logKey: PublicKey(bytes: FixedBytes()))
    }

    @Test func theLongestProof() throws {
        let request = try #require(Self.request(old: 1, size: 1 << 62, proofCount: 63))
        let lines = request.encode().split(separator: 0x0A, omittingEmptySubsequences: false)
        #expect(lines.firstIndex(of: []) == 64)
    }

    /// What a witness would refuse is not even made.
    @Test func impossibleRequests() async {
        await #expect(processExitsWith: .failure) {
            _ = AddCheckpointRequestTests.request(old: 3, size: 2, proofCount: 0)
        }
        await #expect(processExitsWith: .failure) {
            _ = AddCheckpointRequestTests.request(old: 1, size: 2, proofCount: 64)
        }
        await #expect(processExitsWith: .failure) {
            _ = AddCheckpointRequestTests.request(old: 0, size: 2, proofCount: 1)
        }
    }
}

@Suite struct CheckpointConflictTests {
    func parse(_ body: String) throws(FormatError) -> TreeSize {
        try CheckpointConflict.parse(Array(body.utf8).span)
    }

    @Test(arguments: [("0\n", 0), ("17\n", 17), ("9223372036854775807\n", UInt64(Int64.max))])
    func sizes(body: String, size: UInt64) throws {
        #expect(try parse(body).value == size)
    }

    @Test(arguments: [
        "", "\n", "17", "17\r\n", "17\n\n", " 17\n", "17 \n", "017\n", "+17\n", "-1\n", "0x11\n",
        "9223372036854775808\n", "18446744073709551617\n", "17\n18\n", "size=17\n", "\u{661}\n",
    ])
    func malformed(body: String) {
        let error = #expect(throws: FormatError.self) { try parse(body) }
        #expect(error?.line == 1)
    }
}
