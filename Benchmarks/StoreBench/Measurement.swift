// SPDX-License-Identifier: BSD-2-Clause

// What a store is measured by once it is built. All in one thread, with a warm page cache.

internal import Glibc
internal import LogCrypto
internal import MerkleLog
internal import SigsumFormats
internal import TileStore

/// Measures the store in a folder.
struct Measurement {
    let folder: String

    func run() throws {
        let clock = ContinuousClock()
        let start = clock.now
        let store = try TileStore.open(folder: folder)
        let opened = clock.now
        let snapshot = try StoreWriter(store).snapshot
        let ready = clock.now
        print("opening: \(opened - start), and the writer: \(ready - opened)")
        let reader = try StoreReader(store)
        let size = snapshot.treeHead.size
        guard size.value > 1 else { return print("nothing to read") }
        printBytes(leafCount: size.value)
        try lookUp(reader, size: size)
        try prove(reader, snapshot)
        try readLeaves(reader, size: size)
        try report("leaves audited", count: Int(size.value)) { _ = try store.audit() }
    }

    private func printBytes(leafCount: UInt64) {
        var status = stat()
        // The out parameter is a local, and the path NUL-terminated for the call.
        guard unsafe stat("\(folder)/data.mdb", &status) == 0 else { return }
        let perLeaf = Double(status.st_size) / Double(leafCount)
        print("\(leafCount) leaves, \(status.st_size) bytes, \(perLeaf) a leaf")
    }

    private func lookUp(_ reader: StoreReader, size: TreeSize) throws {
        var hasher = TreeHasher()
        let positions = Mixer.positions(100_000, below: size.value)
        let hashes = positions.map { Leaf.synthetic(Int($0)).leafHash(hasher: &hasher) }
        try report("lookups", count: hashes.count) {
            for (position, hash) in zip(positions, hashes) {
                let found = try reader.read { view throws(StoreError) in
                    try view.leafIndex(of: hash)
                }
                precondition(found == LeafIndex(position), "a leaf that is not found")
            }
        }
    }

    private func prove(_ reader: StoreReader, _ tree: TreeSnapshot) throws {
        var hasher = TreeHasher()
        let size = tree.treeHead.size
        let positions = Mixer.positions(50_000, below: size.value)
        let hashes = positions.map { Leaf.synthetic(Int($0)).leafHash(hasher: &hasher) }
        var hashCount = 0
        try report("inclusion proofs, lookup included", count: hashes.count) {
            for hash in hashes {
                try reader.read(tree: tree) { view throws(StoreError) in
                    guard let index = try view.leafIndex(of: hash) else { return }
                    try Proof.proveInclusion(of: index, in: size, from: view, hasher: &hasher) {
                        _ in hashCount += 1
                    }
                }
            }
        }
        precondition(hashCount >= hashes.count, "proofs without hashes")
        try report("consistency proofs", count: positions.count) {
            for position in positions {
                guard let old = TreeSize(max(1, position)) else { continue }
                try reader.read(tree: tree) { view throws(StoreError) in
                    try Proof.proveConsistency(from: old, to: size, from: view, hasher: &hasher) {
                        _ in hashCount += 1
                    }
                }
            }
        }
    }

    private func readLeaves(_ reader: StoreReader, size: TreeSize) throws {
        let count = min(512, size.value)
        let starts = Mixer.positions(5_000, below: size.value - count + 1)
        var body: [UInt8] = []
        body.reserveCapacity(Int(count) * Leaf.lineByteCount)
        var byteCount = 0
        let time = try ContinuousClock().measure {
            for start in starts {
                guard let end = TreeSize(start + count) else { continue }
                body.removeAll(keepingCapacity: true)
                try reader.read { view throws(StoreError) in
                    try view.withLeaves(from: LeafIndex(start), to: end) { leaves in
                        body.append(
                            addingCapacity: leaves.count / Leaf.byteCount * Leaf.lineByteCount
                        ) { Leaf.encodeLines(of: leaves, into: &$0) }
                    }
                }
                byteCount += body.count
            }
        }
        let rate = Double(starts.count) / time.inSeconds
        let megabytes = Double(byteCount) / time.inSeconds / 1_000_000
        print("get-leaves of \(count): \(Int(rate)) a second, \(Int(megabytes)) MB a second")
    }

    private func report(_ what: String, count: Int, _ body: () throws -> Void) throws {
        let time = try ContinuousClock().measure(body)
        print("\(what): \(Int(Double(count) / time.inSeconds)) a second")
    }
}

/// SplitMix64's mixing step: numbers that look random, the same in every run.
enum Mixer {
    static func mix(_ number: UInt64) -> UInt64 {
        var mixed = number &* 0x9E37_79B9_7F4A_7C15
        mixed = (mixed ^ mixed >> 30) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
        return mixed ^ mixed >> 31
    }

    /// So many positions of a tree of `end` leaves.
    static func positions(_ count: Int, below end: UInt64) -> [UInt64] {
        (0..<count).map { mix(UInt64($0) + 1) % end }
    }
}

extension Leaf {
    /// Leaf `number`: 128 bytes that look random, without a valid signature.
    static func synthetic(_ number: Int) -> Leaf {
        var bytes = FixedBytes<128>()
        for word in 0..<16 {
            let mixed = Mixer.mix(UInt64(number) * 16 + UInt64(word) + 1)
            for position in 0..<8 {
                bytes.storage[8 * word + position] = UInt8(
                    truncatingIfNeeded: mixed >> UInt64(8 * position))
            }
        }
        return Leaf(stored: bytes)
    }
}

extension Duration {
    var inSeconds: Double {
        Double(components.seconds) + Double(components.attoseconds) * 1e-18
    }
}
