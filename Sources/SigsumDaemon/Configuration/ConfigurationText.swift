// SPDX-License-Identifier: BSD-2-Clause
//
// The text of a configuration file, and where in it something stands. The TOML parser reports
// positions of syntax errors only. Where a key stands is found by asking the same parser about
// beginnings of the text, which needs no second opinion about TOML's grammar.

import SystemPackage
import TOMLKit

/// The way from the top of a document to a value.
typealias TOMLPath = [TOMLPathStep]

enum TOMLPathStep: Sendable, Equatable {
    case key(String)
    /// Of an array of tables, from 0.
    case index(Int)
}

/// A file's name and what it contains.
struct ConfigurationText: Sendable {
    let file: FilePath
    let text: String

    /// `file:line:column` of a key, or of a table's header, that is in the document.
    func location(of path: TOMLPath) -> String {
        let (line, column) = position(of: path)
        return "\(file):\(line):\(column)"
    }

    /// Line and column, from 1, columns counted in Unicode scalars as the parser counts them.
    ///
    /// A statement is one or more lines: a beginning of the text that ends inside of it is no TOML.
    /// So the first beginning that has the path ends with the path's statement, and the longest one
    /// before it that is TOML ends where the statement begins.
    func position(of path: TOMLPath) -> (line: Int, column: Int) {
        let lines = text.unicodeScalars.split(separator: "\n", omittingEmptySubsequences: false)
        var firstLine = 0
        for end in lines.indices {
            // With the line's feed, as a carriage return alone is none.
            let rest = text.unicodeScalars[lines[end].endIndex...]
            let beginning = String(text.unicodeScalars[..<rest.prefix(1).endIndex])
            guard let table = try? TOMLTable(string: beginning) else { continue }
            if Self.has(path[...], table) {
                let statement = Array(lines[firstLine...end])
                let (line, column) = Self.find(path, in: statement)
                return (firstLine + line + 1, column + 1)
            }
            firstLine = end + 1
        }
        return (1, 1)
    }

    /// Line and column where a table's header has no name: `[.a]`, `[[/`. The parser (toml++ 3.4.0,
    /// parse_table_header) has an assertion there instead of an error, so it must not get to see
    /// it. Such a line in a multi-line string is refused, too; no key has a use for one.
    var namelessHeader: (line: Int, column: Int)? {
        let lines = text.unicodeScalars.split(separator: "\n", omittingEmptySubsequences: false)
        for (number, line) in lines.enumerated() {
            var rest = line.drop { $0 == " " || $0 == "\t" || $0 == "\u{FEFF}" }
            guard rest.first == "[" else { continue }
            rest = rest.dropFirst().drop { $0 == " " || $0 == "\t" }
            if rest.first == "[" { rest = rest.dropFirst().drop { $0 == " " || $0 == "\t" } }
            let isName = rest.first.map { $0.isBareKey || $0 == "\"" || $0 == "'" } ?? false
            if !isName { return (number + 1, line.count - rest.count + 1) }
        }
        return nil
    }

    private static func has(_ path: ArraySlice<TOMLPathStep>, _ value: any TOMLValueConvertible)
        -> Bool
    {
        switch path.first {
        case nil:
            return true
        case .key(let key):
            guard let next = value.table?[key] else { return false }
            return has(path.dropFirst(), next)
        case .index(let index):
            guard let array = value.array, index < array.count else { return false }
            return has(path.dropFirst(), array[index])
        }
    }

    /// Line and column, from 0, of the path's last key in its statement; of the statement itself
    /// when the key is spelled in a way of its own, with escapes.
    private static func find(
        _ path: TOMLPath, in statement: [Substring.UnicodeScalarView]
    ) -> (line: Int, column: Int) {
        var name: String?
        for case .key(let key) in path { name = key }
        for (line, scalars) in statement.enumerated() {
            if let column = name.flatMap({ column(of: Array($0.unicodeScalars), in: scalars) }) {
                return (line, column)
            }
        }
        let indent = statement.first?.prefix { $0 == " " || $0 == "\t" }
        return (0, indent?.count ?? 0)
    }

    /// The first occurrence that is not part of a longer bare key.
    private static func column(
        of name: [Unicode.Scalar], in line: Substring.UnicodeScalarView
    ) -> Int? {
        let line = Array(line)
        guard !name.isEmpty, line.count >= name.count else { return nil }
        return (0...line.count - name.count).first { start in
            let end = start + name.count
            return line[start..<end].elementsEqual(name)
                && (start == 0 || !line[start - 1].isBareKey)
                && (end == line.count || !line[end].isBareKey)
        }
    }
}

extension Unicode.Scalar {
    /// TOML: what a key without quotes is made of.
    fileprivate var isBareKey: Bool {
        switch self {
        case "a"..."z", "A"..."Z", "0"..."9", "-", "_": true
        default: false
        }
    }
}
