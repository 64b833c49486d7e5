// SPDX-License-Identifier: BSD-2-Clause

// The reader of sources that the other checks stand on, on small sources.

import Testing

@Suite struct SourceBlankerTests {
    @Test(arguments: [
        ("let a = 1 // {", "let a = 1     "),
        ("a / b", "a / b"),
        ("f(\"{\") {", "f(   ) {"),
        ("\"\\\"{\" }", "      }"),
        ("\"a\\(b(c) + \"{\")d\" }", "    b(c) +        }"),
        ("#\"\\(\"# }", "       }"),
        ("#if A", "#if A"),
        ("\"// no comment\" }", "                }"),
        ("\"\"\"\n{ \" }\n\"\"\" }", "   \n     \n    }"),
    ])
    func blanks(source: String, code: String) {
        #expect(SourceBlanker.blanked(source) == code)
    }

    static let sample = """
        // SPDX
        package import Foundation
        @testable import struct A.B
        struct S {
            /// Explained.
            @inlinable
            package func explained(
                _ x: Int
            ) -> Int {
                if x { "}" }
                return x
            }

            package static var bare: Int { 1 }
            package static func == (left: S, right: S) -> Bool { true }
            private init() {}
        }
        protocol P {
            func required()
            init(_ other: Int)
        }
        """

    @Test func declarations() {
        let file = SourceFile(path: "Sources/T/S.swift", text: Self.sample)
        #expect(file.target == "T" && file.name == "S.swift")
        #expect(file.imports.map(\.module) == ["Foundation", "A"])
        #expect(file.functions == [6..<12, 14..<15, 15..<16])
        let packages = file.code.indices.filter { file.isPackageDeclaration($0) }
        #expect(packages == [6, 13])
        #expect(packages.map { file.hasDocumentation(above: $0) } == [true, false])
    }

    @Test func manifests() {
        let manifest = """
            .systemLibrary(name: "C"),
            .target(name: "A", dependencies: ["C"], swiftSettings: settings),
            .target(
                name: "B",
                dependencies: [
                    "A", .product(name: "P", package: "p"),
                ], swiftSettings: settings),
            .executableTarget(name: "D", swiftSettings: settings),
            """
        let targets = PackageTargets(manifest: manifest).targets
        #expect(targets.map(\.name) == ["A", "B", "D"])
        #expect(targets.map(\.dependencies) == [["C"], ["A", "P"], []])
    }
}
