// SPDX-License-Identifier: BSD-2-Clause
//
// Log lines: their format, byte by byte, and what happens when they cannot be written.

import Foundation
import Glibc
import Logging
import SystemPackage
import Testing

@testable import SigsumDaemon

struct LoggingTests {
    /// 2026-11-22 14:44:55 in the time zone that the tests run in.
    private static let moment: time_t = {
        var parts = unsafe tm()
        unsafe parts.tm_year = 126
        unsafe parts.tm_mon = 10
        unsafe parts.tm_mday = 22
        unsafe parts.tm_hour = 14
        unsafe parts.tm_min = 44
        unsafe parts.tm_sec = 55
        unsafe parts.tm_isdst = -1
        return unsafe mktime(&parts)
    }()

    /// What a logger's use writes to a file.
    private static func lines(
        level: LogLevel = .debug, metadata: Logger.Metadata = [:], _ use: (Logger) -> Void
    ) throws -> String {
        let folder = try TemporaryFolder()
        let file = folder.path.appending("log")
        let destination = try LogDestination(appendingTo: file)
        var handler = LineLogHandler(level: level, destination: destination) { moment }
        handler.metadata = metadata
        use(Logger(label: "test") { _ in handler })
        #expect(destination.droppedLineCount == 0)
        return try FileText.read(file)
    }

    @Test(
        "log-go's tags",
        arguments: [
            (.trace, "DEBU"), (.debug, "DEBU"), (.info, "INFO"), (.notice, "INFO"),
            (.warning, "WARN"), (.error, "ERRO"), (.critical, "FATA"),
        ] as [(Logger.Level, String)])
    func tag(level: Logger.Level, tag: String) throws {
        let text = try Self.lines { logger in
            var logger = logger
            logger.logLevel = .trace
            logger.log(level: level, "text")
        }
        #expect(text == "2026/11/22 14:44:55 [\(tag)] text\n")
    }

    @Test(
        "What each log-level lets through",
        arguments: [(.debug, 4), (.info, 3), (.warning, 2), (.error, 1)] as [(LogLevel, Int)])
    func levels(level: LogLevel, count: Int) throws {
        let text = try Self.lines(level: level) { logger in
            logger.debug("")
            logger.info("")
            logger.warning("")
            logger.error("")
        }
        #expect(text.split(separator: "\n").count == count)
    }

    @Test(
        "Messages stay on their line",
        arguments: [
            ("a\nb\r\n", "a\\nb\\r\\n"), ("\u{1B}[2J\u{7}", "\\x1b[2J\\x07"), ("\t", "\\t"),
            ("\u{85}", "\\x85"), ("\u{7F}", "\\x7f"), ("l\u{F6}g \u{1F332}", "l\u{F6}g \u{1F332}"),
            ("", ""),
        ])
    func message(message: String, line: String) throws {
        let text = try Self.lines { $0.info("\(message)") }
        #expect(text == "2026/11/22 14:44:55 [INFO] \(line)\n")
    }

    @Test("Metadata in order of keys, quoted where needed, the nearest value")
    func metadata() throws {
        let text = try Self.lines(metadata: ["b": "outer", "a": "1"]) { logger in
            logger.info(
                "m", metadata: ["b": "in ner", "c": "", "d": "x=\"y\"", "e": "l\nf", "f": "\u{F6}"])
        }
        let fields = "a=1 b=\"in ner\" c=\"\" d=\"x=\\\"y\\\"\" e=\"l\\nf\" f=\u{F6}"
        #expect(text == "2026/11/22 14:44:55 [INFO] m \(fields)\n")
    }

    @Test("A single digit has a zero before it")
    func zeros() {
        var parts = unsafe tm()
        unsafe parts.tm_year = 105
        unsafe parts.tm_mday = 2
        unsafe parts.tm_hour = 3
        unsafe parts.tm_min = 4
        unsafe parts.tm_sec = 5
        unsafe parts.tm_isdst = -1
        #expect(unsafe localTime(mktime(&parts)) == "2005/01/02 03:04:05")
    }

    @Test("A file is appended to, and found again after it was moved away")
    func reopening() throws {
        let folder = try TemporaryFolder()
        let file = try folder.write("old\n", to: "log")
        let moved = folder.path.appending("log.1")
        let destination = try LogDestination(appendingTo: file)
        destination.write(line: "1")
        try FileManager.default.moveItem(atPath: file.string, toPath: moved.string)
        destination.write(line: "2")
        try destination.reopen()
        destination.write(line: "3")
        #expect(try FileText.read(moved) == "old\n1\n2\n")
        #expect(try FileText.read(file) == "3\n")
    }

    @Test("A file that cannot be opened")
    func unopenable() throws {
        let folder = try TemporaryFolder()
        #expect(throws: Errno.noSuchFileOrDirectory) {
            try LogDestination(appendingTo: folder.path.appending("absent/log"))
        }
        #expect(throws: Errno.isDirectory) { try LogDestination(appendingTo: "/") }
    }

    @Test("A log-file that cannot be opened is named")
    func unopenableLogFile() throws {
        let folder = try TemporaryFolder()
        var settings = Settings()
        settings.keyFile = "k"
        settings.logFile = folder.path
        #expect(throws: ConfigurationError("log-file: \(folder.path): Is a directory")) {
            try startLogging(ServerConfiguration(settings))
        }
    }

    @Test("A full disk loses lines, which are counted")
    func fullDisk() throws {
        let destination = try LogDestination(appendingTo: "/dev/full")
        destination.write(line: "1")
        destination.write(line: "2")
        #expect(destination.droppedLineCount == 2)
    }

    @Test("A reader that does not read loses lines, and gets those that come after it has read")
    func fullPipe() throws {
        let (reader, writer) = try FileDescriptor.pipe()
        defer {
            try? reader.close()
            try? writer.close()
        }
        let destination = LogDestination(writer, patienceMilliseconds: 0)
        let line = String(repeating: "x", count: 4095)
        // A pipe holds 64 KiB, 16 of these, or less where a user has many; were the descriptor waited
        // for, this would not end.
        var count = 0
        while destination.droppedLineCount == 0, count < 65_536 {
            destination.write(line: line)
            count += 1
        }
        destination.write(line: line)
        #expect(destination.droppedLineCount == 2)

        var bytes = [UInt8](repeating: 0, count: count * 4096)
        let byteCount = try unsafe bytes.withUnsafeMutableBytes { buffer in
            try unsafe reader.read(into: buffer)
        }
        #expect(bytes[..<byteCount].split(separator: 10).count == count - 1)
        destination.write(line: "y")
        #expect(destination.droppedLineCount == 2)
    }

    @Test("A line is at most what a pipe takes in one piece, and cut between characters")
    func longLine() throws {
        let folder = try TemporaryFolder()
        let file = folder.path.appending("log")
        let destination = try LogDestination(appendingTo: file)
        destination.write(line: String(repeating: "x", count: 4095))
        destination.write(line: String(repeating: "x", count: 4096))
        destination.write(line: "x" + String(repeating: "\u{F6}", count: 4096))
        let lines = try FileText.read(file).split(separator: "\n")
        #expect(lines.map(\.utf8.count) == [4095, 4095, 4094])
        #expect(lines[1].hasSuffix("xx..."))
        #expect(lines[2].hasSuffix("\u{F6}..."))
    }

    @Test("Lines of many threads do not mix")
    func threads() async throws {
        let folder = try TemporaryFolder()
        let file = folder.path.appending("log")
        let destination = try LogDestination(appendingTo: file)
        let line = String(repeating: "x", count: 100)
        await withTaskGroup { group in
            for _ in 0..<8 {
                group.addTask {
                    for _ in 0..<100 { destination.write(line: line) }
                }
            }
        }
        let lines = try FileText.read(file).split(separator: "\n")
        #expect(lines.count == 800)
        #expect(lines.allSatisfy { $0 == line })
    }
}
