// SPDX-License-Identifier: BSD-2-Clause

// What witnesses add to a tree head (C2SP tlog-cosignature v1). The signed text is
//
//     cosignature/v1
//     time <seconds since the epoch>
//
// and, after these two lines, the text that the log signed.

package import LogCrypto

/// A witness's signature over a log's tree head and the time at which it was made.
///
///     cosignature=<key hash> <time> <signature>
package struct Cosignature: Hashable, Sendable {
    /// The witness's key hash.
    package let keyHash: KeyHash
    /// Seconds since 1970, up to 2^63-1.
    package let time: UInt64
    /// The witness's signature; whether it is valid only ``isValid(for:over:of:)`` tells.
    package let signature: Signature

    /// A cosignature of its parts.
    package init(keyHash: KeyHash, time: UInt64, signature: Signature) {
        self.keyHash = keyHash
        self.time = time
        self.signature = signature
    }

    /// Whether this is the cosignature of the witness with `key` over `treeHead` of the log with
    /// `logKeyHash`.
    package func isValid(for key: PublicKey, over treeHead: TreeHead, of logKeyHash: KeyHash)
        -> Bool
    {
        var text: [UInt8] = []
        text.append("cosignature/v1\ntime ")
        text.append(decimal: time)
        text.append("\n")
        text += treeHead.signedText(keyHash: logKeyHash)
        return key.keyHash == keyHash && key.verify(signature, of: text.span)
    }

    /// Reads a line's value.
    init(parsing bytes: Span<UInt8>, at cursor: inout ASCIICursor) throws(FormatError) {
        let range = try cursor.value(of: "cosignature", in: bytes)
        let value = bytes.extracting(range)
        guard let fields = value.fields(3),
            let keyHash = KeyHash(hex: value.extracting(fields[0])),
            let time = ASCIIDecimal.parse(value.extracting(fields[1])),
            let signature = Signature(hex: value.extracting(fields[2]))
        else {
            throw cursor.error(
                "cosignature= with a key hash, a time and a signature", found: value)
        }
        self.init(keyHash: keyHash, time: time, signature: signature)
    }

    func append(to text: inout [UInt8]) {
        text.append("cosignature=")
        text.append(hex: keyHash)
        text.append(" ")
        text.append(decimal: time)
        text.append(" ")
        text.append(hex: signature)
        text.append("\n")
    }
}

/// A signed tree head with its cosignatures: the body of get-tree-head.
package struct CosignedTreeHead: Hashable, Sendable {
    /// The log's part.
    package let signedTreeHead: SignedTreeHead
    /// The witnesses' part, never two with one key hash.
    package let cosignatures: [Cosignature]

    /// A tree head and its cosignatures; of two with one key hash the first is kept.
    package init(_ signedTreeHead: SignedTreeHead, cosignatures: [Cosignature] = []) {
        self.signedTreeHead = signedTreeHead
        var seen: Set<KeyHash> = []
        self.cosignatures = cosignatures.filter { seen.insert($0.keyHash).inserted }
    }

    /// Reads a get-tree-head body; two cosignatures with one key hash are an error.
    package init(parsing bytes: Span<UInt8>) throws(FormatError) {
        var cursor = ASCIICursor()
        let signedTreeHead = try SignedTreeHead(parsing: bytes, at: &cursor)
        var cosignatures: [Cosignature] = []
        while !cursor.isAtEnd(of: bytes) {
            let cosignature = try Cosignature(parsing: bytes, at: &cursor)
            guard !cosignatures.contains(where: { $0.keyHash == cosignature.keyHash }) else {
                throw cursor.error(
                    "one cosignature for each key hash",
                    found: Array("a second of \(cosignature.keyHash)".utf8).span)
            }
            cosignatures.append(cosignature)
        }
        self.init(signedTreeHead, cosignatures: cosignatures)
    }

    /// The body.
    package func encode() -> [UInt8] {
        var text = signedTreeHead.encode()
        for cosignature in cosignatures { cosignature.append(to: &text) }
        return text
    }
}
