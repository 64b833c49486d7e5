// SPDX-License-Identifier: BSD-2-Clause

// The golden data's exchanges, taken apart, and its witness, whose key is known: it can be made to
// say what no witness should.

import LogCrypto
import MerkleLog
import SigsumFormats
import TestSupport
import Testing

/// One exchange of the golden data, taken apart.
struct Exchange {
    let request: [UInt8]
    let response: [UInt8]
    let oldSize: TreeSize
    let proof: [Digest]
    let treeHead: TreeHead

    init(_ vector: AddCheckpointVectors.Exchange) throws {
        request = Array(vector.request.utf8)
        response = Array(vector.response.utf8)
        let parts = vector.request.split(separator: "\n\n", omittingEmptySubsequences: false)
        // Without a proof the empty line is the second.
        let lines = parts[0].split(separator: "\n").map(String.init)
        let checkpoint = parts[1].split(separator: "\n").map(String.init)
        oldSize = try #require(UInt64(lines[0].dropFirst(4)).flatMap { TreeSize($0) })
        proof = try lines.dropFirst().map(Self.digest)
        treeHead = TreeHead(
            size: try #require(UInt64(checkpoint[1]).flatMap { TreeSize($0) }),
            rootHash: try Self.digest(checkpoint[2]))
    }

    private static func digest(_ base64: String) throws -> Digest {
        let bytes = try #require(Base64.decode(text: base64))
        try #require(bytes.count == 32)
        return Digest(copying: bytes.span)
    }

    static func all() throws -> [Exchange] {
        try Vectors.addCheckpoint().exchanges.map(Exchange.init)
    }
}

/// The witness of add-checkpoint.json.
struct ScriptedWitness {
    let logKeyHash: KeyHash
    let publicKey: PublicKey
    private let seed: Digest

    init() throws {
        let vectors = try Vectors.addCheckpoint()
        logKeyHash = try #require(PublicKey(hex: vectors.log_public_key)).keyHash
        publicKey = try #require(PublicKey(hex: vectors.witness_public_key))
        seed = try #require(Digest(hex: vectors.witness_seed))
    }

    /// A line as C2SP signed-note has it.
    static func line(_ name: String, _ blob: [UInt8]) -> String {
        "\u{2014} \(name) \(String(decoding: Base64.encode(bytes: blob), as: UTF8.self))\n"
    }

    /// The key id for an algorithm's identifier byte.
    func keyID(_ name: String, algorithm: UInt8 = 4) -> [UInt8] {
        let input = Array(name.utf8) + [0x0A, algorithm] + publicKey.withSpan(copied)
        return Array(Digest(sha256OfBytes: input).withSpan(copied).prefix(4))
    }

    /// A time and the signature of it over `treeHead`.
    func cosignature(_ treeHead: TreeHead, time: UInt64 = 1_700_000_000) -> [UInt8] {
        let text =
            Array("cosignature/v1\ntime \(time)\n".utf8)
            + treeHead.signedText(keyHash: logKeyHash)
        let signature = SigningKey(seed: seed.bytes).sign(text.span)
        return (0..<8).map { UInt8(truncatingIfNeeded: time >> (56 - 8 * $0)) }
            + signature.withSpan(copied)
    }

    /// A line that is right in all respects.
    func line(_ name: String, over treeHead: TreeHead, time: UInt64 = 1_700_000_000) -> String {
        Self.line(name, keyID(name) + cosignature(treeHead, time: time))
    }

    func parse(_ body: [UInt8], over treeHead: TreeHead) throws(CosignatureError)
        -> NamedCosignature
    {
        try NamedCosignature(
            answering: body.span, from: publicKey, over: treeHead, of: logKeyHash)
    }
}

/// The bytes of a span.
private func copied(_ span: Span<UInt8>) -> [UInt8] { span.indices.map { span[$0] } }
