// SPDX-License-Identifier: BSD-2-Clause

// The metrics page: what is counted is on it, and it is what Prometheus reads.

import Foundation
import HTTPWire
import TestSupport
import Testing

@testable import LogService

@Suite struct MetricsTests {
    static let promtool = ProcessInfo.processInfo.environment["PATH", default: "/usr/bin"]
        .split(separator: ":").map { "\($0)/promtool" }
        .first { FileManager.default.isExecutableFile(atPath: $0) }

    /// Metrics in which everything has been counted.
    static func counted() -> LogMetrics {
        // A name as no policy gives one, which a label has to escape.
        let policy = PolicyMetrics(witnessNames: ["w1", #"a\b"c"# + "\n", "idle"])
        let metrics = LogMetrics(requestMetricsCount: 2, policy: policy) {
            var counts = ConnectionCounts()
            (counts.open, counts.accepted, counts.refused, counts.malformed) = (1, 2, 3, 4)
            return counts
        }
        metrics.requests[0].record(.getTreeHead, .ok, nanoseconds: 24_999)
        metrics.requests[1].record(.getTreeHead, .ok, nanoseconds: 25_000)
        metrics.requests[1].record(.getTreeHead, .ok, nanoseconds: 25_001)
        metrics.requests[1].record(.addLeaf, .forbidden, nanoseconds: 9_000_000_000)
        metrics.committedSize.set(12)
        metrics.signedSize.set(11)
        metrics.publishedSize.set(10)
        metrics.publishedTime.set(1_795_359_750)
        metrics.commits.record(.milliseconds(3))
        metrics.committedLeaves.add(7)
        metrics.signings.record(.seconds(2))
        metrics.signingFailures.add()
        metrics.signingHalted.set(1)
        policy.quorumDurations.record(.milliseconds(30))
        policy.quorumsLost.add(2)
        policy.witnesses[0].record(status: 200, .milliseconds(20))
        policy.witnesses[0].record(status: 409, .milliseconds(1))
        policy.witnesses[0].record(status: 200, .milliseconds(5))
        policy.witnesses[0].record(status: nil, .seconds(10))
        policy.witnesses[0].cosignatureTime.set(1_795_359_749)
        policy.witnesses[0].requestsLeft.set(4320)
        policy.witnesses[1].record(status: 500, .milliseconds(2))
        policy.witnesses[1].contradictions.add()
        policy.witnesses[1].oddTimes.add(3)
        metrics.validSignatures.add(5)
        metrics.invalidSignatures.add(6)
        metrics.heldRequests.add(9)
        metrics.heldRequests.subtract(1)
        metrics.freeBytes.set(UInt64.max)
        return metrics
    }

    static func page(_ metrics: LogMetrics) -> [String] {
        String(decoding: metrics.render(version: "sigsum 0.1.0"), as: UTF8.self)
            .components(separatedBy: "\n")
    }

    @Test(arguments: [
        "build_info{version=\"sigsum 0.1.0\"} 1",
        "http_connections 1", "http_connections_accepted_total 2",
        "http_connections_refused_total 3", "http_malformed_requests_total 4",
        "tree_size_leaves{state=\"committed\"} 12", "tree_size_leaves{state=\"signed\"} 11",
        "tree_size_leaves{state=\"published\"} 10", "published_timestamp_seconds 1795359750",
        "commit_duration_seconds_bucket{le=\"0.0025\"} 0",
        "commit_duration_seconds_bucket{le=\"0.005\"} 1", "commit_duration_seconds_sum 0.003",
        "commit_duration_seconds_count 1", "committed_leaves_total 7",
        "signing_duration_seconds_sum 2", "signing_duration_seconds_count 1",
        "signing_failures_total 1", "signing_halted 1",
        "leaf_signatures_total{outcome=\"valid\"} 5",
        "leaf_signatures_total{outcome=\"invalid\"} 6", "held_requests 8",
        "store_free_bytes 18446744073709551615",
        "quorum_total{outcome=\"reached\"} 1", "quorum_total{outcome=\"lost\"} 2",
        "quorum_duration_seconds_sum 0.03", "quorum_duration_seconds_count 1",
        "witness_requests_total{witness=\"w1\",status=\"200\"} 2",
        "witness_requests_total{witness=\"w1\",status=\"409\"} 1",
        "witness_requests_total{witness=\"w1\",status=\"none\"} 1",
        "witness_request_duration_seconds_sum{witness=\"w1\"} 10.026",
        "witness_request_duration_seconds_count{witness=\"w1\"} 4",
        "witness_request_duration_seconds_bucket{witness=\"w1\",le=\"0.025\"} 3",
        "witness_request_duration_seconds_count{witness=\"idle\"} 0",
        "witness_cosignature_timestamp_seconds{witness=\"w1\"} 1795359749",
        "witness_cosignature_timestamp_seconds{witness=\"idle\"} 0",
        "witness_requests_left{witness=\"w1\"} 4320",
        "witness_contradictions_total{witness=\"idle\"} 0",
        // Backslash, quotation mark and line feed are escaped.
        #"witness_requests_total{witness="a\\b\"c\n",status="500"} 1"#,
        #"witness_contradictions_total{witness="a\\b\"c\n"} 1"#,
        #"witness_clock_warnings_total{witness="a\\b\"c\n"} 3"#,
        // Two reactors added up; a bound belongs to its bucket.
        "http_request_duration_seconds_bucket"
            + "{endpoint=\"get-tree-head\",status=\"200\",le=\"0.000025\"} 2",
        "http_request_duration_seconds_bucket"
            + "{endpoint=\"get-tree-head\",status=\"200\",le=\"0.00005\"} 3",
        "http_request_duration_seconds_sum{endpoint=\"get-tree-head\",status=\"200\"} 0.000075",
        "http_request_duration_seconds_count{endpoint=\"get-tree-head\",status=\"200\"} 3",
        "http_request_duration_seconds_bucket"
            + "{endpoint=\"add-leaf\",status=\"403\",le=\"5\"} 0",
        "http_request_duration_seconds_bucket"
            + "{endpoint=\"add-leaf\",status=\"403\",le=\"+Inf\"} 1",
    ])
    func whatWasCounted(sample: String) {
        #expect(Self.page(Self.counted()).contains("sigsum_log_\(sample)"))
    }

    /// Every family has its two lines, once, before its samples, which stand together; names and
    /// kinds follow the conventions; buckets only grow.
    @Test(arguments: [true, false]) func format(isCounted: Bool) throws {
        let metrics =
            isCounted
            ? Self.counted() : LogMetrics(requestMetricsCount: 1) { ConnectionCounts() }
        var lines = Self.page(metrics)
        #expect(lines.removeLast() == "")
        var families: Set<String> = []
        var (family, kind) = ("", "")
        var bucket: (series: String, count: UInt64) = ("", 0)
        for line in lines {
            let words = line.split(separator: " ", maxSplits: 3, omittingEmptySubsequences: false)
            if line.hasPrefix("# HELP ") {
                family = String(words[2])
                #expect(families.insert(family).inserted, "\(family) twice")
                #expect(words[3].hasSuffix("."))
                kind = ""
            } else if line.hasPrefix("# TYPE ") {
                #expect(words[2] == family)
                kind = String(words[3])
                #expect(["counter", "gauge", "histogram"].contains(kind))
                #expect(family.hasSuffix("_total") == (kind == "counter"), "\(family)")
                #expect(family.hasPrefix("sigsum_log_"))
                #expect(!family.hasSuffix("duration") && !family.hasSuffix("timestamp"))
            } else {
                let name = line.prefix { $0 != "{" && $0 != " " }
                let suffixes = kind == "histogram" ? ["_bucket", "_sum", "_count"] : [""]
                #expect(suffixes.contains { name == family + $0 }, "\(line)")
                guard name.hasSuffix("_bucket") else { continue }
                let parts = line.split(separator: "le=")
                let series = String(parts[0])
                let count = try #require(line.split(separator: " ").last.flatMap { UInt64($0) })
                #expect(series != bucket.series || count >= bucket.count)
                bucket = (series, count)
            }
        }
    }

    @Test func nothingIsCountedTwice() {
        let metrics = Self.counted()
        #expect(Self.page(metrics) == Self.page(metrics))
        let recorded = RequestMetrics()
        // A status that is not told apart counts as the last.
        recorded.record(.other, .uriTooLong, nanoseconds: 1)
        recorded.record(.other, .serviceUnavailable, nanoseconds: 1)
        let last = RequestMetrics.statuses.count - 1
        #expect(recorded.totals(.other, column: last)?.count == 2)
        #expect(recorded.totals(.other, column: 0) == nil)
    }

    @Test(
        arguments: [
            (0, "0"), (1, "0.000000001"), (25_000, "0.000025"), (100_000_000, "0.1"),
            (999_999_999, "0.999999999"), (1_000_000_000, "1"), (1_500_000_000, "1.5"),
            (UInt64.max, "18446744073.709551615"),
        ] as [(UInt64, String)])
    func seconds(nanoseconds: UInt64, text: String) {
        #expect(MetricsText.seconds(nanoseconds) == text)
    }

    /// Any duration lands in one bucket: the first whose bound it does not exceed.
    @Test func buckets() {
        var random = SeededGenerator(seed: 5)
        let histogram = Histogram()
        var expected = [UInt64](repeating: 0, count: 15)
        var sum: UInt64 = 0
        for _ in 0..<2_000 {
            let nanoseconds = random.next() >> UInt64.random(in: 28...63, using: &random)
            histogram.record(nanoseconds: nanoseconds)
            sum += nanoseconds
            let bucket = (0..<14).first {
                nanoseconds <= 1_000 * Histogram.boundsMicroseconds[$0]
            }
            expected[bucket ?? 14] += 1
        }
        histogram.record(.seconds(-1))
        expected[0] += 1
        let totals = histogram.totals
        for bucket in 0..<15 { #expect(totals.buckets[bucket] == expected[bucket]) }
        #expect(totals.sumNanoseconds == sum && totals.count == 2_001)
        for bound in 1..<14 {
            #expect(Histogram.boundsMicroseconds[bound - 1] < Histogram.boundsMicroseconds[bound])
        }
    }

    @Test(.enabled(if: promtool != nil, "promtool is not installed"), arguments: [true, false])
    func promtoolIsContent(isCounted: Bool) throws {
        let metrics =
            isCounted
            ? Self.counted() : LogMetrics(requestMetricsCount: 1) { ConnectionCounts() }
        let process = Process()
        let (input, output) = (Pipe(), Pipe())
        process.executableURL = URL(fileURLWithPath: try #require(Self.promtool))
        process.arguments = ["check", "metrics"]
        process.standardInput = input
        process.standardOutput = output
        process.standardError = output
        try process.run()
        try input.fileHandleForWriting.write(
            contentsOf: Data(metrics.render(version: "sigsum 0.1.0")))
        try input.fileHandleForWriting.close()
        let complaints = try output.fileHandleForReading.readToEnd() ?? Data()
        process.waitUntilExit()
        #expect(String(decoding: complaints, as: UTF8.self) == "")
        #expect(process.terminationStatus == 0)
    }
}
