// SPDX-License-Identifier: BSD-2-Clause

// Measures the store alone, without network and signatures: how fast leaves are committed, how many
// bytes each takes, how fast a store of that size is opened and read.
//
//     store-bench build --leaves 1000000 --folder bench-data/store
//     store-bench read --folder bench-data/store
//     store-bench commits --folder bench-data/commits
//     store-bench hashes --leaves 1000000 --count 1000
//
// Commits are durable, as a primary's are: the figures are those of the device that holds the
// folder.

internal import ArgumentParser
internal import LogCrypto
internal import MerkleLog
internal import SigsumFormats
internal import TileStore

@main
struct StoreBench: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "store-bench", abstract: "Measures the store.",
        subcommands: [Build.self, Read.self, Commits.self, Hashes.self])
}

/// Builds a store, then measures it.
struct Build: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Build a store of synthetic leaves, then measure it as `read` does.")

    @Option(help: "The number of leaves.")
    var leaves = 1_000_000
    @Option(help: "The folder of the store, in which there must be none yet.")
    var folder: String
    @Option(help: "The number of leaves in each commit.")
    var batch = 256
    @Option(help: "The log key's seed in hex, so that a primary with that key can serve the store.")
    var key = String(repeating: "0", count: 63) + "1"

    func validate() throws {
        guard leaves > 0, batch > 0 else { throw ValidationError("counts must be positive") }
        guard Digest(hex: key) != nil else { throw ValidationError("--key takes 64 hex digits") }
    }

    func run() throws {
        try build()
        try Measurement(folder: folder).run()
    }

    /// The store is closed when this returns.
    private func build() throws {
        guard let seed = Digest(hex: key) else { throw ValidationError("--key") }
        let keyHash = SigningKey(seed: seed.bytes).publicKey.keyHash
        let store = try TileStore.create(
            .lmdb(folder: folder), identity: StoreIdentity(role: .primary, logKeyHash: keyHash),
            release: "store-bench")
        try append(to: try StoreWriter(store))
    }

    private func append(to writer: StoreWriter) throws {
        let clock = ContinuousClock()
        let start = clock.now
        var reported = start
        var hasher = TreeHasher()
        var next = 0
        while next < leaves {
            let end = min(next + batch, leaves)
            let hashed = (next..<end).map { HashedLeaf(.synthetic($0), hasher: &hasher) }
            _ = try writer.append(hashed)
            next = end
            if clock.now - reported > .seconds(2) || next == leaves {
                reported = clock.now
                let rate = Double(next) / (reported - start).inSeconds
                print("\(next) of \(leaves) leaves, \(Int(rate)) a second")
            }
        }
    }
}

/// Measures a store that is there.
struct Read: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Measure opening and reading of a store that `build` made.")

    @Option(help: "The folder of the store.")
    var folder: String

    func run() throws {
        try Measurement(folder: folder).run()
    }
}

/// Measures durable commits by the size of their batches.
struct Commits: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Measure durable commits of 1, 16 and 256 leaves.")

    @Option(help: "The folder of the store, in which there must be none yet.")
    var folder: String
    @Option(help: "The commits made for each figure.")
    var count = 1000

    func run() throws {
        let store = try TileStore.create(
            .lmdb(folder: folder),
            identity: StoreIdentity(role: .secondary, logKeyHash: nil), release: "store-bench")
        let writer = try StoreWriter(store)
        let clock = ContinuousClock()
        var hasher = TreeHasher()
        var next = 0
        for batch in [1, 16, 256] {
            let batches = (0..<count).map { number in
                (0..<batch).map {
                    HashedLeaf(.synthetic(next + number * batch + $0), hasher: &hasher)
                }
            }
            next += count * batch
            let time = try clock.measure {
                for leaves in batches { _ = try writer.append(leaves) }
            }
            let rate = Double(count) / time.inSeconds
            print("\(batch) a commit: \(Int(rate)) commits, \(Int(rate) * batch) leaves a second")
        }
    }
}

/// Prints leaf hashes, for asking a server for proofs.
struct Hashes: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Print the leaf hashes, in hex, of random leaves of a store that `build` made.")

    @Option(help: "The number of leaves in that store.")
    var leaves = 1_000_000
    @Option(help: "The number of leaf hashes to print.")
    var count = 1000

    func validate() throws {
        guard leaves > 0, count >= 0 else { throw ValidationError("counts must be positive") }
    }

    func run() {
        var hasher = TreeHasher()
        for position in Mixer.positions(count, below: UInt64(leaves)) {
            print(Leaf.synthetic(Int(position)).leafHash(hasher: &hasher))
        }
    }
}
