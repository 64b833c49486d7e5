// SPDX-License-Identifier: BSD-2-Clause

// The bodies of everything that only reads. They are rendered from mapped pages straight into the
// connection's output: no arrays and no strings in between.

internal import HTTPWire
package import LogCrypto
package import MerkleLog
internal import SigsumFormats
package import TileStore

/// One reactor's way to answer reads: its slot in the store's reader table and a hasher.
package final class ReadAnswers {
    private let reader: StoreReader
    private var hasher = TreeHasher()

    /// Reads `store`. Throws when LMDB's reader table is full.
    package init(_ store: TileStore) throws(StoreError) {
        reader = try StoreReader(store)
    }

    /// The position of the leaf with `leafHash` among the committed ones; nil when it is not there.
    package func leafIndex(of leafHash: Digest) throws(StoreError) -> LeafIndex? {
        try reader.read { view throws(StoreError) in try view.leafIndex(of: leafHash) }
    }

    /// `leaf_index=` and `node_hash=` lines, or why not.
    func inclusionProof(
        of leafHash: Digest, in size: UInt64, published: TreeSnapshot,
        _ response: inout ResponseWriter
    ) throws(StoreError) -> Status {
        guard size >= 2 else {
            return response.refuse("a tree of fewer than 2 leaves has no inclusion proofs")
        }
        guard let size = TreeSize(size), size <= published.treeHead.size else {
            return response.refuse("the published tree has \(published.treeHead.size) leaves")
        }
        return try reader.read(tree: published) { view throws(StoreError) in
            guard let index = try view.leafIndex(of: leafHash), index.isWithin(size) else {
                response.text(.notFound, "no such leaf in the tree of that size")
                return .notFound
            }
            response.begin(.ok, contentType: "text/plain; charset=utf-8")
            response.append("leaf_index=")
            response.append(decimal: index.value)
            response.append(byte: 0x0A)
            try Proof.proveInclusion(of: index, in: size, from: view, hasher: &hasher) {
                response.appendNodeHash($0)
            }
            response.end()
            return .ok
        }
    }

    /// `node_hash=` lines, or why not.
    func consistencyProof(
        from oldSize: UInt64, to newSize: UInt64, published: TreeSnapshot,
        _ response: inout ResponseWriter
    ) throws(StoreError) -> Status {
        guard oldSize >= 1, newSize > oldSize else {
            return response.refuse("expected 0 < old size < new size")
        }
        guard let oldSize = TreeSize(oldSize), let newSize = TreeSize(newSize),
            newSize <= published.treeHead.size
        else { return response.refuse("the published tree has \(published.treeHead.size) leaves") }
        return try reader.read(tree: published) { view throws(StoreError) in
            response.begin(.ok, contentType: "text/plain; charset=utf-8")
            try Proof.proveConsistency(
                from: oldSize, to: newSize, from: view, hasher: &hasher
            ) { response.appendNodeHash($0) }
            response.end()
            return .ok
        }
    }

    /// `leaf=` lines of the published tree, at most `countMax`, or why not.
    func publishedLeaves(
        from start: UInt64, to end: UInt64, countMax: Int, published: TreeSnapshot,
        _ response: inout ResponseWriter
    ) throws(StoreError) -> Status {
        let size = published.treeHead.size
        guard start < end, end <= size.value else {
            return response.refuse("expected start < end <= \(size)")
        }
        return try reader.read { view throws(StoreError) in
            try response.appendLeaves(from: start, to: end, countMax: countMax, view)
        }
    }

    /// The number of leaves in the committed tree.
    func committedSize() throws(StoreError) -> TreeSize {
        try reader.read { view throws(StoreError) in try view.treeHead().size }
    }

    /// `leaf=` lines of the committed tree, published or not, at most `countMax`; 404 at its end.
    func committedLeaves(
        from start: UInt64, to end: UInt64, countMax: Int, _ response: inout ResponseWriter
    ) throws(StoreError) -> Status {
        guard start < end else { return response.refuse("expected start < end") }
        return try reader.read { view throws(StoreError) in
            let size = try view.treeHead().size
            guard start <= size.value else {
                return response.refuse("the tree has \(size) leaves")
            }
            guard start < size.value else {
                response.text(.notFound, "at end of tree")
                return .notFound
            }
            return try response.appendLeaves(
                from: start, to: min(end, size.value), countMax: countMax, view)
        }
    }
}

extension ResponseWriter {
    /// 400 with a reason.
    fileprivate mutating func refuse(_ reason: String) -> Status {
        text(.badRequest, reason)
        return .badRequest
    }

    /// `node_hash=<64 hex digits>\n`.
    fileprivate mutating func appendNodeHash(_ hash: Digest) {
        append("node_hash=")
        append(addingCapacity: 65) { output in
            Hex.encode(hash.bytes.storage.span, into: &output)
            output.append(0x0A)
        }
    }

    fileprivate mutating func appendLeaves(
        from start: UInt64, to end: UInt64, countMax: Int, _ view: borrowing StoreView
    ) throws(StoreError) -> Status {
        guard let end = TreeSize(min(end, start + UInt64(countMax))) else {
            preconditionFailure("the end is within the tree")
        }
        begin(.ok, contentType: "text/plain; charset=utf-8")
        try view.withLeaves(from: LeafIndex(start), to: end) { leaves in
            let byteCount = leaves.count / Leaf.byteCount * Leaf.lineByteCount
            append(addingCapacity: byteCount) { Leaf.encodeLines(of: leaves, into: &$0) }
        }
        self.end()
        return .ok
    }
}
