// SPDX-License-Identifier: BSD-2-Clause
//
// The thread that owns the write transaction of a secondary's store. It hashes the leaves that came
// from the primary and commits them as they came, in their order.

import LogCrypto
import LogService
import MerkleLog
import Reactor
import SigsumFormats
import TileStore

/// The only one who writes to a secondary's store; an actor on a thread of its own.
actor ReplicaWriter {
    /// What became of a batch.
    enum Outcome: Sendable {
        /// It is durable, and the tree has so many leaves.
        case appended(TreeSize)
        /// Nothing was written: the leaf that was to come at the first place is at the second.
        case repeated(LeafIndex, knownAt: LeafIndex)
        /// Nothing was written: the disk is nearly full.
        case noSpace(freeBytes: UInt64)
    }

    nonisolated let executor: ThreadExecutor
    nonisolated var unownedExecutor: UnownedSerialExecutor {
        // The actor keeps its executor alive.
        unsafe executor.asUnownedSerialExecutor()
    }

    private let store: TileStore
    private let writer: StoreWriter
    private let metrics: ServerMetrics
    private var hasher = TreeHasher()

    /// A writer on `executor`, which nothing else must use.
    init(
        _ store: TileStore, executor: ThreadExecutor, metrics: ServerMetrics
    ) throws(StoreError) {
        self.executor = executor
        self.store = store
        self.metrics = metrics
        writer = try StoreWriter(store)
        metrics.committedSize.set(writer.treeHead.size.value)
        metrics.freeBytes.set(try store.freeByteCount())
    }

    /// Looks at the free space, which others use as well. Ends the process when the store fails.
    func checkSpace() {
        do throws(StoreError) { try measureSpace() } catch { Fatal.end("\(error)") }
    }

    /// Commits `leaves`, which follow the first `size`. Ends the process when the store fails.
    func append(_ leaves: [Leaf], at size: TreeSize) -> Outcome {
        let begun = MonotonicInstant.now()
        precondition(size == writer.treeHead.size, "leaves that do not follow")
        do throws(StoreError) {
            let freeBytes = try measureSpace()
            guard freeBytes >= LeafWriter.freeBytesMin else {
                return .noSpace(freeBytes: freeBytes)
            }
            let batch = leaves.map { HashedLeaf($0, hasher: &hasher) }
            if case .repeated(let index, let known) = try writer.append(sequence: batch) {
                return .repeated(index, knownAt: known)
            }
        } catch {
            // What is on the device now is for the next start to find out.
            Fatal.end("\(error)")
        }
        metrics.commits.record(begun.duration(to: .now()))
        metrics.committedLeaves.add(UInt64(leaves.count))
        metrics.committedSize.set(writer.treeHead.size.value)
        return .appended(writer.treeHead.size)
    }

    @discardableResult
    private func measureSpace() throws(StoreError) -> UInt64 {
        let freeBytes = try store.freeByteCount()
        metrics.freeBytes.set(freeBytes)
        return freeBytes
    }
}
