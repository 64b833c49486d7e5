// SPDX-License-Identifier: BSD-2-Clause
//
// Mangled responses: whatever comes in, the parser does not trap, reads nothing behind its bytes,
// gives one answer however the bytes are cut, and what it accepts means the same when written out
// again in the plainest form.

import HTTPWire
import TestSupport
import Testing

@Suite struct MangledResponseTests {
    @Test func haveOneMeaning() throws {
        // Two thirds of it are good responses, because mangling seldom makes a bad one good.
        let rows = ResponseRow.all + Array(repeating: ResponseRow.accepted, count: 6).joined()
        let corpus = rows.map(\.connection.bytes).filter { !$0.isEmpty }
        let page = try GuardedPage()
        let limits = ResponseLimits(
            headBytesMax: 256, fieldCountMax: 8, bodyBytesMax: 64, chunkFramingBytesMax: 64)
        let seed = Fuzzing.seed
        let iterationCount = Fuzzing.iterationCount(quick: 20_000)
        var acceptedCount = 0
        for iteration in 0..<iterationCount {
            // Each iteration has a seed of its own, and is had again by starting there.
            let seed = seed &+ UInt64(iteration)
            var mangler = Mangler(seed: seed, tokens: Self.tokens)
            let bytes = mangler.mutant(of: corpus)
            let cuts = mangler.cuts(byteCount: bytes.count)
            let connection = ResponseBytes(
                bytes: bytes, methods: Self.methods[iteration % Self.methods.count],
                isEnded: iteration.isMultiple(of: 2))
            let whole = transcript(of: connection, limits: limits)
            let pieces = transcript(of: connection, cut: .at(cuts), limits: limits)
            var agree = whole == pieces && Self.staysWithin(bytes, page: page, limits: limits)
            if iteration.isMultiple(of: 8) {
                let bytewise = transcript(of: connection, cut: .everyByte, limits: limits)
                agree = agree && bytewise == whole
            }
            agree = agree && whole.responses.allSatisfy { $0.plainForm.meaning == $0.meaning }
            guard agree, whole.responses.allSatisfy(\.isPlausible) else {
                Issue.record("seed \(seed), cuts \(cuts): \(bytes.debugText)")
                return
            }
            acceptedCount += whole.responses.count
        }
        // A mangler that breaks everything would test little.
        #expect(acceptedCount > iterationCount / 10)
    }

    /// Whether the first response is the same where a read behind it is a crash.
    private static func staysWithin(
        _ bytes: [UInt8], page: borrowing GuardedPage, limits: ResponseLimits
    ) -> Bool {
        func steps(_ bytes: Span<UInt8>) -> [ResponseStep] {
            var parser = ResponseParser(limits: limits)
            parser.begin(answering: .get)
            let step = parser.parse(bytes)
            return step == .needMore ? [step, parser.end(bytes)] : [step]
        }
        return page.withBytesAtItsEnd(bytes, steps) == steps(bytes.span)
    }

    private static let methods: [[Method]] = [[.get], [.head], [.post, .head, .get], []]

    private static let tokens: [[UInt8]] = [
        "\r\n", "\r\n\r\n", "HTTP/1.1 200 OK\r\n", "HTTP/1.0 ", " 204 ", " 304 ",
        "HTTP/1.1 100 Continue\r\n\r\n", "Content-Length: 3\r\n", "Transfer-Encoding: chunked\r\n",
        "Connection: close\r\n", "Connection: keep-alive\r\n", "0\r\n\r\n", "3\r\nabc\r\n",
        "ffffffffffffffff", "chunked",
    ].map { Array($0.utf8) }
}

extension ParsedResponse {
    /// What must survive being written out again.
    var meaning: [String] {
        let body = String(decoding: body, as: UTF8.self)
        return ["\(statusCode) \(isHTTP10) \(persistence) \(framing) \(body)"] + fields
    }

    /// The response, written as plainly as it can be.
    var plainForm: ResponseBytes {
        let lines = ["HTTP/1.\(isHTTP10 ? 0 : 1) \(statusCode) "] + fields + ["", ""]
        var bytes = Array(lines.joined(separator: "\r\n").utf8)
        if framing == .chunked, !body.isEmpty {
            bytes += "\(String(body.count, radix: 16))\r\n".utf8
            bytes += body
            bytes += "\r\n".utf8
        } else {
            bytes += body
        }
        if framing == .chunked { bytes += "0\r\n\r\n".utf8 }
        return ResponseBytes(bytes: bytes, methods: [method], isEnded: framing == .untilClose)
    }

    /// What holds for every response that is let through.
    var isPlausible: Bool {
        let isClean = fields.allSatisfy { field in
            field.utf8.allSatisfy { $0 == 0x09 || $0 >= 0x20 && $0 != 0x7f }
        }
        let mayHaveBody = method != .head && statusCode != 204 && statusCode != 304
        let isFramed =
            switch framing {
            case .none: body.isEmpty && !mayHaveBody
            case .length(let byteCount): body.count == byteCount && mayHaveBody
            case .chunked: !isHTTP10 && mayHaveBody
            case .untilClose: persistence == .close && mayHaveBody
            }
        return (200...999).contains(statusCode) && isClean && isFramed
    }
}

extension ResponseBytes {
    /// What the only response means.
    fileprivate var meaning: [String] {
        let responses = transcript(of: self).responses
        return responses.count == 1 ? responses[0].meaning : []
    }
}
