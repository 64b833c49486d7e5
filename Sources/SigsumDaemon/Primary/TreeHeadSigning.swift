// SPDX-License-Identifier: BSD-2-Clause
//
// The thread that signs tree heads: it reads leaves back, waits for the signer, which may be a slow
// agent, and for the device.

import MerkleLog
import Reactor
import SigsumFormats
import TileStore

/// The keeper of the last signed tree head; an actor on a thread of its own.
actor TreeHeadSigning {
    nonisolated let executor: ThreadExecutor
    nonisolated var unownedExecutor: UnownedSerialExecutor {
        // The actor keeps its executor alive.
        unsafe executor.asUnownedSerialExecutor()
    }

    private let keeper: TreeHeadKeeper
    private let reader: StoreReader

    /// Goes on where `start` ended, signing with `signer` on `executor`.
    init(
        _ start: PrimaryStart, signer: any TreeHeadSigner, executor: ThreadExecutor
    ) throws(StoreError) {
        self.executor = executor
        keeper = try TreeHeadKeeper(
            last: start.lastSigned, files: start.files, signer: signer, store: start.store)
        reader = try StoreReader(start.store)
    }

    /// The tree of the first `sizeMax` leaves of `committed`; all of it without a limit.
    func beginning(
        of committed: TreeSnapshot, atMost sizeMax: TreeSize?
    ) throws(TreeHeadError) -> TreeSnapshot {
        guard let sizeMax, sizeMax < committed.treeHead.size else { return committed }
        do throws(StoreError) { return try reader.snapshot(of: sizeMax) } catch {
            throw .store(error)
        }
    }

    /// See ``TreeHeadKeeper/sign(_:)``.
    func sign(_ treeHead: TreeHead) throws(TreeHeadError) -> SignedTreeHead {
        try keeper.sign(treeHead)
    }
}
