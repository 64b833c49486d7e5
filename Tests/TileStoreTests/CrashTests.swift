// SPDX-License-Identifier: BSD-2-Clause

// The crash table: what a power cut after each step of creating a log, and of "append, sign, write
// the sth file, record, publish", leaves on disk, and that a start goes on from there. The folder
// is copied at each step, while no transaction is open.

import Foundation
import LogCrypto
import MerkleLog
import SigsumFormats
import TestSupport
import Testing

@testable import TileStore

@Suite struct CrashTests {
    /// A moment at which the power is cut.
    private struct Moment {
        let name: String
        let folder: TemporaryFolder
        /// The leaves that must be there: those that somebody was told are durable.
        let leaves: Int
        /// The size of the head that must be signed last.
        let signed: Int
        /// The size of the published tree; nil where there is none.
        let published: Int?
    }

    private func check(_ moment: Moment) throws {
        let name = moment.name
        do {
            let started = try start(in: moment.folder)
            let writer = try StoreWriter(started.store)
            #expect(writer.treeHead == Golden.treeHead(moment.leaves), "\(name)")
            #expect(started.lastSigned.treeHead == Golden.treeHead(moment.signed), "\(name)")
            #expect(
                started.published?.tree.treeHead == moment.published.map(Golden.treeHead),
                "\(name)")
            // And the log goes on: the rest is appended, signed, recorded.
            let keeper = try TreeHeadKeeper(
                last: started.lastSigned, files: started.files, signer: TestSigner.log,
                store: started.store)
            _ = try writer.append(Golden.leaves)
            let signed = try keeper.sign(writer.treeHead)
            try writer.record(
                StoreRecord(signed: signed, published: CosignedTreeHead(signed)))
            _ = try started.store.audit(heads: [("the sth file", signed.treeHead)])
        } catch {
            Issue.record("\(name): \(error)")
        }
        let again = try start(in: moment.folder)
        #expect(again.lastSigned.treeHead == Golden.treeHead(600), "\(name)")
        #expect(again.published?.tree.treeHead == Golden.treeHead(600), "\(name)")
    }

    /// Twice the round of a publication, the second past the end of a slab.
    @Test func everyStepOfARound() throws {
        let folder = try TemporaryFolder()
        try folder.write("startup=empty\n", to: folder.startup)
        var moments: [Moment] = []
        do {
            let started = try start(in: folder)
            let writer = try StoreWriter(started.store)
            let keeper = try TreeHeadKeeper(
                last: started.lastSigned, files: started.files, signer: TestSigner.log,
                store: started.store)
            var published: Int?
            var old = 0
            for size in [200, 300, 550] {
                func cut(_ name: String, leaves: Int, signed: Int) throws {
                    moments.append(
                        Moment(
                            name: "\(size): \(name)", folder: try folder.copy(), leaves: leaves,
                            signed: signed, published: published))
                }
                try cut("before the batch", leaves: old, signed: old)
                _ = try writer.append(Array(Golden.leaves[old..<size]))
                try cut("after the commit", leaves: size, signed: old)
                // The commit's pages are written, its meta page is not.
                let (before, after) = (moments[moments.count - 2].folder, try folder.copy())
                try restoreMetaPages(of: after, from: before)
                moments.append(
                    Moment(
                        name: "\(size): in the commit", folder: after, leaves: old, signed: old,
                        published: published))
                // The sth file is being written.
                let signed = TestSigner.log.signed(writer.treeHead).encode()
                for count in [0, signed.count / 2, signed.count] {
                    try folder.write(
                        String(decoding: signed.prefix(count), as: UTF8.self),
                        to: "\(folder.sth).new")
                    try cut("\(count) bytes of sth.new", leaves: size, signed: old)
                }
                let head = try keeper.sign(writer.treeHead)
                try cut("after the sth file", leaves: size, signed: size)
                try writer.record(StoreRecord(signed: head))
                try cut("after the record", leaves: size, signed: size)
                published = size
                try writer.record(
                    StoreRecord(signed: head, published: CosignedTreeHead(head)))
                try cut("after the publication", leaves: size, signed: size)
                old = size
            }
        }
        #expect(moments.count == 27)
        for moment in moments { try check(moment) }
    }

    /// From mktree's order to the first head.
    @Test func everyStepOfCreating() throws {
        let folder = try TemporaryFolder()
        try folder.write("startup=empty\n", to: folder.startup)
        var moments: [Moment] = []
        func cut(_ name: String) throws {
            moments.append(
                Moment(
                    name: name, folder: try folder.copy(), leaves: 0, signed: 0, published: nil))
        }
        try cut("the order")
        // The empty store, made elsewhere, is what stands in `building` before the rename.
        let made = try TemporaryFolder()
        _ = try TileStore.golden(0, in: made.store)
        let data = try Data(contentsOf: URL(filePath: made.data))
        try FileSystem.makeFolder(folder.store)
        try FileSystem.makeFolder("\(folder.store)/building")
        for count in [0, 4096, data.count] {
            try data.prefix(count).write(to: URL(filePath: "\(folder.store)/building/data.mdb"))
            try cut("\(count) bytes of the store")
        }
        try FileSystem.rename("\(folder.store)/building/data.mdb", to: folder.data)
        try cut("the store in place")
        let head = TestSigner.log.signed(Golden.treeHead(0))
        try folder.write("size=0", to: "\(folder.sth).new")
        try cut("half an sth.new")
        try DurableFile.write(head.encode(), to: folder.sth)
        try cut("the sth file")
        do {
            let store = try TileStore.open(folder: folder.store)
            try StoreWriter(store).record(StoreRecord(signed: head))
        }
        try cut("the record")
        try DurableFile.remove(folder.startup)
        try cut("no order any more")
        #expect(moments.count == 9)
        for moment in moments { try check(moment) }
    }
}

/// The first two pages of `folder`'s data file become those of `older`: a commit that was cut off
/// before its meta page.
func restoreMetaPages(of folder: TemporaryFolder, from older: TemporaryFolder) throws {
    let pages = try Data(contentsOf: URL(filePath: older.data)).prefix(2 * 4096)
    let rest = try Data(contentsOf: URL(filePath: folder.data)).dropFirst(2 * 4096)
    try (pages + rest).write(to: URL(filePath: folder.data))
}
