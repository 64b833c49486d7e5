// SPDX-License-Identifier: BSD-2-Clause

// The repository's Swift files as text, and as text without comments and string literals, in which
// braces and keywords mean what they say.

import Foundation

/// A Swift file of the repository.
struct SourceFile: Sendable, CustomStringConvertible {
    /// The path below the repository's folder: `Sources/HTTPWire/ASCII.swift`.
    let path: String
    let lines: [String]
    /// The same lines with every comment and every string literal blanked out.
    let code: [String]

    init(path: String, text: String) {
        self.path = path
        lines = Self.lines(of: text)
        code = Self.lines(of: SourceBlanker.blanked(text))
    }

    /// The second and first parts of the path: the target that this is a file of.
    var target: String {
        let parts = path.split(separator: "/")
        return parts.count > 2 ? String(parts[1]) : path
    }

    /// The name of its last part.
    var name: String { path.split(separator: "/").last.map(String.init) ?? path }

    var description: String { path }

    /// `path:line`, from an index into `lines`.
    func place(_ index: Int) -> String { "\(path):\(index + 1)" }

    private static func lines(of text: String) -> [String] {
        var lines = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        if lines.last == "" { lines.removeLast() }
        return lines
    }
}

/// The repository's files.
enum Repository {
    /// Where this file is, three folders up.
    static let folder = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    /// The Swift files below `folders`, in the order of their paths.
    static func swiftFiles(below folders: String...) throws -> [SourceFile] {
        try paths(below: folders).filter { $0.hasSuffix(".swift") }.map { path in
            SourceFile(path: path, text: try text(path))
        }
    }

    /// The paths of all files below `folders`; a folder that is absent has none.
    static func paths(below folders: [String]) -> [String] {
        folders.flatMap { name in
            let found = FileManager.default.enumerator(atPath: folder.appending(path: name).path)
            return (found?.compactMap { $0 as? String } ?? []).map { "\(name)/\($0)" }
        }.sorted()
    }

    static func text(_ path: String) throws -> String {
        try String(contentsOf: folder.appending(path: path), encoding: .utf8)
    }
}

/// Replaces what is in comments and string literals by blanks; line breaks stay.
enum SourceBlanker {
    private enum State {
        case code
        case lineComment
        case string(quotes: Int, hashes: Int)
    }

    static func blanked(_ text: String) -> String {
        let source = Array(text.utf8)
        var output: [UInt8] = []
        output.reserveCapacity(source.count)
        var state = State.code
        // Where code inside \( ) of a literal began: the literal, and the parentheses open since.
        var interpolations: [(quotes: Int, hashes: Int, depth: Int)] = []
        var position = 0

        func count(of byte: Character, at start: Int) -> Int {
            var end = start
            while end < source.count, source[end] == byte.asciiValue { end += 1 }
            return end - start
        }
        func skip(_ count: Int) {
            for offset in 0..<count where position + offset < source.count {
                output.append(source[position + offset] == 0x0A ? 0x0A : 0x20)
            }
            position += count
        }

        while position < source.count {
            let byte = source[position]
            switch state {
            case .code:
                let hashes = count(of: "#", at: position)
                if count(of: "/", at: position) >= 2 {
                    state = .lineComment
                } else if position + hashes < source.count, source[position + hashes] == 0x22 {
                    let quotes = count(of: "\"", at: position + hashes)
                    state = .string(quotes: quotes >= 3 ? 3 : 1, hashes: hashes)
                    skip(hashes + (quotes >= 3 ? 3 : 1))
                } else {
                    if let last = interpolations.last {
                        if byte == 0x28 { interpolations[interpolations.count - 1].depth += 1 }
                        if byte == 0x29, last.depth == 0 {
                            interpolations.removeLast()
                            state = .string(quotes: last.quotes, hashes: last.hashes)
                            skip(1)
                            continue
                        }
                        if byte == 0x29 { interpolations[interpolations.count - 1].depth -= 1 }
                    }
                    output.append(byte)
                    position += 1
                }
            case .lineComment:
                if byte == 0x0A { state = .code }
                skip(1)
            case .string(let quotes, let hashes):
                if byte == 0x5C, count(of: "#", at: position + 1) >= hashes {
                    let next = position + 1 + hashes
                    if next < source.count, source[next] == 0x28 {
                        interpolations.append((quotes, hashes, 0))
                        state = .code
                    }
                    skip(2 + hashes)
                } else if count(of: "\"", at: position) >= quotes,
                    count(of: "#", at: position + quotes) >= hashes
                {
                    state = .code
                    skip(quotes + hashes)
                } else {
                    if byte == 0x0A, quotes == 1 { state = .code }
                    skip(1)
                }
            }
        }
        return String(decoding: output, as: UTF8.self)
    }
}
