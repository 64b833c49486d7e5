// SPDX-License-Identifier: BSD-2-Clause
//
// Lengths of time in the syntax of Go's time.ParseDuration and Duration.String, which log-go's
// operators have in their configuration: `10s`, `500ms`, `1m30s`, `1.5h`, a bare `0`.

/// A length of time, zero or more, in whole nanoseconds.
struct GoDuration: Sendable, Hashable {
    /// 0 ... 2^63-1: some 292 years.
    let nanoseconds: Int64

    /// The same as the standard library's type.
    var duration: Duration { .nanoseconds(nanoseconds) }

    /// Whole milliseconds; traps when negative or past 292 years.
    static func milliseconds(_ count: Int64) -> GoDuration {
        precondition(count >= 0)
        return GoDuration(nanoseconds: count * 1_000_000)
    }

    /// Whole seconds; traps when negative or past 292 years.
    static func seconds(_ count: Int64) -> GoDuration {
        milliseconds(count * 1000)
    }

    private init(nanoseconds: Int64) {
        self.nanoseconds = nanoseconds
    }
}

extension GoDuration: Comparable {
    static func < (left: GoDuration, right: GoDuration) -> Bool {
        left.nanoseconds < right.nanoseconds
    }
}

extension GoDuration: TextSettingValue {
    static let expectation = "a duration such as \"10s\", \"500ms\" or \"1m30s\""

    /// Nanoseconds in each unit. Micro is written with u, the micro sign or the Greek letter mu.
    private static let units: [(name: String, nanoseconds: UInt64)] = [
        ("ns", 1), ("us", 1000), ("\u{B5}s", 1000), ("\u{3BC}s", 1000), ("ms", 1_000_000),
        ("s", 1_000_000_000), ("m", 60_000_000_000), ("h", 3_600_000_000_000),
    ]

    /// `[+-]? ( [0-9]* ( "." [0-9]* )? unit )+`, or zero without a unit. What is negative is
    /// refused: every duration of the configuration is a length.
    init(parsing text: String) throws(SettingSyntaxError) {
        var rest = Array(text.unicodeScalars)[...]
        let isNegative = rest.first == "-"
        if isNegative || rest.first == "+" { rest.removeFirst() }
        if rest.elementsEqual(["0"]) {
            self.init(nanoseconds: 0)
            return
        }
        guard !rest.isEmpty else { throw SettingSyntaxError() }
        var total: UInt64 = 0
        while !rest.isEmpty {
            let (sum, overflows) = total.addingReportingOverflow(try Self.component(&rest))
            guard !overflows, sum <= UInt64(Int64.max) else { throw Self.tooLong }
            total = sum
        }
        guard !isNegative || total == 0 else { throw SettingSyntaxError("negative") }
        self.init(nanoseconds: Int64(total))
    }

    private static let tooLong = SettingSyntaxError("longer than 292 years")

    /// One number and its unit, as nanoseconds. A fraction is computed in floating point and cut,
    /// as Go does.
    private static func component(
        _ rest: inout ArraySlice<Unicode.Scalar>
    ) throws(SettingSyntaxError) -> UInt64 {
        let whole = digits(&rest)
        var fraction: ArraySlice<Unicode.Scalar> = []
        if rest.first == "." {
            rest.removeFirst()
            fraction = digits(&rest)
        }
        guard !whole.isEmpty || !fraction.isEmpty else { throw SettingSyntaxError() }

        let name = String(String.UnicodeScalarView(rest.prefix { $0 != "." && !$0.isDigit }))
        rest = rest.dropFirst(name.unicodeScalars.count)
        guard !name.isEmpty else { throw SettingSyntaxError("missing unit") }
        // Compared scalar by scalar: == on String would take canonical equivalents for equal.
        let unit = units.first { $0.name.unicodeScalars.elementsEqual(name.unicodeScalars) }
        guard let unit else { throw SettingSyntaxError("unknown unit \(quoted(name))") }

        guard let count = whole.isEmpty ? 0 : UInt64(String(String.UnicodeScalarView(whole))),
            count <= UInt64(Int64.max) / unit.nanoseconds
        else { throw tooLong }
        return count * unit.nanoseconds + part(fraction, of: unit.nanoseconds)
    }

    /// `0.<digits>` of a unit. Digits past what 63 bits hold change nothing.
    private static func part(_ digits: ArraySlice<Unicode.Scalar>, of unit: UInt64) -> UInt64 {
        var numerator: UInt64 = 0
        var scale = 1.0
        for digit in digits where numerator <= UInt64(Int64.max) / 10 {
            let next = numerator * 10 + UInt64(digit.value - 0x30)
            guard next <= 1 << 63 else { break }
            numerator = next
            scale *= 10
        }
        return UInt64(Double(numerator) * (Double(unit) / scale))
    }

    private static func digits(
        _ rest: inout ArraySlice<Unicode.Scalar>
    ) -> ArraySlice<Unicode.Scalar> {
        let run = rest.prefix(while: \.isDigit)
        rest = rest.dropFirst(run.count)
        return run
    }

    /// As Go prints it: `1h30m0s`, `10s`, `1.5s`, `500ms`, `0s`.
    var description: String {
        guard nanoseconds >= 1_000_000_000 else { return belowOneSecond }
        let seconds = nanoseconds / 1_000_000_000
        let tail = Self.decimal(nanoseconds % 60_000_000_000, per: 1_000_000_000) + "s"
        if seconds < 60 { return tail }
        if seconds < 3600 { return "\(seconds / 60)m" + tail }
        return "\(seconds / 3600)h\(seconds / 60 % 60)m" + tail
    }

    private var belowOneSecond: String {
        switch nanoseconds {
        case 0: "0s"
        case ..<1000: "\(nanoseconds)ns"
        case ..<1_000_000: Self.decimal(nanoseconds, per: 1000) + "\u{B5}s"
        default: Self.decimal(nanoseconds, per: 1_000_000) + "ms"
        }
    }

    /// `value / unit` without trailing zeros; unit is a power of ten.
    private static func decimal(_ value: Int64, per unit: Int64) -> String {
        var fraction = String(unit + value % unit).dropFirst()
        while fraction.last == "0" { fraction.removeLast() }
        return "\(value / unit)" + (fraction.isEmpty ? "" : "." + fraction)
    }
}

extension Unicode.Scalar {
    fileprivate var isDigit: Bool { ("0"..."9").contains(self) }
}
