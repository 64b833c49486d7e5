// SPDX-License-Identifier: BSD-2-Clause

// What a secondary's answer says. A tree head is believed when its signature is the secondary's and
// its root hash is that of our own first leaves: equal roots say that every leaf is the same.

package import LogCrypto
package import MerkleLog
package import SigsumFormats
package import TileStore

/// What came of a request for a secondary's tree head.
package enum SecondaryAnswer: Hashable, Sendable {
    /// It holds the first leaves of this log, so many. Wait honored: it may hold requests that say
    /// how long they may wait.
    case holds(TreeHead, isWaitHonored: Bool)
    /// Its tree head is not one of this log, or not its own.
    case rejected(SecondaryRejection)
    /// There was no tree head.
    case failed(reason: String)
    /// A connection kept from an earlier request was closed, and nothing else is known.
    case connectionGone

    /// Judges the answer of the secondary with the key `publicKey`, comparing its tree with the one
    /// that `reader` reads. Throws when that fails.
    package init(
        status: Int, body: Span<UInt8>, isWaitHonored: Bool, from publicKey: PublicKey,
        reader: StoreReader
    ) throws(StoreError) {
        guard status == 200 else {
            self = .failed(reason: "answered \(status) \(FormatError.quotedLine(of: body))")
            return
        }
        let signed: SignedTreeHead
        do throws(FormatError) {
            signed = try SignedTreeHead(parsing: body)
        } catch {
            self = .failed(reason: "answered with no tree head: \(error)")
            return
        }
        guard signed.isValid(for: publicKey) else {
            self = .rejected(.signature)
            return
        }
        let treeHead = signed.treeHead
        let committedSize = try reader.read { view throws(StoreError) in try view.treeHead() }.size
        guard treeHead.size <= committedSize else {
            self = .rejected(.ahead(treeHead.size, committedSize: committedSize))
            return
        }
        guard try reader.rootHash(of: treeHead.size) == treeHead.rootHash else {
            self = .rejected(.different(treeHead.size))
            return
        }
        self = .holds(treeHead, isWaitHonored: isWaitHonored)
    }
}

/// Why a secondary's tree head is not believed.
package enum SecondaryRejection: Hashable, Sendable, CustomStringConvertible {
    /// The secondary's key did not sign it.
    case signature
    /// It is larger than this log's tree: this may be an older copy of the log.
    case ahead(TreeSize, committedSize: TreeSize)
    /// The first leaves of this log, so many, are others.
    case different(TreeSize)

    /// One line, after "tree head rejected".
    package var description: String {
        switch self {
        case .signature: "the signature is not one of its key"
        case .ahead(let size, let committedSize):
            "it has \(size) leaves, this log \(committedSize)"
        case .different(let size):
            "its tree of \(size) leaves is not the beginning of this log's"
        }
    }

    /// Whether the two differ in nothing but sizes.
    func isLike(_ other: SecondaryRejection) -> Bool {
        switch (self, other) {
        case (.signature, .signature), (.ahead, .ahead), (.different, .different): true
        default: false
        }
    }
}
