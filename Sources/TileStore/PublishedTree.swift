// SPDX-License-Identifier: BSD-2-Clause

// What a primary shows: a tree head with its cosignatures, and the tree that it is of.

package import SigsumFormats

/// A published tree head with what proofs in its tree need.
package struct PublishedTree: Sendable {
    /// What get-tree-head answers.
    package let head: CosignedTreeHead
    /// The tree of its size.
    package let tree: TreeSnapshot

    /// A head with its tree.
    package init(head: CosignedTreeHead, tree: TreeSnapshot) {
        precondition(head.signedTreeHead.treeHead == tree.treeHead)
        self.head = head
        self.tree = tree
    }

    /// A head with its tree, whose edge is rebuilt from the store. Throws unless it is the head of
    /// the first leaves there.
    init(head: CosignedTreeHead, storedIn reader: StoreReader) throws(StoreError) {
        let treeHead = head.signedTreeHead.treeHead
        let tree = try reader.snapshot(of: treeHead.size)
        guard tree.treeHead == treeHead else {
            throw .corrupt("the published tree head is not that of the stored leaves")
        }
        self.init(head: head, tree: tree)
    }
}
