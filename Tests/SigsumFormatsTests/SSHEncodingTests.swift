// SPDX-License-Identifier: BSD-2-Clause

// SSH's encoding: what is written is read back, and what is cut is not read.

import LogCrypto
import SigsumFormats
import TestSupport
import Testing

@Suite struct SSHEncodingTests {
    @Test func writtenAndRead() {
        var writer = SSHWriter()
        writer.append(byte: 7)
        writer.append(integer: 0x0102_0304)
        writer.append(string: [])
        writer.append(string: Array("abc".utf8))
        #expect(
            writer.bytes == [7, 1, 2, 3, 4, 0, 0, 0, 0, 0, 0, 0, 3] + Array("abc".utf8))
        var reader = SSHReader(writer.bytes)
        #expect(reader.byte() == 7)
        #expect(reader.integer() == 0x0102_0304)
        #expect(reader.string() == [])
        #expect(reader.string() == Array("abc".utf8))
        #expect(reader.isAtEnd)
        #expect(reader.byte() == nil)
    }

    /// Too few bytes for a value: nil, and nothing is passed over.
    @Test func cut() {
        for bytes in [
            [], [0], [0, 0, 0], [0, 0, 0, 1], [0, 0, 0, 3, 1, 2], [255, 255, 255, 255],
        ]
            as [[UInt8]]
        {
            var reader = SSHReader(bytes)
            #expect(reader.string() == nil)
            #expect(reader.byte() == bytes.first)
        }
        var short = SSHReader([1, 2, 3])
        #expect(short.integer() == nil)
        #expect(short.byte() == 1)
    }

    /// The middle of a public key line.
    @Test func blobs() throws {
        let keys = try Vectors.keys()
        for (text, line) in [
            (keys.log.public_key, keys.log.openssh_public),
            (keys.ssh_keygen.public_key, keys.ssh_keygen.openssh_public),
        ] {
            let key = try #require(PublicKey(hex: text))
            let blob = String(decoding: Base64.encode(bytes: key.sshBlob), as: UTF8.self)
            #expect(line.hasPrefix("ssh-ed25519 \(blob)"))
        }
    }
}
