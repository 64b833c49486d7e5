// SPDX-License-Identifier: BSD-2-Clause

// What the world sees: the published tree head, its tree, and the response that says so. Immutable,
// and swapped whole, so that a reader holds one consistent state for as long as it answers.

internal import HTTPWire
internal import SigsumFormats
internal import Synchronization
package import TileStore

/// A published tree head, ready to be served.
package final class Publication: Sendable {
    /// The tree that proofs are made in.
    package let tree: TreeSnapshot
    /// The get-tree-head response.
    let response: PrerenderedResponse

    /// Renders the response for `published`.
    package init(_ published: PublishedTree) {
        tree = published.tree
        let body = published.head.encode()
        response = PrerenderedResponse(
            .ok, contentType: "text/plain; charset=utf-8", body: body.span)
    }
}

/// The publication of the moment. Control replaces it; every reactor reads it. The lock is held for
/// the copy of one reference.
package final class PublicationBoard: Sendable {
    private let current: Mutex<Publication?>

    /// A board that shows `publication`; nil until there is a tree head to publish.
    package init(_ publication: Publication?) {
        current = Mutex(publication)
    }

    /// What is published now.
    package var publication: Publication? { current.withLock { $0 } }

    /// Publishes. Only for a tree head that is on disk.
    package func publish(_ publication: Publication) {
        current.withLock { $0 = publication }
    }
}
