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
        let secondaryNames = ["http://a.example:6967", #"http://"b\"#]
        let metrics = LogMetrics(
            requestMetricsCount: 2, secondaryNames: secondaryNames, policy: policy,
            rateLimits: countedLimits()
        ) {
            var counts = ConnectionCounts()
            (counts.open, counts.accepted, counts.refused, counts.malformed) = (1, 2, 3, 4)
            return counts
        }
        metrics.server.requests[0].record(.getTreeHead, .ok, nanoseconds: 24_999)
        metrics.server.requests[1].record(.getTreeHead, .ok, nanoseconds: 25_000)
        metrics.server.requests[1].record(.getTreeHead, .ok, nanoseconds: 25_001)
        metrics.server.requests[1].record(.addLeaf, .forbidden, nanoseconds: 9_000_000_000)
        metrics.server.committedSize.set(12)
        metrics.replicatedSize.set(13)
        metrics.replications.record(.milliseconds(7))
        metrics.secondaries[0].record(status: 200)
        metrics.secondaries[0].record(status: 200)
        metrics.secondaries[0].record(status: nil)
        metrics.secondaries[0].treeSize.set(14)
        metrics.secondaries[1].record(status: 500)
        metrics.secondaries[1].rejections.add(3)
        metrics.signedSize.set(11)
        metrics.publishedSize.set(10)
        metrics.publishedTime.set(1_795_359_750)
        metrics.server.commits.record(.milliseconds(3))
        metrics.server.committedLeaves.add(7)
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
        metrics.server.freeBytes.set(UInt64.max)
        return metrics
    }

    /// Rate limits of which everything has been counted, each as often as nothing else.
    static func countedLimits() -> RateLimitMetrics {
        let metrics = RateLimitMetrics {
            var counts = LookUpCounts()
            (counts.found, counts.nonexistent, counts.failed, counts.refused) = (21, 22, 23, 24)
            counts.cached = 25
            return counts
        }
        metrics.accepted.add(1)
        let refusals: [RateLimitRefusal] = [
            .unknownKey, .unknownDomain, .quota(.overLimit), .quota(.overPublicTotal),
            .quota(.tooManyDomains),
        ]
        for (number, refusal) in refusals.enumerated() {
            for _ in 0..<number + 2 { metrics.record(refusal) }
        }
        metrics.validTokens.add(11)
        for (number, fault) in [TokenFault.domain, .noKey, .signature].enumerated() {
            for _ in 0..<number + 12 { metrics.record(fault) }
        }
        metrics.uncheckedTokens.add(15)
        metrics.lookUps.record(.milliseconds(20))
        return metrics
    }

    /// A secondary's metrics in which everything has been counted.
    static func countedReplica() -> ReplicaMetrics {
        let metrics = ReplicaMetrics(requestMetricsCount: 2) { ConnectionCounts() }
        metrics.server.requests[1].record(.getSecondaryTreeHead, .ok, nanoseconds: 1)
        metrics.server.committedSize.set(12)
        metrics.server.commits.record(.milliseconds(3))
        metrics.server.committedLeaves.add(7)
        metrics.server.freeBytes.set(1)
        metrics.recordRequest(status: 404)
        metrics.recordRequest(status: 200)
        metrics.recordRequest(status: 404)
        metrics.recordRequest(status: nil)
        metrics.isHalted.set(1)
        metrics.caughtUpTime.set(1_795_359_750)
        return metrics
    }

    static func page(_ metrics: LogMetrics) -> [String] {
        lines(of: metrics.render(version: "sigsum 0.1.0"))
    }

    static func lines(of page: [UInt8]) -> [String] {
        String(decoding: page, as: UTF8.self).components(separatedBy: "\n")
    }

    /// The pages of both roles, with and without everything counted.
    enum Page: CaseIterable {
        case primary, idlePrimary, limitedPrimary, secondary, idleSecondary

        var bytes: [UInt8] {
            let version = "sigsum 0.1.0"
            switch self {
            case .primary: return counted().render(version: version)
            case .secondary: return countedReplica().render(version: version)
            case .idlePrimary:
                let metrics = LogMetrics(requestMetricsCount: 1) { ConnectionCounts() }
                return metrics.render(version: version)
            case .limitedPrimary:
                let metrics = LogMetrics(
                    requestMetricsCount: 1, rateLimits: RateLimitMetrics { LookUpCounts() }
                ) { ConnectionCounts() }
                return metrics.render(version: version)
            case .idleSecondary:
                let metrics = ReplicaMetrics(requestMetricsCount: 1) { ConnectionCounts() }
                return metrics.render(version: version)
            }
        }
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
        "tree_size_leaves{state=\"replicated\"} 13",
        "replication_duration_seconds_sum 0.007", "replication_duration_seconds_count 1",
        "secondary_requests_total{secondary=\"http://a.example:6967\",status=\"200\"} 2",
        "secondary_requests_total{secondary=\"http://a.example:6967\",status=\"none\"} 1",
        #"secondary_requests_total{secondary="http://\"b\\",status="500"} 1"#,
        "secondary_tree_size_leaves{secondary=\"http://a.example:6967\"} 14",
        #"secondary_tree_size_leaves{secondary="http://\"b\\"} 0"#,
        "secondary_rejected_total{secondary=\"http://a.example:6967\"} 0",
        #"secondary_rejected_total{secondary="http://\"b\\"} 3"#,
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
        "rate_limit_total{outcome=\"accepted\"} 1",
        "rate_limit_total{outcome=\"unknown-key\"} 2",
        "rate_limit_total{outcome=\"unknown-domain\"} 3",
        "rate_limit_total{outcome=\"over-limit\"} 4",
        "rate_limit_total{outcome=\"over-public-total\"} 5",
        "rate_limit_total{outcome=\"too-many-domains\"} 6",
        "submit_tokens_total{outcome=\"valid\"} 11",
        "submit_tokens_total{outcome=\"bad-domain\"} 12",
        "submit_tokens_total{outcome=\"no-key\"} 13",
        "submit_tokens_total{outcome=\"bad-signature\"} 14",
        "submit_tokens_total{outcome=\"unchecked\"} 15",
        "dns_lookups_total{outcome=\"found\"} 21",
        "dns_lookups_total{outcome=\"nonexistent\"} 22",
        "dns_lookups_total{outcome=\"failed\"} 23",
        "dns_lookups_total{outcome=\"refused\"} 24", "dns_cache_hits_total 25",
        "dns_lookup_duration_seconds_count 1",
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

    @Test(arguments: [
        "build_info{version=\"sigsum 0.1.0\"} 1", "http_connections 0",
        "http_request_duration_seconds_count"
            + "{endpoint=\"get-secondary-tree-head\",status=\"200\"} 1",
        "tree_size_leaves{state=\"committed\"} 12", "commit_duration_seconds_count 1",
        "committed_leaves_total 7", "store_free_bytes 1",
        "replication_requests_total{status=\"200\"} 1",
        "replication_requests_total{status=\"404\"} 2",
        "replication_requests_total{status=\"none\"} 1", "replication_halted 1",
        "replication_caught_up_timestamp_seconds 1795359750",
    ])
    func whatASecondaryCounted(sample: String) {
        #expect(Self.lines(of: Page.secondary.bytes).contains("sigsum_log_\(sample)"))
    }

    /// Of states that a node does not have it says nothing.
    @Test func treeSizes() {
        for (page, states) in [
            (Page.primary, ["committed", "replicated", "signed", "published"]),
            (.idlePrimary, ["committed", "signed", "published"]), (.secondary, ["committed"]),
        ] {
            let prefix = "sigsum_log_tree_size_leaves{state=\""
            let found = Self.lines(of: page.bytes).filter { $0.hasPrefix(prefix) }
                .map { String($0.dropFirst(prefix.count).prefix { $0 != "\"" }) }
            #expect(found == states)
        }
    }

    /// docs/metrics.md has a row for every family of a role, with its type, and no other.
    @Test func everyFamilyIsDocumented() throws {
        let document = try String(
            contentsOf: URL(fileURLWithPath: #filePath).deletingLastPathComponent()
                .appending(path: "../../docs/metrics.md"), encoding: .utf8)
        func rows(_ heading: String) -> [String] {
            let section =
                document.components(separatedBy: "\n## ")
                .first { $0.hasPrefix(heading + "\n") } ?? ""
            return section.matches(of: /\n\| `(\w+)({[\w,]*})?` \| (\w+) \|/)
                .map { "\($0.output.1) \($0.output.3)" }
        }
        for (page, headings) in [
            (Page.idlePrimary, ["A primary"]), (.idleSecondary, ["A secondary"]),
            (.limitedPrimary, ["A primary", "Rate limits and submit tokens"]),
        ] {
            let prefix = "# TYPE sigsum_log_"
            let families = Self.lines(of: page.bytes).filter { $0.hasPrefix(prefix) }
                .map { String($0.dropFirst(prefix.count)) }
            let documented = (["Every node"] + headings).flatMap(rows)
            #expect(families.sorted() == documented.sorted())
        }
    }

    /// Every family has its two lines, once, before its samples, which stand together; names and
    /// kinds follow the conventions; buckets only grow.
    @Test(arguments: Page.allCases) func format(page: Page) throws {
        var lines = Self.lines(of: page.bytes)
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

    @Test(
        .enabled(if: promtool != nil, "promtool is not installed"), arguments: Page.allCases)
    func promtoolIsContent(page: Page) throws {
        let process = Process()
        let (input, output) = (Pipe(), Pipe())
        process.executableURL = URL(fileURLWithPath: try #require(Self.promtool))
        process.arguments = ["check", "metrics"]
        process.standardInput = input
        process.standardOutput = output
        process.standardError = output
        try process.run()
        try input.fileHandleForWriting.write(
            contentsOf: Data(page.bytes))
        try input.fileHandleForWriting.close()
        let complaints = try output.fileHandleForReading.readToEnd() ?? Data()
        process.waitUntilExit()
        #expect(String(decoding: complaints, as: UTF8.self) == "")
        #expect(process.terminationStatus == 0)
    }
}
