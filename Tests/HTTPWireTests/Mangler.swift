// SPDX-License-Identifier: BSD-2-Clause
//
// Makes broken input from good input, the same from the same seed, so that a failure can be had
// again from the two numbers in its message.

/// A source of mutants.
struct Mangler {
    private var random: SplitMix64

    init(seed: UInt64) {
        random = SplitMix64(state: seed)
    }

    /// One of `corpus`, changed once to three times.
    mutating func mutant(of corpus: [[UInt8]]) -> [UInt8] {
        var bytes = element(of: corpus)
        for _ in 0...below(3) { mangle(&bytes, corpus: corpus) }
        return bytes
    }

    /// Up to four places to cut `byteCount` bytes at, in order.
    mutating func cuts(byteCount: Int) -> [Int] {
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
        case 5: bytes.insert(contentsOf: element(of: Self.tokens), at: range.lowerBound)
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

    private static let tokens: [[UInt8]] = [
        "\r\n", "\r\n\r\n", "GET / HTTP/1.1\r\n", "HTTP/1.0", "Host: a\r\n",
        "Content-Length: 3\r\n",
        "Transfer-Encoding: chunked\r\n", "Expect: 100-continue\r\n", "Connection: close\r\n",
        "0\r\n\r\n", "3\r\nabc\r\n", "ffffffffffffffff", "http://a", "chunked",
    ].map { Array($0.utf8) }
}

/// Sebastiano Vigna's splitmix64: any seed will do, and the stream is the same everywhere.
struct SplitMix64: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var word = state
        word = (word ^ word >> 30) &* 0xbf58_476d_1ce4_e5b9
        word = (word ^ word >> 27) &* 0x94d0_49bb_1331_11eb
        return word ^ word >> 31
    }
}
