// SPDX-License-Identifier: BSD-2-Clause

// The two small files beside the store: the last signed tree head, and the order that mktree leaves
// for the primary's next start. The formats are log-go's.

package import SigsumFormats

/// What the primary's next start is ordered to begin with; the contents of `<sth-file>.startup`.
package enum StartupMode: String, Hashable, Sendable, CaseIterable {
    /// A new log: the empty tree.
    case empty
    /// The tree that the store holds.
    case localTree = "local-tree"

    /// `startup=empty` or `startup=local-tree`, and a line feed.
    package var fileContents: [UInt8] { Array("startup=\(rawValue)\n".utf8) }

    /// Reads the file's contents: white space around the line is ignored.
    package init(parsing contents: Span<UInt8>) throws(FormatError) {
        let text = String(decoding: contents.indices.map { contents[$0] }, as: UTF8.self)
        let blanks: Set<Character> = [" ", "\t", "\n", "\r", "\r\n"]
        let line = text.drop { blanks.contains($0) }.reversed().drop { blanks.contains($0) }
        let words = String(line.reversed()).split(
            separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        guard words.count == 2, words[0] == "startup", let mode = Self(rawValue: String(words[1]))
        else {
            throw FormatError(expected: "startup=empty or startup=local-tree", found: contents)
        }
        self = mode
    }
}

/// The sth file and its startup file, locked for as long as this object lives.
package final class StateFiles: Sendable {
    /// The path of the sth file.
    package let signedTreeHeadPath: String
    private let lock: FileLock

    /// The path of the startup file.
    package var startupPath: String { Self.startupPath(besides: signedTreeHeadPath) }

    /// The path of the startup file of the sth file at `path`.
    package static func startupPath(besides path: String) -> String { "\(path).startup" }

    /// Takes the lock `<sth-file>.lock`; refuses when another process has it.
    package init(signedTreeHeadPath path: String) throws(StoreError) {
        lock = try FileLock(path: "\(path).lock", of: "the sth file \(path)")
        signedTreeHeadPath = path
    }

    /// The tree head in the sth file; nil where there is no file. One that is no tree head is an
    /// error that names the file.
    package func readSignedTreeHead() throws(StoreError) -> SignedTreeHead? {
        try Self.readSignedTreeHead(signedTreeHeadPath)
    }

    /// The same for a file that is not locked.
    package static func readSignedTreeHead(
        _ path: String
    ) throws(StoreError) -> SignedTreeHead? {
        guard let contents = try DurableFile.read(path) else { return nil }
        do { return try SignedTreeHead(parsing: contents.span) } catch {
            throw .refused("the sth file \(path): \(error)")
        }
    }

    /// Replaces the sth file; durable when it returns.
    package func write(_ signedTreeHead: SignedTreeHead) throws(StoreError) {
        try DurableFile.write(signedTreeHead.encode(), to: signedTreeHeadPath)
    }

    /// The order in the startup file; nil where there is none.
    package func readStartup() throws(StoreError) -> StartupMode? {
        guard let contents = try DurableFile.read(startupPath) else { return nil }
        do { return try StartupMode(parsing: contents.span) } catch {
            throw .refused("the startup file \(startupPath): \(error)")
        }
    }

    /// Whether the sth file at `path` or its startup file is there.
    package static func exist(at path: String) throws(StoreError) -> Bool {
        if try FileSystem.exists(path) { return true }
        return try FileSystem.exists(startupPath(besides: path))
    }

    /// Writes the startup file; durable when it returns.
    package func write(_ startup: StartupMode) throws(StoreError) {
        try DurableFile.write(startup.fileContents, to: startupPath)
    }

    /// Removes the startup file: its order was carried out.
    package func removeStartup() throws(StoreError) {
        try DurableFile.remove(startupPath)
    }
}
