// SPDX-License-Identifier: BSD-2-Clause
//
// The levels that `log-level` can name. What each means in the log is the handler's business.

/// The least severe messages that are still logged.
enum LogLevel: String, Sendable, CaseIterable {
    case debug
    case info
    case warning
    case error
}

extension LogLevel: TextSettingValue {
    static let expectation = "\"debug\", \"info\", \"warning\" or \"error\""

    init(parsing text: String) throws(SettingSyntaxError) {
        guard let level = LogLevel(rawValue: text) else { throw SettingSyntaxError() }
        self = level
    }

    var description: String { rawValue }
}
