// SPDX-License-Identifier: BSD-2-Clause

// SSH's encoding of values (RFC 4251 section 5), written: what an ssh-agent is asked.

package import LogCrypto

/// Bytes in SSH's encoding, in the making.
package struct SSHWriter {
    /// What was appended so far.
    package private(set) var bytes: [UInt8] = []

    /// Without bytes.
    package init() {}

    /// Appends one byte.
    package mutating func append(byte: UInt8) { bytes.append(byte) }

    /// Appends a uint32.
    package mutating func append(integer: UInt32) {
        for shift in [24, 16, 8, 0] as [UInt32] {
            bytes.append(UInt8(truncatingIfNeeded: integer >> shift))
        }
    }

    /// Appends a string: its length, then `string`.
    package mutating func append(string: [UInt8]) {
        append(integer: UInt32(string.count))
        bytes += string
    }
}

extension PublicKey {
    /// The key as SSH names it (RFC 8709 section 4): the strings `ssh-ed25519` and the 32 bytes. In
    /// base64 this is the middle of an OpenSSH public key line.
    package var sshBlob: [UInt8] {
        var writer = SSHWriter()
        writer.append(string: OpenSSHKey.type)
        writer.append(string: withSpan { key in key.indices.map { key[$0] } })
        return writer.bytes
    }
}
