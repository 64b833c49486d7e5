// SPDX-License-Identifier: BSD-2-Clause
//
// What mktree is told.

import SystemPackage

/// The configuration of `sigsum mktree`.
struct MktreeConfiguration: Sendable, Equatable {
    /// What mktree does.
    enum Mode: String, Sendable, CaseIterable {
        /// Orders the primary's next start to begin an empty tree.
        case empty
        /// Orders the primary's next start to go on with the tree in the store.
        case localTree = "local-tree"
        /// Checks that there is a signed tree head, and no order for the next start.
        case saved
        /// Checks every byte of the store.
        case audit
    }

    let mode: Mode
    /// `sth-file`; the order for the primary is beside it.
    let signedTreeHeadFile: FilePath
    let storeDirectory: FilePath
    let backend: Backend
    /// Whose signature an audit expects; nil when it is not configured.
    let keyFile: FilePath?

    init(_ settings: Settings, mode: Mode) {
        self.mode = mode
        signedTreeHeadFile = settings.signedTreeHeadFile
        storeDirectory = settings.storeDirectory
        backend = settings.backend
        keyFile = settings.keyFile
    }
}

extension MktreeConfiguration.Mode: TextSettingValue {
    static let expectation = "\"empty\", \"local-tree\", \"saved\" or \"audit\""

    init(parsing text: String) throws(SettingSyntaxError) {
        guard let mode = Self(rawValue: text) else { throw SettingSyntaxError() }
        self = mode
    }

    var description: String { rawValue }
}
