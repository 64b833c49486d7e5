// SPDX-License-Identifier: BSD-2-Clause

// What a log asks of a witness (C2SP tlog-witness, add-checkpoint): here is a tree head, signed, and
// the proof that it continues the last one that you cosigned.
//
//     old 20852014
//     PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=
//     5+pKlUdi2LeF/BcMHBn+Ku6yhPGNCswZZD1X/6QgPd8=
//
//     sigsum.org/v1/tree/<lower-case hex of the log's key hash>
//     20852163
//     CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=
//
//     — sigsum.org/v1/tree/<lower-case hex of the log's key hash> <base64 of key id || signature>
//
// After the empty line it is the checkpoint (C2SP tlog-checkpoint), a signed note whose one
// signature line has the origin as its key name, as sigsum-go's witness requires. The answers are in
// NamedCosignature.swift (200) and CheckpointConflict.swift (409).

package import LogCrypto
package import MerkleLog

/// The body of `POST <witness URL>/add-checkpoint`.
package struct AddCheckpointRequest: Hashable, Sendable {
    /// The most hashes that a request may have: 63, which every proof between sizes below 2^63 has
    /// room in.
    package static var proofCountMax: Int { 63 }

    /// The size of the tree that the witness cosigned last, 0 at first.
    package let oldSize: TreeSize
    /// The consistency proof (RFC 6962 section 2.1.2) from ``oldSize`` to the tree head's size,
    /// empty when either is 0 or both are equal.
    package let proof: [Digest]
    /// The tree head to cosign.
    package let signedTreeHead: SignedTreeHead
    /// The key that signed it.
    package let logKey: PublicKey

    /// A request of its parts. Traps when `oldSize` is above the tree head's size, so a size that a
    /// witness said is looked at first; when there is a proof from size 0, or one of more than
    /// ``proofCountMax`` hashes: witnesses answer 400 or 422 to such.
    package init(
        oldSize: TreeSize, proof: [Digest], signedTreeHead: SignedTreeHead, logKey: PublicKey
    ) {
        precondition(oldSize <= signedTreeHead.treeHead.size)
        precondition(proof.count <= Self.proofCountMax)
        precondition(proof.isEmpty || oldSize > .zero)
        self.oldSize = oldSize
        self.proof = proof
        self.signedTreeHead = signedTreeHead
        self.logKey = logKey
    }

    /// The body.
    package func encode() -> [UInt8] {
        let keyHash = logKey.keyHash
        let origin = TreeHead.origin(keyHash: keyHash)
        var text: [UInt8] = []
        text.append("old ")
        text.append(decimal: oldSize.value)
        text.append("\n")
        for hash in proof {
            text += hash.withSpan { Base64.encode($0) }
            text.append("\n")
        }
        text.append("\n")
        text += signedTreeHead.treeHead.signedText(keyHash: keyHash)
        text.append("\n")
        NoteSignature.append(
            keyName: origin,
            keyID: NoteSignature.keyID(name: origin, algorithm: .ed25519, publicKey: logKey),
            signature: signedTreeHead.signature, to: &text)
        return text
    }
}
