// SPDX-License-Identifier: BSD-2-Clause
//
// Files for tests: those of the repository, and temporary ones.

import Foundation
import SystemPackage

enum FileText {
    /// The repository's top folder.
    static let repository = FilePath(#filePath)
        .removingLastComponent().removingLastComponent().removingLastComponent()

    static func exists(_ path: FilePath) -> Bool {
        FileManager.default.fileExists(atPath: path.string)
    }

    static func read(_ path: FilePath) throws -> String {
        try String(contentsOfFile: path.string, encoding: .utf8)
    }
}

/// A folder that is gone when the value is.
final class TemporaryFolder {
    let path: FilePath

    init() throws {
        let url = FileManager.default.temporaryDirectory
            .appendingPathComponent("sigsum-test-" + UUID().uuidString)
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: false)
        path = FilePath(url.path)
    }

    deinit {
        try? FileManager.default.removeItem(atPath: path.string)
    }

    /// Writes a file and returns its path.
    func write(_ text: String, to name: String) throws -> FilePath {
        let file = path.appending(name)
        try Data(text.utf8).write(to: URL(fileURLWithPath: file.string))
        return file
    }
}
