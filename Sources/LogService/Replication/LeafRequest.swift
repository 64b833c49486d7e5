// SPDX-License-Identifier: BSD-2-Clause

// What a secondary asks its primary (internal get-leaves).

/// One get-leaves request that the primary is to be sent.
package struct LeafRequest: Hashable, Sendable {
    /// What it is to tell.
    enum Purpose: Hashable, Sendable {
        /// Whether the primary has this store's last leaf; the leaves after it are welcome.
        case compare
        /// Whether there is a log at all that has fewer leaves than this store: leaf 0.
        case confirm
        /// New leaves.
        case copy
        /// Whether the primary has that leaf, and so that many.
        case search
    }

    /// Which of the replicator's lanes it is on. A lane has one request at a time, so it goes well
    /// with one connection.
    package let lane: Int
    /// The first leaf that is asked for.
    package let start: UInt64
    /// The leaf after the last; the primary may give fewer than asked for.
    package let end: UInt64
    /// Whether to ask the primary to hold it until there is a leaf (RFC 7240, Prefer: wait).
    package let waits: Bool
    let purpose: Purpose
    /// Whether the first leaf is the one before those that are wanted: that of the primary must be
    /// the one that is known here, and then what follows is of this tree.
    let overlaps: Bool
    /// Tells the requests of this attempt from those before the last failure.
    let attempt: Int

    /// Whether it asks for as much as the primary gives, and not for a certain rest.
    let isOpen: Bool

    /// The most leaves that are asked for. Every primary gives fewer.
    package static var leafCountMax: UInt64 { 65_536 }

    /// The request's path, below the primary's URL.
    package var target: String { "/get-leaves/\(start)/\(end)" }

    /// The most leaves that an answer may have.
    var leafCount: UInt64 { end - start }
    /// The index of the first leaf that is wanted.
    var newStart: UInt64 { overlaps ? start + 1 : start }
}
