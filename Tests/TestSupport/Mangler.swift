// SPDX-License-Identifier: BSD-2-Clause
//
// Makes broken input from good input, the same from the same seed, so that a failure can be had
// again from the number in its message.

import Foundation

/// A source of mutants.
package struct Mangler {
    private var random: SeededGenerator
    private let tokens: [[UInt8]]

    /// - Parameter tokens: what is put in now and then, beside single bytes: words of the format.
    package init(seed: UInt64, tokens: [[UInt8]]) {
        random = SeededGenerator(seed: seed)
        self.tokens = tokens
    }

    /// One of `corpus`, changed once to three times.
    package mutating func mutant(of corpus: [[UInt8]]) -> [UInt8] {
        var bytes = element(of: corpus)
        for _ in 0...below(3) { mangle(&bytes, corpus: corpus) }
        return bytes
    }

    /// Up to four places to cut `byteCount` bytes at, in order.
    package mutating func cuts(byteCount: Int) -> [Int] {
        var cuts: [Int] = []
        for _ in 0...below(4) { cuts.append(below(byteCount + 1)) }
        return cuts.sorted()
    }

    private mutating func mangle(_ bytes: inout [UInt8], corpus: [[UInt8]]) {
        guard !bytes.isEmpty else {
            bytes = element(of: corpus)
            return
        }
        let range = range(in: bytes)
        switch below(7) {
        case 0: bytes[range.lowerBound] ^= 1 << UInt8(below(8))
        case 1: bytes[range.lowerBound] = element(of: Self.telling)
        case 2: bytes.removeSubrange(range)
        case 3: bytes.insert(contentsOf: bytes[range], at: range.lowerBound)
        case 4: bytes.insert(element(of: Self.telling), at: range.lowerBound)
        case 5: bytes.insert(contentsOf: element(of: tokens), at: range.lowerBound)
        default:
            let other = element(of: corpus)
            bytes.replaceSubrange(range.lowerBound..., with: other[below(other.count + 1)...])
        }
    }

    /// A range of a few bytes, not empty.
    private mutating func range(in bytes: [UInt8]) -> Range<Int> {
        let start = below(bytes.count)
        return start..<min(bytes.count, start + 1 + below(12))
    }

    private mutating func below(_ bound: Int) -> Int {
        Int.random(in: 0..<bound, using: &random)
    }

    private mutating func element<Element>(of elements: [Element]) -> Element {
        elements[below(elements.count)]
    }

    /// Bytes that mean something to a parser, or lie next to such.
    private static let telling: [UInt8] =
        Array("\0\t\n\r !#,-/09:;=@AFG[`afgz{~".utf8) + [0x0b, 0x1f, 0x7f, 0x80, 0xff]
}

/// How many mutants a test makes, and where it begins: a failure names the seed to begin with.
package enum Fuzzing {
    /// `$SIGSUM_FUZZ_ITERATIONS`, or the few of a quick run.
    package static func iterationCount(quick: Int) -> Int {
        variable("SIGSUM_FUZZ_ITERATIONS").flatMap { Int($0) } ?? quick
    }

    /// `$SIGSUM_FUZZ_SEED`, or 1.
    package static var seed: UInt64 {
        variable("SIGSUM_FUZZ_SEED").flatMap { UInt64($0) } ?? 1
    }

    /// Mutants of `corpus`, as many as ``iterationCount(quick:)`` says, each with the seed to begin
    /// with to have it again.
    package static func mutants(
        of corpus: [[UInt8]], tokens: [[UInt8]], quick: Int
    ) -> some Sequence<(seed: UInt64, bytes: [UInt8])> {
        let first = seed
        return (0..<iterationCount(quick: quick)).lazy.map { iteration in
            let seed = first &+ UInt64(iteration)
            var mangler = Mangler(seed: seed, tokens: tokens)
            return (seed: seed, bytes: mangler.mutant(of: corpus))
        }
    }

    private static func variable(_ name: String) -> String? {
        ProcessInfo.processInfo.environment[name]
    }
}
