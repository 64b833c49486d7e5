// SPDX-License-Identifier: BSD-2-Clause
//
// Mangled requests: whatever comes in, the parser does not trap, gives one answer however the bytes
// are cut, and what it accepts means the same when written out again in the plainest form.

import HTTPWire
import TestSupport
import Testing

@Suite struct MangledRequestTests {
    @Test func haveOneMeaning() {
        // Two thirds of it are good requests, because mangling seldom makes a bad one good.
        let rows = RequestRow.all + Array(repeating: RequestRow.accepted, count: 6).joined()
        let corpus = rows.map(\.bytes).filter { !$0.isEmpty }
        let limits = RequestLimits(
            headBytesMax: 256, fieldCountMax: 8, bodyBytesMax: 64, chunkFramingBytesMax: 64)
        let seed = Fuzzing.seed
        let iterationCount = Fuzzing.iterationCount(quick: 20_000)
        var acceptedCount = 0
        for iteration in 0..<iterationCount {
            // Each iteration has a seed of its own, and is had again by starting there.
            var mangler = Mangler(seed: seed &+ UInt64(iteration), tokens: Self.tokens)
            let bytes = mangler.mutant(of: corpus)
            let cuts = mangler.cuts(byteCount: bytes.count)
            let whole = transcript(of: bytes, limits: limits)
            let pieces = transcript(of: bytes, cut: .at(cuts), limits: limits)
            var agree = whole == pieces
            if iteration.isMultiple(of: 8) {
                agree = agree && whole == transcript(of: bytes, cut: .everyByte, limits: limits)
            }
            let again = transcript(of: whole.requests.flatMap(\.plainForm))
            agree = agree && again.requests.map(\.meaning) == whole.requests.map(\.meaning)
            guard agree, whole.requests.allSatisfy(\.isPlausible) else {
                let seed = seed &+ UInt64(iteration)
                Issue.record("seed \(seed), cuts \(cuts): \(bytes.debugText)")
                return
            }
            acceptedCount += whole.requests.count
        }
        // A mangler that breaks everything would test little.
        #expect(acceptedCount > iterationCount / 10)
    }

    private static let tokens: [[UInt8]] = [
        "\r\n", "\r\n\r\n", "GET / HTTP/1.1\r\n", "HTTP/1.0", "Host: a\r\n",
        "Content-Length: 3\r\n",
        "Transfer-Encoding: chunked\r\n", "Expect: 100-continue\r\n", "Connection: close\r\n",
        "0\r\n\r\n", "3\r\nabc\r\n", "ffffffffffffffff", "http://a", "chunked",
    ].map { Array($0.utf8) }
}

extension ParsedRequest {
    /// What must survive being written out again.
    var meaning: [String] {
        let body = String(decoding: body, as: UTF8.self)
        return ["\(method) \(target) \(isHTTP10) \(persistence) \(framing) \(body)"] + fields
    }

    /// The request, written as plainly as it can be.
    var plainForm: [UInt8] {
        let method =
            switch method {
            case .get: "GET"
            case .head: "HEAD"
            case .post: "POST"
            case .other: target == "*" ? "OPTIONS" : "OTHER"
            }
        let lines = ["\(method) \(target) HTTP/1.\(isHTTP10 ? 0 : 1)"] + fields + ["", ""]
        let head = Array(lines.joined(separator: "\r\n").utf8)
        guard framing == .chunked else { return head + body }
        let end = Array("0\r\n\r\n".utf8)
        guard !body.isEmpty else { return head + end }
        let size = Array("\(String(body.count, radix: 16))\r\n".utf8)
        return head + size + body + Array("\r\n".utf8) + end
    }

    /// What holds for every request that is let through.
    var isPlausible: Bool {
        let hostCount = fields.count { $0.lowercased().hasPrefix("host:") }
        let isTarget = target.hasPrefix("/") || target == "*"
        let isClean = fields.allSatisfy { field in
            field.utf8.allSatisfy { $0 == 0x09 || $0 >= 0x20 && $0 != 0x7f }
        }
        let isFramed =
            switch framing {
            case .none: body.isEmpty
            case .length(let byteCount): body.count == byteCount
            case .chunked: !isHTTP10
            case .untilClose: false
            }
        return (hostCount == 1 || hostCount == 0 && isHTTP10) && isTarget && isClean && isFramed
    }
}

extension [UInt8] {
    var debugText: String {
        map { byte in
            (0x20...0x7e).contains(byte)
                ? String(UnicodeScalar(byte)) : "\\x" + String(byte, radix: 16)
        }.joined()
    }
}
