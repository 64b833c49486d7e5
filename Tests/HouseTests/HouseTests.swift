// SPDX-License-Identifier: BSD-2-Clause

// What a formatter cannot see: that the sources are the house that docs/architecture.md describes,
// and are written as we write. Each check collects all violations and names their places.

import Foundation
import Testing

@Suite struct HouseTests {
    /// Read once for all checks.
    private static let files = Result {
        (
            sources: try Repository.swiftFiles(below: "Sources"),
            others: try Repository.swiftFiles(below: "Tests", "Benchmarks", "Fuzz")
        )
    }

    let sources: [SourceFile]
    let all: [SourceFile]

    init() throws {
        let files = try Self.files.get()
        try #require(!files.sources.isEmpty && !files.others.isEmpty)
        sources = files.sources
        all = files.sources + files.others
    }

    /// One issue that lists every place, so that a reader gets them all at once.
    private func expectNone(
        _ violations: [String], _ what: String, sourceLocation: SourceLocation = #_sourceLocation
    ) {
        let list = violations.joined(separator: "\n  ")
        #expect(violations.isEmpty, "\(what):\n  \(list)", sourceLocation: sourceLocation)
    }

    // MARK: The table of targets

    /// What each target may import beyond Swift itself, lowest first: an import only points up.
    static let imports: [(target: String, may: Set<String>)] = [
        ("LogCrypto", ["COpenSSL"]),
        ("MerkleLog", ["LogCrypto"]),
        ("SigsumFormats", ["LogCrypto", "MerkleLog"]),
        (
            "TileStore",
            [
                "CLinux", "CLMDB", "LogCrypto", "MerkleLog", "SigsumFormats", "SystemPackage",
                "Glibc",
            ]
        ),
        ("HTTPWire", []),
        ("Reactor", ["CLinux", "HeapModule", "SystemPackage", "Glibc"]),
        (
            "Transport",
            [
                "CLinux", "COpenSSL", "CResolver", "Reactor", "HTTPWire", "SystemPackage", "Glibc",
            ]
        ),
        (
            "LogService",
            ["LogCrypto", "MerkleLog", "SigsumFormats", "TileStore", "HTTPWire", "DequeModule"]
        ),
        (
            "SigsumDaemon",
            [
                "CLinux", "LogCrypto", "MerkleLog", "SigsumFormats", "TileStore", "HTTPWire",
                "Reactor", "Transport", "LogService", "ArgumentParser", "Logging", "SystemPackage",
                "TOMLKit", "Glibc", "Foundation",
            ]
        ),
        ("sigsum", ["SigsumDaemon", "Glibc"]),
    ]

    /// Files of SigsumDaemon that need Foundation; none does so far.
    static let filesWithFoundation: Set<String> = []

    /// The only files that name a C library's symbols: one for each of its concepts.
    static let filesOfModule: [String: Set<String>] = [
        "CLMDB": ["Sources/TileStore/LMDB.swift"],
        "COpenSSL": [
            "Sources/LogCrypto/Base64.swift", "Sources/LogCrypto/SignatureVerifier.swift",
            "Sources/LogCrypto/SHA256.swift", "Sources/LogCrypto/SigningKey.swift",
            "Sources/Transport/Client/TLSClientContext.swift",
            "Sources/Transport/Client/TLSSession.swift",
        ],
        "CResolver": [
            "Sources/Transport/Names/TXTQuery.swift", "Sources/Transport/Names/TXTResponse.swift",
        ],
    ]

    @Test func everyTargetImportsOnlyWhatIsBelowIt() {
        let table = Dictionary(uniqueKeysWithValues: Self.imports.map { ($0.target, $0.may) })
        var violations: [String] = []
        for file in sources {
            guard let may = table[file.target] else {
                violations.append("\(file): \(file.target) is not in the table")
                continue
            }
            for (line, module) in file.imports
            where module != "Synchronization" && !may.contains(module) {
                violations.append("\(file.place(line)): \(file.target) imports \(module)")
            }
        }
        expectNone(violations, "imports that the table does not have")
        // The table itself only points up.
        for (place, row) in Self.imports.enumerated() {
            let below = Set(Self.imports[..<place].map(\.target))
            let ours = row.may.intersection(Self.imports.map(\.target))
            #expect(ours.isSubset(of: below), "\(row.target)")
        }
    }

    /// Package.swift lists the targets in the table's order and gives each exactly those.
    @Test func thePackageRealisesTheTable() throws {
        let manifest = try Repository.text("Package.swift")
        let declared = PackageTargets(manifest: manifest)
        let names = declared.targets.map(\.name).filter { name in
            Self.imports.contains { $0.target == name }
        }
        #expect(names == Self.imports.map(\.target))
        for (target, may) in Self.imports {
            let dependencies = declared.targets.first { $0.name == target }?.dependencies
            #expect(dependencies == may.subtracting(["Glibc", "Foundation"]), "\(target)")
        }
    }

    @Test func foundationOnlyWhereDeclared() {
        let violations = sources.flatMap { file in
            file.imports.filter { $0.module.hasPrefix("Foundation") }
                .filter { _ in !Self.filesWithFoundation.contains(file.path) }
                .map { file.place($0.line) }
        }
        expectNone(violations, "Foundation")
    }

    @Test(arguments: ["CLMDB", "COpenSSL", "CResolver"])
    func oneFileForEachConceptOfC(module: String) throws {
        let importing = sources.filter { file in
            file.imports.contains { $0.module == module }
        }
        #expect(Set(importing.map(\.path)) == Self.filesOfModule[module])
    }

    // MARK: Files

    @Test func filesBeginWithTheirLicenseAndPurpose() {
        let violations = all.filter { file in
            guard file.lines.first == "// SPDX-License-Identifier: BSD-2-Clause" else {
                return true
            }
            let paragraph = file.lines.dropFirst().drop { $0 == "" || $0 == "//" }
            return paragraph.first?.hasPrefix("// ") != true
        }
        expectNone(violations.map(\.path), "no SPDX line and paragraph")
    }

    @Test func filesAreShort() {
        let violations = all.filter { $0.lines.count > 500 }
        expectNone(violations.map { "\($0) (\($0.lines.count))" }, "more than 500 lines")
    }

    @Test func functionsAreShort() {
        let violations = sources.flatMap { file in
            file.functions.filter { $0.count > 70 }
                .map { "\(file.place($0.lowerBound)) (\($0.count) lines)" }
        }
        expectNone(violations, "functions of more than 70 lines")
    }

    @Test func nothingIsLeftForLater() throws {
        let words = ["TODO", "FIXME"]
        let selfPath = "Tests/HouseTests/HouseTests.swift"
        var violations: [String] = []
        for file in all where file.path != selfPath {
            for (index, line) in file.lines.enumerated() where words.contains(where: line.contains)
            {
                violations.append(file.place(index))
            }
        }
        expectNone(violations, "TODO and the like")
        expectNone(
            all.filter { $0.name.contains("Placeholder") }.map(\.path), "forgotten placeholders")
    }

    @Test func noTrailingBlanks() throws {
        let extensions = ["swift", "h", "modulemap", "md", "toml", "service", "sh", "txt", "json"]
        let paths =
            Repository.paths(below: ["Sources", "Tests", "docs", "config-examples", "scripts"])
            + ["Package.swift", ".swift-format"]
        var violations: [String] = []
        for path in paths where extensions.contains(where: { path.hasSuffix(".\($0)") }) {
            let text = try Repository.text(path)
            let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
            for (index, line) in lines.enumerated() {
                let last = line.unicodeScalars.last
                if last == " " || last == "\t" || last == "\r" {
                    violations.append("\(path):\(index + 1)")
                }
            }
            if path.hasSuffix(".swift"), !text.hasSuffix("\n") || text.hasSuffix("\n\n") {
                violations.append("\(path): its last line")
            }
        }
        expectNone(violations, "trailing blanks")
    }

    // MARK: Declarations

    /// What a call from outside the target sees is explained there. A type's conformance to a
    /// protocol is explained at the protocol.
    @Test func packageDeclarationsAreExplained() {
        var violations: [String] = []
        for file in sources {
            for (index, line) in file.code.enumerated() where file.isPackageDeclaration(index) {
                guard !file.hasDocumentation(above: index) else { continue }
                violations.append("\(file.place(index)): \(line.drop { $0 == " " })")
            }
        }
        expectNone(violations, "package declarations without a doc comment")
    }

    @Test func nothingIsPublicOrForced() {
        var violations: [String] = []
        for file in sources {
            for (index, line) in file.code.enumerated() {
                let words = line.split { !$0.isLetter && !$0.isNumber && $0 != "!" && $0 != "_" }
                let isForced = words.contains("try!") || words.contains("as!")
                if words.contains("public") || words.contains("open") && line.contains("open class")
                    || isForced
                {
                    violations.append(file.place(index))
                }
            }
        }
        expectNone(violations, "public, try! or as!")
    }
}
