// SPDX-License-Identifier: BSD-2-Clause

// The Prometheus text format, version 0.0.4:
//
//     # HELP sigsum_log_held_requests Add-leaf requests waiting for a publication.
//     # TYPE sigsum_log_held_requests gauge
//     sigsum_log_held_requests 0

/// Writes metric families. Names are given without their prefix, `sigsum_log_`.
struct MetricsText {
    private(set) var text = ""

    var bytes: [UInt8] { Array(text.utf8) }

    /// The two lines before a family's samples.
    mutating func family(_ name: String, _ type: String, _ help: String) {
        text += "# HELP sigsum_log_\(name) \(help)\n# TYPE sigsum_log_\(name) \(type)\n"
    }

    mutating func sample(_ name: String, _ labels: String, _ value: UInt64) {
        text += "sigsum_log_\(name)\(labels.isEmpty ? "" : "{\(labels)}") \(value)\n"
    }

    mutating func gauge(_ name: String, _ help: String, _ value: UInt64, labels: String = "") {
        family(name, "gauge", help)
        sample(name, labels, value)
    }

    mutating func counter(_ name: String, _ help: String, _ value: UInt64) {
        family(name, "counter", help)
        sample(name, "", value)
    }

    mutating func histogram(_ name: String, _ help: String, _ totals: HistogramTotals) {
        family(name, "histogram", help)
        histogramSamples(name, "", totals)
    }

    mutating func histogramSamples(_ name: String, _ labels: String, _ totals: HistogramTotals) {
        let separator = labels.isEmpty ? "" : ","
        var count: UInt64 = 0
        for bucket in 0..<15 {
            count += totals.buckets[bucket]
            let bound =
                bucket < Histogram.boundsMicroseconds.count
                ? Self.seconds(1_000 * Histogram.boundsMicroseconds[bucket]) : "+Inf"
            sample("\(name)_bucket", "\(labels)\(separator)le=\"\(bound)\"", count)
        }
        let braces = labels.isEmpty ? "" : "{\(labels)}"
        text += "sigsum_log_\(name)_sum\(braces) \(Self.seconds(totals.sumNanoseconds))\n"
        sample("\(name)_count", labels, count)
    }

    /// A label's value, in which these three have to be written otherwise.
    static func escaped(_ value: String) -> String {
        value.reduce(into: "") { text, character in
            switch character {
            case "\\": text += "\\\\"
            case "\"": text += "\\\""
            case "\n": text += "\\n"
            default: text.append(character)
            }
        }
    }

    /// Nanoseconds as seconds in decimal, without trailing zeros.
    static func seconds(_ nanoseconds: UInt64) -> String {
        let fraction = String(nanoseconds % 1_000_000_000)
        var digits = String(repeating: "0", count: 9 - fraction.utf8.count) + fraction
        while digits.last == "0" { digits.removeLast() }
        let whole = String(nanoseconds / 1_000_000_000)
        return digits.isEmpty ? whole : "\(whole).\(digits)"
    }
}
