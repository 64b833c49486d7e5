// SPDX-License-Identifier: BSD-2-Clause
//
// A running primary, put together in the order that keeps a failed start harmless: first what may be
// refused without a trace (key file, ports), then the store, then threads, then READY.
//
//     main thread      control reactor: signals, publishing, the internal endpoint
//     front-N          one reactor each: public connections
//     verify-N         leaf signatures
//     writer           the store's write transaction
//     signer           reading back, signing, the sth file

import CLinux
import Glibc
import HTTPWire
import LogService
import Logging
import MerkleLog
import Reactor
import SigsumFormats
import Synchronization
import SystemPackage
import TileStore
import Transport

/// Runs the primary until it is told to stop.
func runPrimary(_ configuration: PrimaryConfiguration) throws {
    SignalSource.claimSignals()
    let signer = try KeyLoading.signer(configuration.server)
    let listeners = try PrimaryListeners(configuration.server)
    _ = try startLogging(configuration.server)
    let logger = Logger(label: "primary")
    let start: PrimaryStart
    start = try PrimaryStart(
        backend: configuration.storeBackend,
        signedTreeHeadPath: configuration.signedTreeHeadFile.string, signer: signer,
        release: Version.line)
    logger.info("\(Version.line), log key hash \(signer.publicKey.keyHash)")
    logger.info("\(start.store.folder): last signed a tree of \(start.lastSigned.treeHead.size) leaves")
    logger.info("no secondaries are configured: a leaf is logged when it is durable here")
    let node = try PrimaryNode(configuration, start: start, signer: signer)
    try node.run(listeners)
    logger.info("stopped")
}
