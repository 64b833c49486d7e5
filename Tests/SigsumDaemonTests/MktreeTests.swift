// SPDX-License-Identifier: BSD-2-Clause
//
// What mktree says of a store, and when it refuses to order a start with it.

import Foundation
import LogCrypto
import SigsumFormats
import SystemPackage
import Testing
import TileStore

@testable import SigsumDaemon

struct MktreeTests {
    /// A folder with a store of `count` leaves that are unlike each other.
    private struct Machine {
        let folder: TemporaryFolder
        let rootHash: Digest

        init(_ role: StoreIdentity.Role, leaves count: Int) throws {
            folder = try TemporaryFolder()
            let keyHash = role == .primary ? KeyHash(copying: Self.leaf(0).bytes.storage.span) : nil
            let store = try TileStore.create(
                .lmdb(folder: folder.path.appending("store").string),
                identity: StoreIdentity(role: role, logKeyHash: keyHash), release: "test")
            let writer = try StoreWriter(store)
            let leaves = (0..<count).map { number in
                let leaf = Self.leaf(number)
                let hashed = [0] + leaf.bytes.storage.indices.map { leaf.bytes.storage[$0] }
                return HashedLeaf(leaf, leafHash: Digest(sha256: hashed.span))
            }
            #expect(try writer.append(sequence: leaves) == .appended)
            rootHash = writer.treeHead.rootHash
        }

        static func leaf(_ number: Int) -> Leaf {
            var bytes = FixedBytes<128>()
            bytes.storage[0] = 0x5A
            for position in 0..<4 {
                bytes.storage[64 + position] = UInt8(truncatingIfNeeded: number >> (8 * position))
            }
            return Leaf(stored: bytes)
        }

        var store: FilePath { folder.path.appending("store") }
        var startup: FilePath { folder.path.appending("sth.startup") }

        func mktree(_ mode: MktreeConfiguration.Mode) throws -> [String] {
            var settings = Settings()
            settings.signedTreeHeadFile = folder.path.appending("sth")
            settings.storeDirectory = store
            return try Mktree(MktreeConfiguration(settings, mode: mode)).run()
        }

        /// The words with which `mode` is refused, after which nothing was ordered.
        func refusal(_ mode: MktreeConfiguration.Mode) -> String {
            do {
                return "no refusal, but \(try mktree(mode))"
            } catch {
                #expect(!FileText.exists(startup))
                return "\(error)"
            }
        }

        /// Changes each copy of leaf `number` in the store's file.
        func damage(leaf number: Int) throws {
            let url = URL(fileURLWithPath: store.appending("data.mdb").string)
            var contents = try Data(contentsOf: url)
            let bytes = Self.leaf(number).bytes.storage
            let leaf = Data(bytes.indices.map { bytes[$0] })
            var found = 0
            while let range = contents.range(of: leaf) {
                contents[range.lowerBound + 1] ^= 1
                found += 1
            }
            #expect(found > 0)
            try contents.write(to: url)
        }
    }

    @Test("A local tree is named", arguments: [StoreIdentity.Role.primary, .secondary])
    func localTree(role: StoreIdentity.Role) throws {
        let machine = try Machine(role, leaves: 300)
        #expect(
            try machine.mktree(.localTree) == [
                "\(machine.startup): local-tree, 300 leaves in \(machine.store), root hash "
                    + "\(machine.rootHash); the primary's next start carries it out"
            ])
        #expect(try FileText.read(machine.startup) == "startup=local-tree\n")
    }

    @Test("A damaged leaf", arguments: [(StoreIdentity.Role.primary, 0), (.secondary, 299)])
    func damagedLeaf(role: StoreIdentity.Role, leaf: Int) throws {
        let machine = try Machine(role, leaves: 300)
        try machine.damage(leaf: leaf)
        let said = machine.refusal(.localTree)
        #expect(said.hasPrefix("the store is damaged: the index does not lead from leaf hash "))
        #expect(said.hasSuffix("to leaf \(leaf)"))
    }

    @Test("A copy that has nothing yet")
    func emptyCopy() throws {
        let machine = try Machine(.secondary, leaves: 0)
        #expect(machine.refusal(.localTree).contains("has no leaves: check store-dir"))
        #expect(machine.refusal(.empty).contains("is a secondary's: for a new log give another"))
    }

    @Test("A new log beside a tree", arguments: [StoreIdentity.Role.primary, .secondary])
    func newLog(role: StoreIdentity.Role) throws {
        let machine = try Machine(role, leaves: 1)
        #expect(machine.refusal(.empty).contains("has 1 leaves: --mode=local-tree goes on with"))
    }

    @Test("A primary's empty store", arguments: [MktreeConfiguration.Mode.empty, .localTree])
    func emptyStore(mode: MktreeConfiguration.Mode) throws {
        let machine = try Machine(.primary, leaves: 0)
        #expect(try machine.mktree(mode).count == 1)
        #expect(try FileText.read(machine.startup) == "startup=\(mode)\n")
    }

    /// A copy that goes on growing is not the one that was looked at.
    @Test("A secondary that is running")
    func runningSecondary() throws {
        let machine = try Machine(.secondary, leaves: 3)
        let running = try SecondaryStart(
            backend: .lmdb(folder: machine.store.string), release: "test")
        #expect(machine.refusal(.localTree).contains("is in use by another process"))
        withExtendedLifetime(running) {}
    }
}
