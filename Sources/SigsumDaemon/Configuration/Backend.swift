// SPDX-License-Identifier: BSD-2-Clause
//
// What keeps the tree. log-go's `trillian` is answered with what replaces it.

/// Where leaves are stored.
enum Backend: String, Sendable, CaseIterable {
    /// In `store-dir`, durably.
    case lmdb
    /// In a temporary folder, gone when the program ends: for tests.
    case ephemeral
}

extension Backend: TextSettingValue {
    static let expectation = "\"lmdb\" or \"ephemeral\""

    init(parsing text: String) throws(SettingSyntaxError) {
        if text == "trillian" {
            throw SettingSyntaxError(
                "sigsum keeps the tree itself, in the folder store-dir: \"lmdb\" replaces Trillian")
        }
        guard let backend = Backend(rawValue: text) else { throw SettingSyntaxError() }
        self = backend
    }

    var description: String { rawValue }
}
