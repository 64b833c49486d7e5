// SPDX-License-Identifier: BSD-2-Clause
//
// What is wrong with the configuration, in one line that says what was expected, what came and
// where.

/// Where a value was given.
enum Origin: Sendable {
    /// A command line option.
    case option
    /// A place in the file. Its line and column are looked for only when an error names them.
    case file(ConfigurationText, TOMLPath)

    /// How a message about the key begins: `--interval` or
    /// `/etc/sigsum/config.toml:3:1: interval`.
    func subject(_ key: SettingKey) -> String {
        switch self {
        case .option: "--\(key.name)"
        case .file(let text, let path): "\(text.location(of: path)): \(key.fullName)"
        }
    }
}

/// A configuration that no program starts with.
struct ConfigurationError: Error, Sendable, Equatable, CustomStringConvertible {
    /// One line, without the program's name.
    let description: String

    init(_ description: String) {
        self.description = escapingControls(description)
    }
}

/// One value that is not what its key takes.
struct SettingMismatch: Error, Equatable {
    let expected: String
    let found: String
    var reason: String?

    /// `expected ..., found ... (...)`
    var message: String {
        "expected \(expected), found \(found)" + (reason.map { " (\($0))" } ?? "")
    }
}
