// SPDX-License-Identifier: BSD-2-Clause
//
// What both servers, primary and secondary, are told.

import SystemPackage
import TileStore

/// The part of the configuration that is the same for primary and secondary.
struct ServerConfiguration: Sendable, Equatable {
    let externalEndpoint: Endpoint
    let internalEndpoint: Endpoint
    let urlPrefix: URLPrefix
    /// How long an outgoing request may take, at least 1 ms.
    let timeout: Duration
    /// Primary: longest time between two tree heads. Secondary: between two polls. At least 1 ms.
    let interval: Duration
    let keyFile: FilePath
    /// nil: standard error.
    let logFile: FilePath?
    let logLevel: LogLevel
    let backend: Backend
    let storeDirectory: FilePath
    /// 0: one per processor core.
    let threads: Int
    /// The file that the configuration was read from; nil when there was none.
    let file: FilePath?

    init(_ settings: Settings) throws(ConfigurationError) {
        guard let keyFile = settings.keyFile else {
            throw settings.error(.keyFile, "missing; it has no default")
        }
        self.keyFile = keyFile
        externalEndpoint = settings.externalEndpoint
        internalEndpoint = settings.internalEndpoint
        urlPrefix = settings.urlPrefix
        timeout = settings.timeout.duration
        interval = settings.interval.duration
        logFile = settings.logFile
        logLevel = settings.logLevel
        backend = settings.backend
        storeDirectory = settings.storeDirectory
        threads = settings.threads
        file = settings.file
    }

    /// The backend as the store knows it.
    var storeBackend: TileStore.Backend {
        switch backend {
        case .lmdb: .lmdb(folder: storeDirectory.string)
        case .ephemeral: .ephemeral
        }
    }
}
