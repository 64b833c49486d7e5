// SPDX-License-Identifier: BSD-2-Clause

// How a secondary begins. Its store is a copy that can be filled again, so an absent one is made;
// and it must never be the log's own, from which a primary signs.
//
//     store                  then
//     --------------------   ---------------------------------------------------------------------
//     none                   create it, empty
//     a secondary's          go on after its last leaf
//     a primary's            refused: it may be the only one, and replication would write to it
//
// A creation that was cut off is done again; nothing else here writes.

internal import MerkleLog
package import SigsumFormats

/// A secondary's store once it was found, or made, sound.
package struct SecondaryStart: Sendable {
    /// The open store.
    package let store: TileStore
    /// The committed tree, its root hash that of its right edge.
    package let treeHead: TreeHead
    /// The newest leaf, which the primary must have as well; nil for an empty tree.
    package let lastLeaf: Leaf?

    /// Opens the store of `backend`, or creates it where there is none.
    ///
    /// - Parameters:
    ///   - release: the version that writes a store, for the message of an older one.
    ///   - report: hears, in a line, that a store is created.
    package init(
        backend: TileStore.Backend, release: String, report: (String) -> Void = { _ in }
    ) throws(StoreError) {
        store = try Self.open(backend, release: release, report)
        // Its look at the right edge is the check that the last leaf is the tree's.
        treeHead = try StoreWriter(store).treeHead
        lastLeaf = try StoreReader(store).lastLeaf()
    }

    private static func open(
        _ backend: TileStore.Backend, release: String, _ report: (String) -> Void
    ) throws(StoreError) -> TileStore {
        let identity = StoreIdentity(role: .secondary, logKeyHash: nil)
        guard case .lmdb(let folder) = backend else {
            return try TileStore.create(backend, identity: identity, release: release)
        }
        guard try TileStore.exists(in: folder) else {
            report("there is no store in \(folder): it is created")
            return try TileStore.create(backend, identity: identity, release: release)
        }
        let store = try TileStore.open(folder: folder)
        guard store.identity.role == .secondary else {
            throw .refused(
                "the store \(folder) is a primary's, not a secondary's: give another store-dir, or "
                    + "remove that store when its log goes on elsewhere, to have it filled anew")
        }
        return store
    }
}
