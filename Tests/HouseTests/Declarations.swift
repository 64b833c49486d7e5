// SPDX-License-Identifier: BSD-2-Clause

// Finding declarations in blanked source: by the shape of their first line and by counting braces.
// It need not understand Swift, only the Swift that the formatter leaves.

extension SourceFile {
    /// The modules imported and the indices of their lines.
    var imports: [(line: Int, module: String)] {
        code.enumerated().compactMap { index, line in
            var words = line.split(separator: " ").map(String.init)
            while let first = words.first, first.hasPrefix("@") || Self.modifiers.contains(first) {
                words.removeFirst()
            }
            guard words.count >= 2, words[0] == "import" else { return nil }
            // `import struct Module.Type` and `import Module.Submodule` name a module, too.
            let name = Self.kinds.contains(words[1]) && words.count > 2 ? words[2] : words[1]
            return (index, name.split(separator: ".").first.map(String.init) ?? name)
        }
    }

    /// The lines of each function, initialiser and the like, from its first line to its brace's
    /// end.
    var functions: [Range<Int>] {
        var functions: [Range<Int>] = []
        for (index, line) in code.enumerated() where Self.beginsFunction(line) {
            if let end = endOfBody(from: index) { functions.append(index..<end + 1) }
        }
        return functions
    }

    /// Whether the declaration that begins at this line is `package` and one that has a meaning of
    /// its own: no import, no setter's access, no conformance.
    func isPackageDeclaration(_ index: Int) -> Bool {
        var words = code[index].split(separator: " ").map(String.init)
        while let first = words.first, first.hasPrefix("@") { words.removeFirst() }
        guard words.first == "package", words.dropFirst().first != "import" else { return false }
        let declaration = words.drop { $0 == "package" || Self.modifiers.contains($0) }
            .joined(separator: " ")
        return !Self.conformances.contains { declaration.hasPrefix($0) }
    }

    /// Whether a `///` line stands above, attributes between them not counted.
    func hasDocumentation(above index: Int) -> Bool {
        var above = index - 1
        while above >= 0 {
            let line = lines[above].drop { $0 == " " }
            if line.hasPrefix("///") { return true }
            guard line.hasPrefix("@") else { return false }
            above -= 1
        }
        return false
    }

    /// The line of the brace that closes the first one opened from `start` on; nil when the
    /// declaration has no body.
    private func endOfBody(from start: Int) -> Int? {
        var depth = 0
        var parentheses = 0
        for index in start..<code.count {
            for character in code[index] {
                switch character {
                case "(": parentheses += 1
                case ")": parentheses -= 1
                case "{": depth += 1
                case "}":
                    depth -= 1
                    if depth == 0 { return index }
                    // The end of a protocol or type: this one had no body.
                    if depth < 0 { return nil }
                default: break
                }
            }
            if depth == 0, parentheses == 0, index + 1 < code.count,
                Self.beginsDeclaration(code[index + 1])
            {
                return nil
            }
        }
        return nil
    }

    private static func beginsFunction(_ line: String) -> Bool {
        let words = line.split { $0 == " " || $0 == "(" || $0 == "<" || $0 == "?" }.map(String.init)
        let declared = words.first { !modifiers.contains($0) && !$0.hasPrefix("@") }
        return declared == "func" || declared == "init" || declared == "deinit"
            || declared == "subscript"
    }

    private static func beginsDeclaration(_ line: String) -> Bool {
        let words = line.split { $0 == " " || $0 == "(" || $0 == "<" || $0 == "?" }.map(String.init)
        guard let declared = words.first(where: { !modifiers.contains($0) }) else { return false }
        return ["func", "init", "deinit", "subscript", "var", "let", "case"].contains(declared)
    }

    private static let modifiers: Set<String> = [
        "package", "internal", "private", "fileprivate", "public", "static", "final", "mutating",
        "borrowing", "consuming", "override", "required", "convenience", "nonisolated", "isolated",
        "indirect", "lazy", "weak", "unowned", "unsafe", "private(set)", "package(set)",
        "internal(set)", "fileprivate(set)", "unowned(unsafe)", "nonisolated(unsafe)",
    ]

    private static let kinds: Set<String> = [
        "struct", "class", "enum", "protocol", "func", "var", "let", "typealias",
    ]

    /// Requirements of the standard library's protocols and of ``FixedByteValue``, explained there.
    private static let conformances = [
        "func ==", "func <", "func hash(into", "init(copying bytes:", "func withSpan<",
    ]
}

/// The targets that a manifest declares, in its order.
struct PackageTargets {
    private(set) var targets: [(name: String, dependencies: Set<String>)] = []

    /// Reads `.target(name: "A", dependencies: ["B", .product(name: "C", package: "d")], ...)`.
    init(manifest: String) {
        let declarations = manifest.split(separator: "arget(\n").flatMap {
            $0.split(separator: "arget(name:").map(String.init)
        }
        for declaration in declarations.dropFirst() {
            let parts = declaration.split(separator: "\"", maxSplits: 2)
            guard parts.count > 1 else { continue }
            let name = parts[1]
            targets.append((String(name), Self.dependencies(in: declaration)))
        }
    }

    private static func dependencies(in declaration: String) -> Set<String> {
        guard let start = declaration.firstRange(of: "dependencies: [") else { return [] }
        var depth = 1
        var list = ""
        for character in declaration[start.upperBound...] {
            if character == "[" { depth += 1 }
            if character == "]" { depth -= 1 }
            if depth == 0 { break }
            list.append(character)
        }
        // Strings stand at the odd places; that of a package: is none of ours.
        let parts = list.split(separator: "\"", omittingEmptySubsequences: false)
        var names: Set<String> = []
        for place in stride(from: 1, to: parts.count, by: 2)
        where !parts[place - 1].hasSuffix("package: ") {
            names.insert(String(parts[place]))
        }
        return names
    }
}
