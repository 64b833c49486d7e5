// SPDX-License-Identifier: BSD-2-Clause
//
// Dates that are known, and every day of eight centuries against a calendar that only counts.

import HTTPWire
import Testing

@Suite struct DateFieldTests {
    static func text(_ unixSeconds: Int64) -> String {
        let line = DateField(unixSeconds: unixSeconds).line
        return line.span.text(0..<line.count)
    }

    @Test(arguments: [
        (784_111_777, "Sun, 06 Nov 1994 08:49:37"),
        (0, "Thu, 01 Jan 1970 00:00:00"),
        (-1, "Wed, 31 Dec 1969 23:59:59"),
        (951_782_399, "Mon, 28 Feb 2000 23:59:59"),
        (951_782_400, "Tue, 29 Feb 2000 00:00:00"),
        (951_868_800, "Wed, 01 Mar 2000 00:00:00"),
        (1_709_164_800, "Thu, 29 Feb 2024 00:00:00"),
        (4_107_542_400, "Mon, 01 Mar 2100 00:00:00"),
        (4_107_542_399, "Sun, 28 Feb 2100 23:59:59"),
        (2_147_483_647, "Tue, 19 Jan 2038 03:14:07"),
        (2_147_483_648, "Tue, 19 Jan 2038 03:14:08"),
        (-2_203_891_200, "Thu, 01 Mar 1900 00:00:00"),
        (253_402_300_799, "Fri, 31 Dec 9999 23:59:59"),
        (253_402_300_800, "Fri, 31 Dec 9999 23:59:59"),
        (Int64.max, "Fri, 31 Dec 9999 23:59:59"),
        (-62_135_596_800, "Mon, 01 Jan 0001 00:00:00"),
        (Int64.min, "Mon, 01 Jan 0001 00:00:00"),
    ])
    func known(unixSeconds: Int64, expected: String) {
        #expect(Self.text(unixSeconds) == "Date: \(expected) GMT\r\n")
    }

    @Test func everyDay() {
        let weekdays = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"]
        let months = [
            ("Jan", 31), ("Feb", 28), ("Mar", 31), ("Apr", 30), ("May", 31), ("Jun", 30),
            ("Jul", 31), ("Aug", 31), ("Sep", 30), ("Oct", 31), ("Nov", 30), ("Dec", 31),
        ]
        // 1 January 1601 was a Monday.
        var unixSeconds: Int64 = -11_644_473_600
        var weekday = 1
        for year in 1601...2400 {
            let isLeap = year % 4 == 0 && year % 100 != 0 || year % 400 == 0
            for (month, usualDayCount) in months {
                let dayCount = usualDayCount + (isLeap && month == "Feb" ? 1 : 0)
                for day in 1...dayCount {
                    let dayText = day < 10 ? "0\(day)" : "\(day)"
                    let expected = "\(weekdays[weekday]), \(dayText) \(month) \(year) 00:00:00"
                    guard Self.text(unixSeconds) == "Date: \(expected) GMT\r\n" else {
                        Issue.record("\(expected): \(Self.text(unixSeconds))")
                        return
                    }
                    unixSeconds += 86_400
                    weekday = (weekday + 1) % 7
                }
            }
        }
    }
}
