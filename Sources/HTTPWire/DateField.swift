// SPDX-License-Identifier: BSD-2-Clause
//
// The Date field of responses. Every response has one and it changes once a second, so whoever owns
// the clock makes it then; every response copies it. The calendar is plain arithmetic: libc's
// gmtime takes no part in it, nor any time zone or locale.

/// A complete field line, `Date: Sun, 06 Nov 1994 08:49:37 GMT` and its line end: the IMF-fixdate
/// form of RFC 9110 section 5.6.7.
package struct DateField: Sendable {
    /// The line's bytes, CR LF included.
    package let line: InlineArray<37, UInt8>

    /// - Parameter unixSeconds: seconds since 1970-01-01 00:00:00 UTC without leap seconds, in the
    ///   years 1 to 9999; a time outside of them is written as the nearest one inside.
    package init(unixSeconds: Int64) {
        let seconds = min(max(unixSeconds, Self.unixSecondsMin), Self.unixSecondsMax)
        let day = seconds.flooredQuotient(by: 86_400)
        let secondOfDay = seconds - day * 86_400
        let date = CivilDate(daysSinceEpoch: day)

        var text = TextCursor()
        text.put("Date: ")
        text.put(Self.weekdays, item: date.weekday)
        text.put(", ")
        text.put(date.day, digitCount: 2)
        text.put(" ")
        text.put(Self.months, item: date.month - 1)
        text.put(" ")
        text.put(date.year, digitCount: 4)
        text.put(" ")
        text.put(Int(secondOfDay / 3600), digitCount: 2)
        text.put(":")
        text.put(Int(secondOfDay / 60 % 60), digitCount: 2)
        text.put(":")
        text.put(Int(secondOfDay % 60), digitCount: 2)
        text.put(" GMT\r\n")
        assert(text.count == text.bytes.count)
        line = text.bytes
    }

    /// 0001-01-01 00:00:00 and 9999-12-31 23:59:59: four digits of year.
    private static let unixSecondsMin: Int64 = -62_135_596_800
    private static let unixSecondsMax: Int64 = 253_402_300_799
    private static let weekdays: StaticString = "SunMonTueWedThuFriSat"
    private static let months: StaticString = "JanFebMarAprMayJunJulAugSepOctNovDec"
}

/// A day of the proleptic Gregorian calendar.
private struct CivilDate {
    let year: Int
    /// 1...12
    let month: Int
    /// 1...31
    let day: Int
    /// 0 is Sunday.
    let weekday: Int

    /// Counts years from 1 March, so that the leap day is a year's last and the months before it
    /// follow one linear rule: month m (0 is March) begins on day (153 m + 2) / 5 of such a year.
    init(daysSinceEpoch: Int64) {
        // 1970-01-01 was a Thursday.
        let weekdaysSinceSunday = daysSinceEpoch + 4
        weekday = Int(weekdaysSinceSunday - weekdaysSinceSunday.flooredQuotient(by: 7) * 7)

        // From 0000-03-01, in cycles of 400 years, which all have as many days.
        let days = daysSinceEpoch + 719_468
        let cycle = days.flooredQuotient(by: 146_097)
        let dayOfCycle = Int(days - cycle * 146_097)
        // Taking away the leap days so far leaves years of 365 days.
        let leapDays = dayOfCycle / 1_460 - dayOfCycle / 36_524 + dayOfCycle / 146_096
        let yearOfCycle = (dayOfCycle - leapDays) / 365
        let dayOfYear = dayOfCycle - (365 * yearOfCycle + yearOfCycle / 4 - yearOfCycle / 100)
        let monthFromMarch = (5 * dayOfYear + 2) / 153

        day = dayOfYear - (153 * monthFromMarch + 2) / 5 + 1
        month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
        year = Int(cycle) * 400 + yearOfCycle + (month <= 2 ? 1 : 0)
    }
}

/// Fills the line from its beginning.
private struct TextCursor {
    var bytes = InlineArray<37, UInt8>(repeating: ASCII.space)
    var count = 0

    mutating func put(_ byte: UInt8) {
        bytes[count] = byte
        count += 1
    }

    mutating func put(_ text: StaticString) {
        for offset in 0..<text.utf8CodeUnitCount { put(text.utf8Byte(at: offset)) }
    }

    /// The three-letter name number `item` of `names`.
    mutating func put(_ names: StaticString, item: Int) {
        for offset in 0..<3 { put(names.utf8Byte(at: item * 3 + offset)) }
    }

    mutating func put(_ value: Int, digitCount: Int) {
        var rest = value
        for offset in (count..<(count + digitCount)).reversed() {
            bytes[offset] = ASCII.zero + UInt8(rest % 10)
            rest /= 10
        }
        count += digitCount
    }
}

extension Int64 {
    /// The quotient rounded towards negative infinity, as days before an epoch need it.
    fileprivate func flooredQuotient(by divisor: Int64) -> Int64 {
        let (quotient, remainder) = quotientAndRemainder(dividingBy: divisor)
        return remainder < 0 ? quotient - 1 : quotient
    }
}
