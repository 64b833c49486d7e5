// SPDX-License-Identifier: BSD-2-Clause
//
// From the arguments to a role, and from an error to one line and an exit status.

import ArgumentParser
import SystemPackage

/// Does what the arguments say, the first of which is the program's name, and returns the exit
/// status: 0 when all went well, 1 after an error, which standard error has in one line.
package func run(_ arguments: [String]) -> Int32 {
    let invocation = Invocation(arguments)
    do {
        var command = try invocation.program.parseAsRoot(invocation.arguments)
        try command.run()
        return 0
    } catch {
        return finish(invocation, with: error)
    }
}

/// Under which name, and with which arguments.
struct Invocation {
    /// How error messages begin: `sigsum`, `sigsum primary`, `sigsum-log-primary`.
    let name: String
    let program: any ParsableCommand.Type
    /// Without the program's name.
    let arguments: [String]

    init(_ arguments: [String]) {
        // The empty value of `--policy-file=` would count as missing.
        self.arguments = arguments.dropFirst().flatMap { argument in
            argument.hasPrefix("--") && argument.firstIndex(of: "=") == argument.indices.last
                ? [String(argument.dropLast()), ""] : [argument]
        }
        let path = FilePath(arguments.first ?? "sigsum")
        switch path.lastComponent?.string {
        case Role.primary.programName:
            (name, program) = (Role.primary.programName, PrimaryProgram.self)
        case Role.secondary.programName:
            (name, program) = (Role.secondary.programName, SecondaryProgram.self)
        case Role.mktree.programName:
            (name, program) = (Role.mktree.programName, MktreeProgram.self)
        default:
            let role = self.arguments.first.flatMap(Role.init(rawValue:))
            name = role.map { "sigsum \($0.rawValue)" } ?? "sigsum"
            program = SigsumProgram.self
        }
    }
}

/// Help and version are errors to ArgumentParser, too, only that they go to standard output and
/// end with status 0.
private func finish(_ invocation: Invocation, with error: any Error) -> Int32 {
    let message = invocation.program.message(for: error)
    guard invocation.program.exitCode(for: error) == .success else {
        complain(invocation, message)
        return 1
    }
    do {
        try FileDescriptor.standardOutput.writeAll((message + "\n").utf8)
        return 0
    } catch {
        complain(invocation, "standard output: \(error)")
        return 1
    }
}

private func complain(_ invocation: Invocation, _ message: String) {
    let line = message.split(whereSeparator: \.isNewline).joined(separator: " ")
    // With standard error gone, too, the status is all that is left to tell.
    _ = try? FileDescriptor.standardError.writeAll(
        "\(invocation.name): \(escapingControls(line))\n".utf8)
}
