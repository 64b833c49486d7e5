// SPDX-License-Identifier: BSD-2-Clause

// What the store's tests share: folders that vanish, the golden leaves with their hashes, signers,
// and reading an error's words.

import Foundation
import LogCrypto
import MerkleLog
import SigsumFormats
import TestSupport

@testable import TileStore

/// A folder that is removed when the last reference goes.
final class TemporaryFolder {
    let path: String

    init() throws {
        path = try FileSystem.makeTemporaryFolder()
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    var store: String { "\(path)/store" }
    var data: String { "\(path)/store/data.mdb" }
    var sth: String { "\(path)/sth" }
    var startup: String { "\(path)/sth.startup" }

    func write(_ contents: String, to file: String) throws {
        try Data(contents.utf8).write(to: URL(filePath: file))
    }

    func text(_ file: String) -> String? {
        FileManager.default.contents(atPath: file).map { String(decoding: $0, as: UTF8.self) }
    }

    /// What a crash at this moment would leave: everything but the lock files.
    func copy() throws -> TemporaryFolder {
        let copy = try TemporaryFolder()
        for (name, contents) in files() {
            let target = URL(filePath: "\(copy.path)/\(name)")
            try FileManager.default.createDirectory(
                at: target.deletingLastPathComponent(), withIntermediateDirectories: true)
            try contents.write(to: target)
        }
        return copy
    }

    /// The contents of all files below, by relative path, but for the lock files.
    func files() -> [String: Data] {
        var files: [String: Data] = [:]
        let names = FileManager.default.enumerator(atPath: path)?.compactMap { $0 as? String } ?? []
        for name in names where !name.hasSuffix("lock") && !name.hasSuffix("lock.mdb") {
            var isFolder: ObjCBool = false
            let file = "\(path)/\(name)"
            // The out parameter is a local.
            let exists = unsafe FileManager.default.fileExists(
                atPath: file, isDirectory: &isFolder)
            guard exists, !isFolder.boolValue else { continue }
            files[name] = FileManager.default.contents(atPath: file)
        }
        return files
    }
}

/// The golden data, read once.
enum Golden {
    static let leaves: [HashedLeaf] = {
        do {
            return try Vectors.leaves().map { vector in
                let leaf = try UnverifiedLeaf(parsing: vector.body.span).verified()
                return HashedLeaf(leaf, leafHash: vector.leafHash)
            }
        } catch { fatalError("golden leaves: \(error)") }
    }()
    static let roots: [Digest] = {
        do { return try Vectors.roots() } catch { fatalError("golden roots: \(error)") }
    }()

    static func treeHead(_ size: Int) -> TreeHead {
        TreeHead(size: treeSize(size), rootHash: roots[size])
    }
}

func treeSize(_ value: some BinaryInteger) -> TreeSize {
    guard let size = TreeSize(UInt64(value)) else { fatalError("\(value) is no tree size") }
    return size
}

/// Synthetic leaves, unlike each other and the golden ones, without valid signatures.
func syntheticLeaves(_ numbers: Range<Int>, hasher: inout TreeHasher) -> [HashedLeaf] {
    numbers.map { number in
        var bytes = FixedBytes<128>()
        for position in 0..<8 {
            bytes.storage[position] = UInt8(truncatingIfNeeded: number >> (8 * position))
        }
        return HashedLeaf(Leaf(stored: bytes), hasher: &hasher)
    }
}

/// A signer whose key is at hand, and which fails or lies when told to.
struct TestSigner: TreeHeadSigner {
    enum Manner { case honest, failing, lying }

    let seed: FixedBytes<32>
    let publicKey: PublicKey
    var manner = Manner.honest

    init(_ number: UInt8) {
        var seed = FixedBytes<32>()
        seed.storage[31] = number
        self.seed = seed
        publicKey = SigningKey(seed: seed).publicKey
    }

    static let log = TestSigner(1)
    static let other = TestSigner(2)
    static let failing = log.but(.failing)
    static let lying = log.but(.lying)

    func but(_ manner: Manner) -> Self {
        var signer = self
        signer.manner = manner
        return signer
    }

    func sign(_ message: [UInt8]) throws(SigningError) -> Signature {
        switch manner {
        case .honest: SigningKey(seed: seed).sign(message.span)
        case .failing: throw SigningError("the agent is gone")
        case .lying: SigningKey(seed: seed).sign((message + [0]).span)
        }
    }

    func signed(_ treeHead: TreeHead) -> SignedTreeHead {
        SignedTreeHead(signing: treeHead, with: SigningKey(seed: seed))
    }

    var identity: StoreIdentity { StoreIdentity(role: .primary, logKeyHash: publicKey.keyHash) }
}

extension TileStore {
    /// An ephemeral primary's store of the test log.
    static func ephemeral() throws -> TileStore {
        try create(.ephemeral, identity: TestSigner.log.identity, release: "test")
    }

    /// A store of the test log in `folder`, with the first `count` golden leaves.
    static func golden(_ count: Int, in folder: String) throws -> TileStore {
        let store = try create(
            .lmdb(folder: folder), identity: TestSigner.log.identity, release: "test")
        _ = try StoreWriter(store).append(Array(Golden.leaves[..<count]))
        return store
    }

    /// The length of the data file and the length that its pages need.
    func fileByteCounts() throws -> (found: Int64, needed: Int64) {
        let descriptor = try environment.dataDescriptor
        return (
            try FileSystem.byteCount(ofFile: descriptor, folder), try environment.usedByteCount
        )
    }
}

/// The words of the error that `body` throws.
func words<Result: ~Copyable>(_ body: () throws -> Result) -> String {
    do {
        _ = try body()
        return "no error"
    } catch {
        return "\(error)"
    }
}

extension StoreReader {
    /// The bytes of a range of leaves.
    func leafBytes(_ range: Range<Int>) throws -> [UInt8] {
        try read { view throws(StoreError) in
            var bytes: [UInt8] = []
            try view.withLeaves(
                from: LeafIndex(UInt64(range.lowerBound)), to: treeSize(range.upperBound)
            ) {
                for position in $0.indices { bytes.append($0[position]) }
            }
            return bytes
        }
    }

    /// An inclusion proof in `tree`, or, without one, in the committed tree of `size`.
    func inclusionProof(
        of index: Int, in size: TreeSize, tree: TreeSnapshot?
    ) throws -> [Digest] {
        var hasher = TreeHasher()
        var path: [Digest] = []
        try read(tree: tree) { view throws(StoreError) in
            try Proof.proveInclusion(
                of: LeafIndex(UInt64(index)), in: size, from: view, hasher: &hasher
            ) { path.append($0) }
        }
        return path
    }

    /// A consistency proof likewise.
    func consistencyProof(
        from old: TreeSize, to size: TreeSize, tree: TreeSnapshot?
    ) throws -> [Digest] {
        var hasher = TreeHasher()
        var path: [Digest] = []
        try read(tree: tree) { view throws(StoreError) in
            try Proof.proveConsistency(from: old, to: size, from: view, hasher: &hasher) {
                path.append($0)
            }
        }
        return path
    }
}

/// The bytes of golden leaves.
func goldenBytes(_ range: Range<Int>) -> [UInt8] {
    range.flatMap { index in
        let bytes = Golden.leaves[index].leaf.bytes.storage
        return bytes.indices.map { bytes[$0] }
    }
}
