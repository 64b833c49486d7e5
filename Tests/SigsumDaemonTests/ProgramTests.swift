// SPDX-License-Identifier: BSD-2-Clause
//
// The built executable, from outside: what it prints where, and its exit status.

import Foundation
import SystemPackage
import TestSupport
import Testing

@testable import SigsumDaemon

// One after the other: a child that is started while another one is would inherit its pipe.
@Suite(.serialized)
struct ProgramTests {
    struct Outcome: Equatable {
        var status: Int32
        var output: String
        var errors: String
    }

    /// Runs the executable that was built with the tests, under a name of choice.
    private static func run(
        _ name: String, _ arguments: [String], configuration: String = "/dev/null"
    ) throws -> Outcome {
        let folder = try TemporaryFolder()
        let tests = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
        let program = FilePath(tests).removingLastComponent().appending("sigsum")
        let link = folder.path.appending(name)
        try FileManager.default.createSymbolicLink(
            atPath: link.string, withDestinationPath: program.string)

        let process = Process()
        process.executableURL = URL(fileURLWithPath: link.string)
        process.arguments = arguments
        process.environment = [ConfigurationFile.variable: configuration]
        let output = Pipe()
        let errors = Pipe()
        process.standardOutput = output
        process.standardError = errors
        try process.run()
        // Neither fills a pipe, so that one can be read after the other.
        let outputBytes = output.fileHandleForReading.readDataToEndOfFile()
        let errorBytes = errors.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return Outcome(
            status: process.terminationStatus, output: String(decoding: outputBytes, as: UTF8.self),
            errors: String(decoding: errorBytes, as: UTF8.self))
    }

    @Test(
        "--version, under every name",
        arguments: [
            ("sigsum", ["--version"]), ("sigsum", ["primary", "--version"]),
            ("sigsum-log-primary", ["--version"]), ("sigsum-log-secondary", ["--version"]),
            ("sigsum-mktree", ["--version"]),
        ])
    func version(name: String, arguments: [String]) throws {
        let outcome = try Self.run(name, arguments)
        #expect(outcome == Outcome(status: 0, output: "sigsum 0.1.0\n", errors: ""))
    }

    @Test(
        "The help, on standard output",
        arguments: [
            ("sigsum", [], "USAGE: sigsum <subcommand>"),
            ("anything", ["--help"], "USAGE: sigsum <subcommand>"),
            ("sigsum", ["primary", "--help"], "USAGE: sigsum primary "),
            ("sigsum", ["help", "secondary"], "USAGE: sigsum secondary "),
            ("sigsum-log-primary", ["--help"], "USAGE: sigsum-log-primary "),
            ("sigsum-log-secondary", ["-?"], "USAGE: sigsum-log-secondary "),
            ("sigsum-mktree", ["-h"], "USAGE: sigsum-mktree "),
        ])
    func help(name: String, arguments: [String], usage: String) throws {
        let outcome = try Self.run(name, arguments)
        #expect(outcome.status == 0)
        #expect(outcome.output.contains(usage), "\(outcome.output)")
        #expect(outcome.errors == "")
    }

    @Test(
        "Mistakes: one line on standard error, status 1",
        arguments: [
            ("sigsum", ["frob"], "sigsum: Unexpected argument 'frob'"),
            ("sigsum", ["primary", "--foo"], "sigsum primary: Unknown option '--foo'"),
            ("sigsum-log-primary", ["--foo"], "sigsum-log-primary: Unknown option '--foo'"),
            (
                "sigsum-log-secondary", ["--max-range=3"],
                "sigsum-log-secondary: Unknown option '--max-range'"
            ),
            ("sigsum-mktree", ["a"], "sigsum-mktree: Unexpected argument 'a'"),
            (
                "sigsum-log-primary", ["a", "b"],
                "sigsum-log-primary: 2 unexpected arguments: 'a', 'b'"
            ),
            (
                "sigsum-log-primary", ["--interval"],
                "sigsum-log-primary: Missing value for '--interval <duration>'"
            ),
            ("sigsum", ["primary"], "sigsum primary: key-file: missing; it has no default"),
            (
                "sigsum", ["primary", "--key-file="],
                "sigsum primary: --key-file: missing; it has no default"
            ),
            (
                "sigsum", ["primary", "--threads=-1"],
                "sigsum primary: --threads: expected an integer from 0 to 1024, found \"-1\""
            ),
            (
                "sigsum", ["primary", "--threads=9999999999999999999"],
                "sigsum primary: --threads: expected an integer from 0 to 1024, "
                    + "found \"9999999999999999999\""
            ),
            (
                "sigsum-log-primary", ["--trillian-rpc-server", "x"],
                "sigsum-log-primary: --trillian-rpc-server: sigsum needs no Trillian server: "
                    + "remove this; store-dir replaces it"
            ),
            (
                "sigsum-log-primary", ["--trillian-tree-id-file=x"],
                "sigsum-log-primary: --trillian-tree-id-file: sigsum needs no tree id: "
                    + "remove this; store-dir replaces it"
            ),
            (
                "sigsum-log-secondary", ["--key-file=k", "--primary-url=http://a"],
                "sigsum-log-secondary: key-file: k: No such file or directory"
            ),
            (
                "sigsum-mktree", ["--mode=a\nb"],
                "sigsum-mktree: --mode: expected \"empty\", \"local-tree\", \"saved\" or \"audit\", "
                    + "found \"a\\nb\""
            ),
        ])
    func mistake(name: String, arguments: [String], line: String) throws {
        let outcome = try Self.run(name, arguments)
        #expect(outcome == Outcome(status: 1, output: "", errors: line + "\n"))
    }

    @Test("A rate-limit file that is wrong, or not there, before anything is touched")
    func rateLimitFile() throws {
        let folder = try TemporaryFolder()
        let key = try folder.write(Vectors.keys().log.openssh_private, to: "key")
        let limits = try folder.write("# limits\nkey 12 3\n", to: "limits")
        func refusal(_ file: FilePath) throws -> String {
            let outcome = try Self.run(
                "sigsum-log-primary",
                [
                    "--key-file=\(key)", "--rate-limit-file=\(file)",
                    "--external-endpoint=127.0.0.1:0", "--internal-endpoint=127.0.0.1:0",
                    "--store-dir=\(folder.path)/store", "--sth-file=\(folder.path)/sth",
                ])
            #expect(outcome.status == 1 && outcome.output == "")
            return outcome.errors.split(separator: "\n").last.map { String($0) } ?? ""
        }
        #expect(
            try refusal(limits)
                == "sigsum-log-primary: rate-limit-file: \(limits): line 2: "
                + "expected a key hash of 64 hex digits, found \"12\"")
        let absent = folder.path.appending("absent")
        #expect(
            try refusal(absent)
                == "sigsum-log-primary: rate-limit-file: \(absent): No such file or directory")
        #expect(!FileText.exists(folder.path.appending("store")))
    }

    @Test("A mistake in the file, and a file that is not there")
    func file() throws {
        let folder = try TemporaryFolder()
        let file = try folder.write("\ntime-out = \"3s\"\n", to: "c.toml")
        #expect(
            try Self.run("sigsum", ["primary"], configuration: file.string).errors
                == "sigsum primary: \(file):2:1: unknown key \"time-out\"\n")
        let absent = folder.path.appending("d.toml")
        #expect(
            try Self.run("sigsum-mktree", [], configuration: absent.string)
                == Outcome(
                    status: 1, output: "",
                    errors: "sigsum-mktree: \(absent): No such file or directory, named by "
                        + "SIGSUM_LOGSERVER_CONFIG\n"))
    }
}
