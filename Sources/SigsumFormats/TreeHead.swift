// SPDX-License-Identifier: BSD-2-Clause

// Tree heads: what a log signs. The signed text, which is also a checkpoint's body (C2SP
// tlog-checkpoint), is
//
//     sigsum.org/v1/tree/<lower-case hex of the signer's key hash>
//     <size>
//     <base64 of the root hash>

package import LogCrypto
package import MerkleLog

/// The size and the root hash of a tree.
package struct TreeHead: Hashable, Sendable {
    /// The number of leaves.
    package let size: TreeSize
    /// The root hash of RFC 6962.
    package let rootHash: Digest

    /// A tree head of its two parts.
    package init(size: TreeSize, rootHash: Digest) {
        self.size = size
        self.rootHash = rootHash
    }

    /// The first line of the signed text, which names the tree: a checkpoint's origin, and the key
    /// name of its signature.
    static func origin(keyHash: KeyHash) -> [UInt8] {
        var text: [UInt8] = []
        text.append("sigsum.org/v1/tree/")
        text.append(hex: keyHash)
        return text
    }

    /// The text that the key with `keyHash` signs to vouch for this tree head.
    package func signedText(keyHash: KeyHash) -> [UInt8] {
        var text = Self.origin(keyHash: keyHash)
        text.append("\n")
        text.append(decimal: size.value)
        text.append("\n")
        text += rootHash.withSpan { Base64.encode($0) }
        text.append("\n")
        return text
    }
}

/// A tree head with its signature: the three lines that the sth file holds and that a
/// get-tree-head body begins with.
///
///     size=<decimal>
///     root_hash=<64 hex digits>
///     signature=<128 hex digits>
package struct SignedTreeHead: Hashable, Sendable {
    /// What is signed.
    package let treeHead: TreeHead
    /// The signature; whether it is valid only ``isValid(for:)`` tells.
    package let signature: Signature

    /// Puts a signature beside what it signs.
    package init(treeHead: TreeHead, signature: Signature) {
        self.treeHead = treeHead
        self.signature = signature
    }

    /// Signs `treeHead`.
    package init(signing treeHead: TreeHead, with key: borrowing SigningKey) {
        let text = treeHead.signedText(keyHash: key.publicKey.keyHash)
        self.init(treeHead: treeHead, signature: key.sign(text.span))
    }

    /// Whether the signature is `key`'s over this tree head.
    package func isValid(for key: PublicKey) -> Bool {
        key.verify(signature, of: treeHead.signedText(keyHash: key.keyHash).span)
    }

    /// Reads the three lines and nothing more.
    package init(parsing bytes: Span<UInt8>) throws(FormatError) {
        var cursor = ASCIICursor()
        try self.init(parsing: bytes, at: &cursor)
        try cursor.finish(bytes)
    }

    init(parsing bytes: Span<UInt8>, at cursor: inout ASCIICursor) throws(FormatError) {
        let number = try cursor.integer("size", in: bytes)
        guard let size = TreeSize(number) else {
            preconditionFailure("the cursor bounds integers as TreeSize does")
        }
        let rootHash = try cursor.hex("root_hash", in: bytes, as: Digest.self)
        let signature = try cursor.hex("signature", in: bytes, as: Signature.self)
        self.init(treeHead: TreeHead(size: size, rootHash: rootHash), signature: signature)
    }

    /// The three lines.
    package func encode() -> [UInt8] {
        var text: [UInt8] = []
        text.append("size=")
        text.append(decimal: treeHead.size.value)
        text.append("\nroot_hash=")
        text.append(hex: treeHead.rootHash)
        text.append("\nsignature=")
        text.append(hex: signature)
        text.append("\n")
        return text
    }
}
