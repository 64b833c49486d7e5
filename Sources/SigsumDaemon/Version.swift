// SPDX-License-Identifier: BSD-2-Clause
//
// The release that this is. NEWS begins with the same number; a test compares them.

enum Version {
    static let number = "0.1.0"

    /// What `--version` prints, and what the log and the information page call the software.
    static let line = "sigsum \(number)"
}
