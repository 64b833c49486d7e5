// SPDX-License-Identifier: BSD-2-Clause
//
// Go's syntax of durations, read and written; the cases are those of Go's own test table.

import Testing

@testable import SigsumDaemon

struct GoDurationTests {
    @Test(
        "What Go accepts",
        arguments: [
            ("0", 0), ("+0", 0), ("-0", 0), ("0s", 0), ("-0s", 0), ("5s", 5_000_000_000),
            ("+5s", 5_000_000_000), ("5.0s", 5_000_000_000), ("5.6s", 5_600_000_000),
            ("5.s", 5_000_000_000), (".5s", 500_000_000), ("1.004s", 1_004_000_000),
            ("1.0040s", 1_004_000_000), ("100.00100s", 100_001_000_000), ("10ns", 10),
            ("11us", 11_000), ("12\u{B5}s", 12_000), ("12\u{3BC}s", 12_000), ("13ms", 13_000_000),
            ("14s", 14_000_000_000), ("15m", 900_000_000_000), ("16h", 57_600_000_000_000),
            ("1.5h", 5_400_000_000_000), ("1m30s", 90_000_000_000), ("500ms", 500_000_000),
            ("3h30m", 12_600_000_000_000), ("10.5s4m", 250_500_000_000),
            ("2m3.4s", 123_400_000_000), ("1h2m3s4ms5us6ns", 3_723_004_005_006),
            ("39h9m14.425s", 140_954_425_000_000), ("52763797000ns", 52_763_797_000),
            ("0.3333333333333333333h", 1_200_000_000_000),
            ("9007199254740993ns", 9_007_199_254_740_993),
            ("9223372036854775807ns", .max), ("9223372036854775.807us", .max),
            ("9223372036s854ms775us807ns", .max), ("0.100000000000000000000h", 360_000_000_000),
            ("0.830103483285477580700h", 2_988_372_539_827),
        ] as [(String, Int64)])
    func accepts(text: String, nanoseconds: Int64) throws {
        #expect(try GoDuration(parsing: text).nanoseconds == nanoseconds)
    }

    @Test(
        "What Go refuses, and what is negative",
        arguments: [
            ("", nil), ("3", "missing unit"), ("1.5", "missing unit"), ("-", nil), ("+", nil),
            ("s", nil), (".", nil), ("-.", nil), (".s", nil), ("+.s", nil),
            ("1d", "unknown unit \"d\""), ("1S", "unknown unit \"S\""),
            ("10 s", "unknown unit \" s\""), ("1s ", "unknown unit \"s \""),
            ("s10", nil), ("++1s", nil), ("1s-1s", "unknown unit \"s-\""),
            ("1e3s", "unknown unit \"e\""), ("00", "missing unit"),
            ("-5s", "negative"), ("-1ns", "negative"),
            ("9223372036854775808ns", "longer than 292 years"),
            ("9223372036854775810ns", "longer than 292 years"),
            ("99999999999999999999999s", "longer than 292 years"),
            ("9223372036854776us", "longer than 292 years"),
            ("3000000h", "longer than 292 years"),
            ("9223372036854775.808us", "longer than 292 years"),
            ("9223372036854ms775us808ns", "longer than 292 years"),
            ("2562047h2562047h", "longer than 292 years"),
        ] as [(String, String?)])
    func refuses(text: String, reason: String?) {
        #expect(throws: SettingSyntaxError(reason)) { try GoDuration(parsing: text) }
    }

    @Test(
        "As Go prints, and back",
        arguments: [
            (0, "0s"), (1, "1ns"), (1100, "1.1\u{B5}s"), (2_200_000, "2.2ms"),
            (500_000_000, "500ms"), (3_300_000_000, "3.3s"), (10_000_000_000, "10s"),
            (60_000_000_000, "1m0s"), (90_000_000_000, "1m30s"), (245_000_000_000, "4m5s"),
            (245_001_000_000, "4m5.001s"), (3_600_000_000_000, "1h0m0s"),
            (18_367_001_000_000, "5h6m7.001s"), (480_000_000_001, "8m0.000000001s"),
            (.max, "2562047h47m16.854775807s"),
        ] as [(Int64, String)])
    func prints(nanoseconds: Int64, text: String) throws {
        let duration = try GoDuration(parsing: "\(nanoseconds)ns")
        #expect(duration.description == text)
        #expect(try GoDuration(parsing: text) == duration)
        #expect(duration.duration == .nanoseconds(nanoseconds))
    }
}
