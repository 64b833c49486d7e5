// SPDX-License-Identifier: BSD-2-Clause
//
// TXT records, tokens and limits as a test wants them.

import Foundation
import LogCrypto
import LogService
import Reactor
import SigsumFormats
import Synchronization
import Testing
import Transport

@testable import SigsumDaemon

/// Name servers that know what the test says, and may be slow.
final class ScriptedNames: Sendable {
    private struct State {
        var answers: [String: TXTAnswer]
        var asked: [String] = []
        var isSilent = false
    }

    private let state: Mutex<State>
    private let gate = DispatchSemaphore(value: 0)

    /// - Parameter answers: by name; every other name does not exist.
    init(_ answers: [String: TXTAnswer] = [:]) {
        state = Mutex(State(answers: answers))
    }

    /// The names that were looked up, in their order.
    var asked: [String] { state.withLock(\.asked) }

    /// From now on no look-up returns.
    func fallSilent() { state.withLock { $0.isSilent = true } }

    /// Look-ups return again, and `count` of those that wait.
    func speak(releasing count: Int) {
        state.withLock { $0.isSilent = false }
        for _ in 0..<count { gate.signal() }
    }

    /// What a resolver calls.
    func lookUp(_ name: String) -> TXTAnswer {
        let (answer, isSilent) = state.withLock { state in
            state.asked.append(name)
            return (state.answers[name] ?? .nonexistent(ttl: .zero), state.isSilent)
        }
        if isSilent { gate.wait() }
        return answer
    }
}

extension TXTAnswer {
    /// Records of these texts.
    static func texts(_ texts: String...) -> TXTAnswer {
        .records(texts.map { Array($0.utf8) }, ttl: .seconds(3_600))
    }

    /// A record for each key, after `junk` that are none.
    static func keys(_ seeds: UInt8..., junk: Int = 0) -> TXTAnswer {
        .records(
            (0..<junk).map { Array("v=spf\($0)".utf8) }
                + seeds.map { Array("\(key(seed: $0).publicKey)".utf8) },
            ttl: .seconds(3_600))
    }
}

extension SubmitToken {
    /// A token for the log with the key of seed 1, by another key.
    init(_ domain: String, seed: UInt8, log: PublicKey = key(seed: 1).publicKey) throws {
        var message = Array("sigsum.org/v1/submit-token\0".utf8)
        log.withSpan { for position in $0.indices { message.append($0[position]) } }
        let signature = key(seed: seed).sign(message.span)
        try self.init(parsing: Array("\(domain) \(signature)".utf8).span)
    }
}

extension RateLimits {
    /// The limits of a file's text, with `org` and `com` as public suffixes.
    init(_ text: String) throws {
        let file = try RateLimitFile(parsing: Array(text.utf8).span)
        try self.init(file, allowsTestDomain: true) { _ throws(FormatError) in
            try PublicSuffixList(parsing: Array("com\norg\n".utf8).span)
        }
    }
}

extension RateLimitMetrics {
    /// The samples that are not 0, without the family's prefix.
    func samples(of family: String) -> [String: Int] {
        let metrics = LogMetrics(requestMetricsCount: 1, rateLimits: self) { ConnectionCounts() }
        let page = String(decoding: metrics.render(version: "test"), as: UTF8.self)
        let prefix = "sigsum_log_\(family){outcome=\""
        var samples: [String: Int] = [:]
        for line in page.split(separator: "\n") where line.hasPrefix(prefix) {
            let parts = line.dropFirst(prefix.count).split(separator: "\"} ")
            if parts.count == 2, let count = Int(parts[1]), count > 0 {
                samples[String(parts[0])] = count
            }
        }
        return samples
    }
}
