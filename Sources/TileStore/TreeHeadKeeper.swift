// SPDX-License-Identifier: BSD-2-Clause

// The last signed tree head, and the one way to sign the next. A log that signs two trees that
// contradict each other is finished for ever, so before each signature the leaves that are new
// since the last one are read back from the store and hashed again:
//
//     stored leaves -> last signed tree's frontier, extended -> root hash == the committed one?
//
// Then the head is signed and written to the sth file. Only after that may anybody see it. A crash
// before the rename leaves the old head, which the next start signs past; a crash after it leaves
// the sth file a step ahead of the store's record, which the next start repairs (PrimaryStart).

package import LogCrypto
internal import MerkleLog
package import SigsumFormats

/// Signs tree heads: with a key at hand or through an agent. May block, never on a reactor.
package protocol TreeHeadSigner: Sendable {
    /// The key that the signatures verify with.
    var publicKey: PublicKey { get }
    /// The signature of `message`. Throws one line that says why there is none.
    func sign(_ message: [UInt8]) throws(SigningError) -> Signature
}

/// Why no signature was made, in one line.
package struct SigningError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The line.
    package let description: String

    /// An error that says `description`.
    package init(_ description: String) { self.description = description }
}

/// Keeps what was signed last. Used on one thread, which may block for the device and the signer.
package final class TreeHeadKeeper {
    private let files: StateFiles
    private let signer: any TreeHeadSigner
    private let reader: StoreReader
    private var hasher = TreeHasher()
    /// The full subtrees of the tree signed last.
    private var frontier: Frontier
    /// The tree head signed last.
    package private(set) var last: SignedTreeHead

    /// Goes on from `last`, which must be the head of the first leaves in `store`.
    package init(
        last: SignedTreeHead, files: StateFiles, signer: any TreeHeadSigner,
        store: TileStore
    ) throws(StoreError) {
        let reader = try StoreReader(store)
        var hasher = TreeHasher()
        frontier = try Self.frontier(of: last.treeHead, reader, hasher: &hasher)
        self.hasher = hasher
        self.reader = reader
        self.files = files
        self.signer = signer
        self.last = last
    }

    /// Signs `treeHead` and makes it durable, when the stored leaves say that it continues the tree
    /// signed last. Signing the same tree again changes nothing.
    package func sign(_ treeHead: TreeHead) throws(TreeHeadError) -> SignedTreeHead {
        guard treeHead.size >= last.treeHead.size else {
            throw .store(
                .refused(
                    "a tree of \(treeHead.size) leaves after \(last.treeHead.size) were signed"))
        }
        guard treeHead.size > last.treeHead.size else {
            guard treeHead == last.treeHead else {
                throw .store(.corrupt("two trees of \(treeHead.size) leaves"))
            }
            return last
        }
        let newFrontier: Frontier
        do {
            newFrontier = try Self.extend(frontier, to: treeHead, reader, hasher: &hasher)
        } catch { throw .store(error) }
        let signed: SignedTreeHead
        do { signed = try Self.sign(treeHead, with: signer) } catch { throw .signer(error) }
        do { try files.write(signed) } catch { throw .store(error) }
        frontier = newFrontier
        last = signed
        return signed
    }

    /// A signature over `treeHead` that was checked: an agent's might be another key's. Keeps
    /// nothing and looks at nothing: for a tree head that no log is bound by, as a secondary's.
    package static func sign(
        _ treeHead: TreeHead, with signer: any TreeHeadSigner
    ) throws(SigningError) -> SignedTreeHead {
        let text = treeHead.signedText(keyHash: signer.publicKey.keyHash)
        let signed = SignedTreeHead(treeHead: treeHead, signature: try signer.sign(text))
        guard signed.isValid(for: signer.publicKey) else {
            throw SigningError("the signature made is not one of the key \(signer.publicKey)")
        }
        return signed
    }

    /// The frontier of the first `treeHead.size` leaves, whose root hash must be that of
    /// `treeHead`.
    static func frontier(
        of treeHead: TreeHead, _ reader: StoreReader, hasher: inout TreeHasher
    ) throws(StoreError) -> Frontier {
        let frontier = try reader.read { view throws(StoreError) in
            try Frontier(of: treeHead.size, in: view)
        }
        let root = frontier.root(hasher: &hasher)
        guard root == treeHead.rootHash else {
            throw .corrupt(
                "the first \(treeHead.size) leaves have root hash \(root), "
                    + "\(treeHead.rootHash) was signed")
        }
        return frontier
    }

    /// `frontier` with the stored leaves up to the size of `treeHead`, hashed now, whose root hash
    /// must be that of `treeHead`. Reads a few slabs in each transaction: a long one would keep
    /// pages from being used again. After each, `progress` hears the size reached.
    static func extend(
        _ frontier: Frontier, to treeHead: TreeHead, _ reader: StoreReader,
        hasher: inout TreeHasher, progress: (TreeSize) -> Void = { _ in }
    ) throws(StoreError) -> Frontier {
        var frontier = frontier
        while frontier.size < treeHead.size {
            let runEnd = min(frontier.size.value + 4096, treeHead.size.value)
            guard let end = TreeSize(runEnd) else { preconditionFailure("within the tree") }
            try reader.read { view throws(StoreError) in
                try view.withLeaves(from: frontier.size.nextIndex, to: end) { leaves in
                    for offset in stride(from: 0, to: leaves.count, by: Leaf.byteCount) {
                        let leaf = leaves.extracting(offset..<offset + Leaf.byteCount)
                        frontier.append(hasher.leafHash(leaf), hasher: &hasher)
                    }
                }
            }
            progress(end)
        }
        let root = frontier.root(hasher: &hasher)
        guard root == treeHead.rootHash else {
            throw .corrupt(
                "the stored leaves up to \(treeHead.size) have root hash \(root), the recorded one is "
                    + "\(treeHead.rootHash); nothing more is signed")
        }
        return frontier
    }
}

/// Why no tree head was signed.
package enum TreeHeadError: Error, CustomStringConvertible {
    /// The store or the sth file: the process must not go on signing.
    case store(StoreError)
    /// The signer: another try may succeed.
    case signer(SigningError)

    /// One line.
    package var description: String {
        switch self {
        case .store(let error): error.description
        case .signer(let error): "no signature: \(error)"
        }
    }
}
