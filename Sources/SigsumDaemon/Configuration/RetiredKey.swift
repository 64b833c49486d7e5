// SPDX-License-Identifier: BSD-2-Clause
//
// Keys and options of log-go that have no meaning here. They are refused like unknown ones, but by
// saying what replaces them.

/// A key that log-go has, or had, and sigsum has not.
struct RetiredKey: Sendable {
    let name: String
    /// What to do instead.
    let advice: String

    static let trillianServer = RetiredKey(
        name: "trillian-rpc-server",
        advice: "sigsum needs no Trillian server: remove this; store-dir replaces it")

    static let trillianTreeIDFile = RetiredKey(
        name: "trillian-tree-id-file",
        advice: "sigsum needs no tree id: remove this; store-dir replaces it")

    /// The key of that name, if it is retired. All of Trillian's are, also those of old releases.
    static func named(_ name: String) -> RetiredKey? {
        switch name {
        case trillianServer.name: trillianServer
        case trillianTreeIDFile.name: trillianTreeIDFile
        case "tree-id": RetiredKey(name: name, advice: trillianTreeIDFile.advice)
        default:
            name.hasPrefix("trillian-")
                ? RetiredKey(name: name, advice: trillianServer.advice) : nil
        }
    }
}
