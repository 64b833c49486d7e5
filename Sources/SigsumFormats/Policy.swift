// SPDX-License-Identifier: BSD-2-Clause

// The policy file: which logs and witnesses there are and which cosignatures suffice. The format is
// that of the Sigsum tools (sigsum-go, doc/policy.md), so one file serves the log, those who submit
// to it and those who verify:
//
//     # a comment
//     log 4644af2abd40f4895a003bca350f9d5912ab301a49c77f13e5b6d905c20a5fe6 https://log.example
//     witness a 1c25f8a44c635457e2e391d1efbca7d4c2951a0aef06225a881e46b98962ac6c https://w.example
//     witness b 28c92a5a3a054d317c86fc2eeb6a7ab2054d6217100d0be67ded5b74323c5806
//     group both all a b
//     quorum both
//
// What a line may say is PolicyParser.swift's; whether a URL is one that can be asked is for who
// asks it.

package import LogCrypto

/// A policy file's contents.
package struct Policy: Sendable {
    /// A `log` line.
    package struct LogEntry: Hashable, Sendable {
        /// The log's key, never twice in a policy.
        package let publicKey: PublicKey
        /// The URL as the file has it; nil when it has none. Octets that are not UTF-8 are replaced
        /// by U+FFFD, and nobody has looked at whether it is a URL.
        package let url: String?
        /// The line in the file, from 1.
        package let line: Int
    }

    /// A `witness` line.
    package struct Witness: Hashable, Sendable {
        /// The name, never twice in a policy. In a file names are octets, compared as such; here
        /// everything but printable ASCII is escaped (`\xc3`), as are `"` and `\`. So two names
        /// are equal strings only when they are one name, which does not hold for strings in
        /// general: a Kelvin sign is equal to a `K`.
        package let name: String
        /// The witness's key, never twice in a policy.
        package let publicKey: PublicKey
        /// The key's hash, which cosignatures carry.
        package let keyHash: KeyHash
        /// The URL below which the witness answers, as for ``LogEntry/url``; nil when the log does
        /// not ask this witness.
        package let url: String?
        /// The line in the file, from 1.
        package let line: Int
    }

    /// The logs, in the file's order.
    package let logs: [LogEntry]
    /// The witnesses, in the file's order.
    package let witnesses: [Witness]
    /// The cosignatures that suffice.
    package let quorum: Quorum

    init(logs: [LogEntry], witnesses: [Witness], quorum: Quorum) {
        self.logs = logs
        self.witnesses = witnesses
        self.quorum = quorum
    }

    /// Reads a policy file. Every error has its line; that there is no `quorum` is found at the
    /// line after the last. There is no limit to the number of anything (the format asks for at
    /// least 32 logs, witnesses and groups), and the time taken is proportional to the length.
    package init(parsing bytes: Span<UInt8>) throws(FormatError) {
        var parser = PolicyParser()
        var start = 0
        while start < bytes.count {
            var end = start
            while end < bytes.count, bytes[end] != 0x0A { end += 1 }
            try parser.parse(line: bytes.extracting(start..<end))
            start = end + 1
        }
        self = try parser.finish()
    }
}
