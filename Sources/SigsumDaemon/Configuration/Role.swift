// SPDX-License-Identifier: BSD-2-Clause
//
// The three programs that one executable is.

/// What the process does, chosen by the first argument or by the program's name.
enum Role: String, Sendable, CaseIterable {
    case primary
    case secondary
    case mktree

    /// The name of log-go's program, under which this executable does the same.
    var programName: String {
        switch self {
        case .primary: "sigsum-log-primary"
        case .secondary: "sigsum-log-secondary"
        case .mktree: "sigsum-mktree"
        }
    }
}
