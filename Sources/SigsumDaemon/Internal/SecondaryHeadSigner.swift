// SPDX-License-Identifier: BSD-2-Clause
//
// The thread that signs a secondary's tree heads: the signer may be a slow agent. What is signed
// binds nobody: it tells the primary what is held here, and is not kept.

import Reactor
import SigsumFormats
import TileStore

/// Signs the head of the committed tree with a secondary's key; an actor on a thread of its own.
actor SecondaryHeadSigner {
    nonisolated let executor: ThreadExecutor
    nonisolated var unownedExecutor: UnownedSerialExecutor {
        // The actor keeps its executor alive.
        unsafe executor.asUnownedSerialExecutor()
    }

    private let reader: StoreReader
    private let signer: any TreeHeadSigner
    private var last: SignedTreeHead?

    /// Signs with `signer` on `executor` what is committed in `store`.
    init(
        _ store: TileStore, signer: any TreeHeadSigner, executor: ThreadExecutor
    ) throws(StoreError) {
        self.executor = executor
        self.signer = signer
        reader = try StoreReader(store)
    }

    /// Has the tree head signed that is committed when its turn comes, and hands it to `handle` on
    /// the actor's thread. From any thread.
    nonisolated func sign(
        then handle: @escaping @Sendable (Result<SignedTreeHead, TreeHeadError>) -> Void
    ) {
        // No task: the request would pass through the runtime's own threads on its way here.
        executor.post { self.assumeIsolated { handle($0.signed()) } }
    }

    /// The same head is not signed twice.
    private func signed() -> Result<SignedTreeHead, TreeHeadError> {
        let treeHead: TreeHead
        do throws(StoreError) {
            treeHead = try reader.read { view throws(StoreError) in try view.treeHead() }
        } catch {
            return .failure(.store(error))
        }
        if let last, last.treeHead == treeHead { return .success(last) }
        do throws(SigningError) {
            let signed = try TreeHeadKeeper.sign(treeHead, with: signer)
            last = signed
            return .success(signed)
        } catch {
            return .failure(.signer(error))
        }
    }
}
