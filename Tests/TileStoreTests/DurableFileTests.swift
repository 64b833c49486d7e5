// SPDX-License-Identifier: BSD-2-Clause

// The small files beside the store.

import LogCrypto
import MerkleLog
import SigsumFormats
import TestSupport
import Testing

@testable import TileStore

@Suite struct DurableFileTests {
    @Test func writesReadsReplacesAndRemoves() throws {
        let folder = try TemporaryFolder()
        let path = "\(folder.path)/file"
        #expect(try DurableFile.read(path) == nil)
        for contents in [[], [1, 2, 3], Array(repeating: 7, count: 10_000), [4]] as [[UInt8]] {
            try DurableFile.write(contents, to: path)
            #expect(try DurableFile.read(path) == contents)
            #expect(Set(folder.files().keys) == ["file"])
        }
        try DurableFile.remove(path)
        #expect(try DurableFile.read(path) == nil)
        try DurableFile.remove(path)
    }

    @Test func aLeftoverIsReplaced() throws {
        let folder = try TemporaryFolder()
        let path = "\(folder.path)/file"
        try folder.write("the longer rest of a write that a crash cut off", to: "\(path).new")
        #expect(try DurableFile.read(path) == nil)
        try DurableFile.write([1], to: path)
        #expect(try DurableFile.read(path) == [1])
        #expect(Set(folder.files().keys) == ["file"])
    }

    @Test func saysWhatItCouldNotDo() throws {
        let folder = try TemporaryFolder()
        let missing = "\(folder.path)/none/file"
        #expect(try DurableFile.read(missing) == nil)
        let said = words { try DurableFile.write([1], to: missing) }
        #expect(said == "write \(missing).new: No such file or directory")
        #expect(
            words { try DurableFile.remove(missing) }
                == "sync the folder \(folder.path)/none: No such file or directory")
        #expect(
            words { try DurableFile.read(folder.path) } == "read \(folder.path): Is a directory")
        try DurableFile.write(Array(repeating: 0, count: 70_000), to: "\(folder.path)/large")
        #expect(words { try DurableFile.read("\(folder.path)/large") }.contains("is too large"))
    }

    @Test(arguments: [
        ("startup=empty\n", StartupMode.empty), ("startup=empty", .empty),
        ("  startup=empty \t\r\n\n", .empty), ("startup=local-tree\r\n", .localTree),
        ("\nstartup=local-tree", .localTree),
    ])
    func startupFiles(text: String, mode: StartupMode) throws {
        #expect(try StartupMode(parsing: Array(text.utf8).span) == mode)
    }

    @Test(arguments: [
        "", "startup", "startup=", "startup=Empty", "startup=saved", "startup = empty",
        "startup=empty\nstartup=empty", "startup=empty=", "\u{FEFF}startup=empty", "x",
    ])
    func startupFilesRefused(text: String) throws {
        let said = words { try StartupMode(parsing: Array(text.utf8).span) }
        #expect(said.hasPrefix("expected startup=empty or startup=local-tree, found "))
    }

    @Test(arguments: StartupMode.allCases)
    func startupFilesAreWrittenAsRead(mode: StartupMode) throws {
        #expect(try StartupMode(parsing: mode.fileContents.span) == mode)
    }

    @Test func stateFiles() throws {
        let folder = try TemporaryFolder()
        #expect(try !StateFiles.exist(at: folder.sth))
        let files = try StateFiles(signedTreeHeadPath: folder.sth)
        #expect(files.startupPath == folder.startup)
        #expect(try files.readSignedTreeHead() == nil && files.readStartup() == nil)
        try files.write(.localTree)
        #expect(try StateFiles.exist(at: folder.sth))
        #expect(try files.readStartup() == .localTree)
        let head = TestSigner.log.signed(Golden.treeHead(7))
        try files.write(head)
        try files.removeStartup()
        #expect(try files.readSignedTreeHead() == head && files.readStartup() == nil)
        #expect(folder.text(folder.sth) == String(decoding: head.encode(), as: UTF8.self))
        #expect(
            words { try StateFiles(signedTreeHeadPath: folder.sth) }.contains(
                "the sth file \(folder.sth) is in use by another process"))
    }
}
