// SPDX-License-Identifier: BSD-2-Clause
//
// Log lines in the format of log-go, which operators and their tools know:
//
//     2026/11/22 14:44:55 [INFO] serving clients endpoint=localhost:6965
//
// Local time, a tag of four letters, the message, then metadata as key=value in order of keys.

import Glibc
import Logging
import SystemPackage

/// The backend of swift-log.
struct LineLogHandler: LogHandler {
    var logLevel: Logger.Level
    var metadata: Logger.Metadata = [:]
    var metadataProvider: Logger.MetadataProvider?

    private let destination: LogDestination
    /// Seconds since 1970.
    private let now: @Sendable () -> time_t

    init(
        level: LogLevel, destination: LogDestination,
        now: @escaping @Sendable () -> time_t = { time(nil) }
    ) {
        logLevel = level.loggerLevel
        self.destination = destination
        self.now = now
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        var line = localTime(now())
        line += " [\(event.level.tag)] "
        line += escapingControls(event.message.description)
        for (key, value) in fields(of: event).sorted(by: { $0.key < $1.key }) {
            line += " \(escapingControls(key))=\(fieldText(value))"
        }
        destination.write(line: line)
    }

    /// The nearest wins: the event's, then the provider's, then the logger's.
    private func fields(of event: LogEvent) -> Logger.Metadata {
        var fields = metadata
        if let provided = metadataProvider?.get() { fields.merge(provided) { $1 } }
        if let own = event.metadata { fields.merge(own) { $1 } }
        if let error = event.error, fields["error"] == nil { fields["error"] = "\(error)" }
        return fields
    }

    /// In quotes where its end would not be seen otherwise.
    private func fieldText(_ value: Logger.Metadata.Value) -> String {
        let text = value.description
        let isPlain =
            !text.isEmpty
            && text.unicodeScalars.allSatisfy {
                $0 > " " && $0 != "\"" && $0 != "=" && $0 != "\\" && $0 != "\u{7F}"
            }
        return isPlain ? escapingControls(text) : quoted(text, scalarsMax: .max)
    }
}

/// `2026/11/22 14:44:55` in the time zone of the process.
func localTime(_ seconds: time_t) -> String {
    var seconds = seconds
    var parts = unsafe tm()
    // Both pointers live for the call, and localtime_r keeps neither.
    unsafe _ = localtime_r(&seconds, &parts)
    // The fields read are plain integers; tm counts as unsafe for the zone's name alone.
    let date = unsafe [parts.tm_mon + 1, parts.tm_mday].map(twoDigits).joined(separator: "/")
    let clock = unsafe [parts.tm_hour, parts.tm_min, parts.tm_sec].map(twoDigits)
    return unsafe "\(parts.tm_year + 1900)/\(date) \(clock.joined(separator: ":"))"
}

private func twoDigits(_ number: Int32) -> String {
    number < 10 ? "0\(number)" : "\(number)"
}

extension Logger.Level {
    /// log-go's tags. It has five levels, swift-log seven.
    fileprivate var tag: StaticString {
        switch self {
        case .trace, .debug: "DEBU"
        case .info, .notice: "INFO"
        case .warning: "WARN"
        case .error: "ERRO"
        case .critical: "FATA"
        }
    }
}

extension LogLevel {
    /// swift-log's name for it.
    var loggerLevel: Logger.Level {
        switch self {
        case .debug: .debug
        case .info: .info
        case .warning: .warning
        case .error: .error
        }
    }
}

/// Sends everything that is logged from now on where the configuration says. To be called once.
/// Returns the destination, so that it can be reopened.
func startLogging(
    _ configuration: ServerConfiguration
) throws(ConfigurationError) -> LogDestination {
    let destination: LogDestination
    if let file = configuration.logFile {
        do throws(Errno) {
            destination = try LogDestination(appendingTo: file)
        } catch {
            throw ConfigurationError("\(SettingKey.logFile.name): \(file): \(error)")
        }
    } else {
        destination = .standardError
    }
    LoggingSystem.bootstrap(
        { _, provider in
            var handler = LineLogHandler(level: configuration.logLevel, destination: destination)
            handler.metadataProvider = provider
            return handler
        }, metadataProvider: nil)
    return destination
}
