// SPDX-License-Identifier: BSD-2-Clause

// How many leaves count as logged, for all threads that answer add-leaf.

package import MerkleLog
internal import Synchronization

/// The leaves that are durable here and on the required secondaries. One thread moves it, any reads
/// it.
package final class ReplicatedSize: Sendable {
    private let size: Atomic<UInt64>

    /// Begins with `size`; nil: there are no secondaries, and every committed leaf counts.
    package init(_ size: TreeSize?) {
        self.size = Atomic(size?.value ?? .max)
    }

    /// The number of leaves; nil when it is all that are committed.
    package var current: TreeSize? { TreeSize(size.load(ordering: .acquiring)) }

    /// Whether the committed leaf at `index` counts.
    package func covers(_ index: LeafIndex) -> Bool {
        index.value < size.load(ordering: .acquiring)
    }

    /// More leaves count. It never goes back: somebody may have been told.
    package func advance(to newSize: TreeSize) {
        guard let current else { return }
        precondition(newSize >= current, "replicated leaves stay so")
        size.store(newSize.value, ordering: .releasing)
    }
}
