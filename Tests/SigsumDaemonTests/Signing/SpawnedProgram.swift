// SPDX-License-Identifier: BSD-2-Clause
//
// A child process that inherits three descriptors and no more. Foundation's Process lets a child
// inherit what another launch at the same time has open, by which it waits for the end of that one:
// beside a child that lives long, such as an agent, others would then never seem to end.

import Foundation
import Glibc

/// A program that was started.
struct SpawnedProgram {
    private let process: pid_t
    /// What it has written first, up to the first line feed; empty unless that was asked for.
    private(set) var firstLine = ""

    /// Starts the program at `path`. With `readsFirstLine`, returns when it has written one.
    init(
        _ path: String, _ arguments: [String], environment: [String] = [],
        readsFirstLine: Bool = false
    ) throws {
        let output = Pipe()
        process = try Self.spawn(
            path, arguments, environment,
            output: output.fileHandleForWriting.fileDescriptor)
        while readsFirstLine,
            let byte = try output.fileHandleForReading.read(upToCount: 1)?.first, byte != 0x0A
        {
            firstLine.unicodeScalars.append(Unicode.Scalar(byte))
        }
    }

    /// Asks it to end.
    func terminate() { kill(process, SIGTERM) }

    /// Waits for its end and returns its status: 0 when all was well.
    func wait() -> Int32 {
        var status: Int32 = 0
        // The out parameter is a local.
        while unsafe waitpid(process, &status, 0) < 0, errno == EINTR {}
        return status
    }

    private static func spawn(
        _ path: String, _ arguments: [String], _ environment: [String], output: Int32
    ) throws -> pid_t {
        // Everything handed to posix_spawn is a local or a copy that is freed after it.
        var actions = unsafe posix_spawn_file_actions_t()
        unsafe posix_spawn_file_actions_init(&actions)
        defer { unsafe posix_spawn_file_actions_destroy(&actions) }
        unsafe posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        unsafe posix_spawn_file_actions_adddup2(&actions, output, 1)
        // A descriptor that is not open is no error to posix_spawn.
        for descriptor in 3..<Int32(1024) {
            unsafe posix_spawn_file_actions_addclose(&actions, descriptor)
        }
        // Signals as a fresh program has them, whatever this process did.
        var attributes = posix_spawnattr_t()
        unsafe posix_spawnattr_init(&attributes)
        defer { unsafe posix_spawnattr_destroy(&attributes) }
        var none = sigset_t()
        unsafe sigemptyset(&none)
        unsafe posix_spawnattr_setsigmask(&attributes, &none)
        unsafe posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK))
        var argv = unsafe ([path] + arguments).map { unsafe strdup($0) } + [nil]
        var envp = unsafe environment.map { unsafe strdup($0) } + [nil]
        defer { unsafe (argv + envp).forEach { unsafe free($0) } }
        var process: pid_t = 0
        guard unsafe posix_spawn(&process, path, &actions, &attributes, &argv, &envp) == 0 else {
            throw POSIXError(.ENOENT)
        }
        return process
    }
}
