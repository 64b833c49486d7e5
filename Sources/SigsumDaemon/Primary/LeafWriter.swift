// SPDX-License-Identifier: BSD-2-Clause
//
// The thread that owns the store's write transaction. It takes all leaves that are waiting as one
// batch, so that a slow device makes larger batches and not longer queues.

import LogService
import Logging
import MerkleLog
import Reactor
import SigsumFormats
import TileStore

/// The only one who writes to the store; an actor on a thread of its own.
actor LeafWriter {
    /// Below this many free bytes new leaves are refused: what is left is for finishing and for the
    /// sth file.
    static let freeBytesMin: UInt64 = 128 << 20
    /// How often the free space is looked at while leaves come.
    private static let spaceCheckInterval = Duration.seconds(1)

    nonisolated let executor: ThreadExecutor
    nonisolated var unownedExecutor: UnownedSerialExecutor {
        // The actor keeps its executor alive.
        unsafe executor.asUnownedSerialExecutor()
    }

    private let store: TileStore
    private let writer: StoreWriter
    private let gate: LeafGate
    private let metrics: ServerMetrics
    private let onCommit: @Sendable (TreeSize, [CommittedWaiter]) -> Void
    private var spaceCheckedAt: MonotonicInstant?

    /// A writer on `executor`, which nothing else must use.
    ///
    /// - Parameters:
    ///   - gate: knows what new leaves are charged to.
    ///   - onCommit: called on its thread after each commit with the new size, and those who wait for the
    ///     secondaries to have their leaf.
    init(
        _ store: TileStore, executor: ThreadExecutor, gate: LeafGate, metrics: ServerMetrics,
        onCommit: @escaping @Sendable (TreeSize, [CommittedWaiter]) -> Void
    ) throws(StoreError) {
        self.executor = executor
        self.store = store
        self.gate = gate
        self.metrics = metrics
        self.onCommit = onCommit
        writer = try StoreWriter(store)
        metrics.committedSize.set(writer.treeHead.size.value)
    }

    /// Has a batch taken from `intake` and committed; from any thread.
    nonisolated func commitSoon(from intake: LeafIntake) {
        // No task: a leaf would pass through the runtime's own threads on its way here.
        executor.post { self.assumeIsolated { $0.commitBatch(from: intake) } }
    }

    /// The committed tree.
    func snapshot() -> TreeSnapshot { writer.snapshot }

    /// Makes heads and witnesses durable in the store. Ends the process when that fails, before the
    /// next batch has its turn.
    func record(_ record: StoreRecord) {
        do throws(StoreError) {
            try writer.record(record)
        } catch {
            Fatal.end("\(error)")
        }
    }

    /// Looks at the free space, and opens or closes `intake` accordingly.
    func checkSpace(for intake: LeafIntake) {
        spaceCheckedAt = MonotonicInstant.now()
        do throws(StoreError) {
            let freeBytes = try store.freeByteCount()
            metrics.freeBytes.set(freeBytes)
            intake.setDiskNearlyFull(freeBytes < Self.freeBytesMin)
        } catch {
            Fatal.end("\(error)")
        }
    }

    private func commitBatch(from intake: LeafIntake) {
        let begun = MonotonicInstant.now()
        if spaceCheckedAt.map({ $0.duration(to: begun) >= Self.spaceCheckInterval }) ?? true {
            checkSpace(for: intake)
        }
        let (batch, accounts) = intake.takeBatch()
        guard !batch.isEmpty else { return }
        if metrics.freeBytes.current >= Self.freeBytesMin {
            commit(batch, accounts, from: intake, begun: begun)
        } else {
            intake.refuse(batch, .unavailable(.diskNearlyFull))
        }
        // One batch at a time: others want this thread too, to publish.
        if intake.callWriter() { commitSoon(from: intake) }
    }

    private func commit(
        _ batch: [HashedLeaf], _ accounts: [Account?], from intake: LeafIntake,
        begun: MonotonicInstant
    ) {
        let sizeBefore = writer.treeHead.size
        let (places, refusals) = append(batch, accounts)
        let size = writer.treeHead.size
        metrics.commits.record(begun.duration(to: MonotonicInstant.now()))
        metrics.committedLeaves.add(size.value - sizeBefore.value)
        metrics.committedSize.set(size.value)
        // Durable from here on; and a signing that begins after an answer asks this actor for the
        // tree.
        let waiting = intake.finish(batch, at: places) { refusals[$0] ?? .storeFailed }
        if size > sizeBefore || !waiting.isEmpty { onCommit(size, waiting) }
    }

    /// Appends a batch, and says why leaves of it were refused.
    private func append(
        _ batch: [HashedLeaf], _ accounts: [Account?]
    ) -> (places: [AppendedLeaf], refusals: [Int: AddLeafAnswer]) {
        do throws(StoreError) {
            guard let quotas = gate.quotas else { return (try writer.append(batch), [:]) }
            var ledger = quotas.ledger(for: accounts, at: UnixTime.now())
            let places = try writer.append(batch, charging: &ledger)
            gate.charged(places.count { if case .added = $0 { true } else { false } })
            return (places, ledger.refusals.mapValues(gate.refusal))
        } catch {
            // What is on the device now is for the next start to find out.
            Fatal.end("\(error)")
        }
    }
}
