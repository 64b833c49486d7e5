// SPDX-License-Identifier: BSD-2-Clause

// The golden data in Tests/Vectors, recorded from log-go, sigsum-go and ssh-keygen.

package import Foundation
package import LogCrypto

/// One leaf of leaves.txt, with the leaf hash that log-go gave it.
package struct LeafVector: Sendable {
    package let message: String
    package let signature: String
    package let publicKey: String
    package let leafHash: Digest

    /// The add-leaf body that submits it.
    package var body: [UInt8] {
        Array("message=\(message)\nsignature=\(signature)\npublic_key=\(publicKey)\n".utf8)
    }
}

/// One question of inclusion.json.
package struct InclusionVector: Decodable, Sendable {
    package let size: UInt64
    package let index: UInt64
    package let path: [String]
}

/// One question of consistency.json.
package struct ConsistencyVector: Decodable, Sendable {
    package let old_size: UInt64
    package let new_size: UInt64
    package let path: [String]
}

/// One policy of policies.json and whether sigsum-go accepts it.
package struct PolicyVector: Decodable, Sendable {
    package let name: String
    /// The file, a character for each octet.
    private let octets: String
    package let accepted: Bool

    package var bytes: [UInt8] { octets.unicodeScalars.map { UInt8($0.value) } }
}

/// One rate-limit file of rate-limits.json and whether log-go 0.15.2 accepts it.
package struct RateLimitVector: Decodable, Sendable {
    package let name: String
    /// The file, a character for each octet.
    private let octets: String
    package let accepted: Bool

    package var bytes: [UInt8] { octets.unicodeScalars.map { UInt8($0.value) } }
}

/// One domain name of domains.json, and what log-go 0.15.2 makes of it.
package struct DomainVector: Decodable, Sendable {
    package let name: String
    /// The name as log-go compares it; nil when it refuses the name.
    package let log_go: String?
}

/// add-checkpoint.json: what log-go asked a sigsum-witness, and its answers.
package struct AddCheckpointVectors: Decodable, Sendable {
    package let log_public_key, witness_public_key, witness_seed: String
    package let exchanges: [Exchange]

    package struct Exchange: Decodable, Sendable {
        package let request, response: String
        package let status: Int
    }
}

/// One token of tokens.json, made by sigsum-go.
package struct TokenVector: Decodable, Sendable {
    package let seed, rate_limit_public_key, log_public_key, token: String
}

/// Thrown by the helpers here when the golden data is not as it was.
package struct VectorError: Error {
    package let what: String
}

package enum Vectors {
    /// The contents of a file in Tests/Vectors.
    package static func data(_ name: String, file: String = #filePath) throws -> Data {
        let tests = URL(filePath: file).deletingLastPathComponent().deletingLastPathComponent()
        return try Data(contentsOf: tests.appending(path: "Vectors/\(name)"))
    }

    /// The lines of a text file, comments left out.
    package static func lines(_ name: String) throws -> [String] {
        let text = String(decoding: try data(name), as: UTF8.self)
        return text.split(separator: "\n").map(String.init).filter { !$0.hasPrefix("#") }
    }

    /// The 600 leaves, in order.
    package static func leaves() throws -> [LeafVector] {
        try lines("leaves.txt").map { line in
            let words = line.split(separator: " ").map(String.init)
            guard words.count == 4, let hash = Digest(hex: words[3]) else {
                throw VectorError(what: line)
            }
            return LeafVector(
                message: words[0], signature: words[1], publicKey: words[2], leafHash: hash)
        }
    }

    /// The root hashes of the trees of the first 0...600 leaves.
    package static func roots() throws -> [Digest] {
        try lines("roots.txt").map { line in
            guard let root = Digest(hex: line) else { throw VectorError(what: line) }
            return root
        }
    }

    package static func inclusion() throws -> [InclusionVector] {
        try JSONDecoder().decode([InclusionVector].self, from: data("inclusion.json"))
    }

    package static func consistency() throws -> [ConsistencyVector] {
        try JSONDecoder().decode([ConsistencyVector].self, from: data("consistency.json"))
    }

    package static func policies() throws -> [PolicyVector] {
        try JSONDecoder().decode([PolicyVector].self, from: data("policies.json"))
    }

    package static func domains() throws -> [DomainVector] {
        try JSONDecoder().decode([DomainVector].self, from: data("domains.json"))
    }

    package static func rateLimits() throws -> [RateLimitVector] {
        try JSONDecoder().decode([RateLimitVector].self, from: data("rate-limits.json"))
    }

    package static func addCheckpoint() throws -> AddCheckpointVectors {
        try JSONDecoder().decode(AddCheckpointVectors.self, from: data("add-checkpoint.json"))
    }

    package static func tokens() throws -> [TokenVector] {
        try JSONDecoder().decode([TokenVector].self, from: data("tokens.json"))
    }

    /// The get-tree-head bodies that log-go served.
    package static func treeHeads() throws -> [String] {
        let text = String(decoding: try data("tree-heads.txt"), as: UTF8.self)
        return text.components(separatedBy: "\n\n").dropFirst().map {
            $0.hasSuffix("\n") ? $0 : $0 + "\n"
        }
    }

    /// The tree of keys.json.
    package static func keys() throws -> Keys {
        try JSONDecoder().decode(Keys.self, from: data("keys.json"))
    }

    /// keys.json.
    package struct Keys: Decodable, Sendable {
        package let log: Log
        package let ssh_keygen: Generated
        package let must_be_refused: Refused

        package struct Log: Decodable, Sendable {
            package let seed, public_key, key_hash, openssh_private, openssh_public: String
        }
        package struct Generated: Decodable, Sendable {
            package let openssh_private, openssh_public, public_key: String
        }
        package struct Refused: Decodable, Sendable {
            package let encrypted_private, rsa_private, rsa_public: String
        }
    }
}

/// A seeded generator (SplitMix64), so that a failing property can be run again.
package struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    package init(seed: UInt64) { state = seed }

    package mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ mixed >> 30) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
        return mixed ^ mixed >> 31
    }
}
