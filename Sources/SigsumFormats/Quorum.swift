// SPDX-License-Identifier: BSD-2-Clause

// The condition under which a tree head has enough cosignatures: a tree of groups, each met by k of
// its members, whose leaves are witnesses.

package import LogCrypto

/// Which sets of witnesses suffice. Made by parsing a ``Policy``.
package struct Quorum: Sendable {
    /// Satisfied without any cosignature.
    package static let none = Quorum(nodes: [])

    /// A witness or a group of the tree.
    struct Node {
        /// When it counts as met.
        enum Condition {
            /// When the witness with this key hash has cosigned.
            case witness(KeyHash)
            /// When as many members are met.
            case group(threshold: Int)
        }

        let condition: Condition
        /// The index of the group that it is a member of; nil when it is of none.
        var parent: Int?
    }

    /// In the order of their definition: members before their group, the node that is the quorum
    /// last. So one pass evaluates the tree, whatever its depth, and needs no recursion.
    private let nodes: [Node]

    /// The condition that the last of `nodes` is met, `none` without any. A parent past the end is
    /// a group that was defined later and that the quorum does not depend on.
    init(nodes: [Node]) {
        self.nodes = nodes
    }

    /// Whether this is ``none``.
    package var isNone: Bool { nodes.isEmpty }

    /// Whether cosignatures of the witnesses with `keyHashes`, among which there may be any that
    /// the policy does not know, suffice.
    package func isMet(by keyHashes: Set<KeyHash>) -> Bool {
        var metCounts = [Int](repeating: 0, count: nodes.count)
        var isMet = true
        for index in nodes.indices {
            switch nodes[index].condition {
            case .witness(let keyHash): isMet = keyHashes.contains(keyHash)
            case .group(let threshold): isMet = metCounts[index] >= threshold
            }
            if isMet, let parent = nodes[index].parent, parent < nodes.count {
                metCounts[parent] += 1
            }
        }
        return isMet
    }
}
