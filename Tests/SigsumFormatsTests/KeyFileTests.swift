// SPDX-License-Identifier: BSD-2-Clause

// Key files: those that OpenSSH and sigsum-key write, and the name of what each other file is.

import Foundation
import LogCrypto
import SigsumFormats
import TestSupport
import Testing

@Suite struct KeyFileTests {
    func parse(_ text: String) throws -> (isPrivate: Bool, publicKey: PublicKey) {
        switch try KeyFile(parsing: Array(text.utf8).span) {
        case .privateKey(let key): (true, key.publicKey)
        case .publicKey(let key): (false, key)
        }
    }

    @Test func keysOfSigsumAndOfSSHKeygen() throws {
        let keys = try Vectors.keys()
        for (text, isPrivate, expected) in [
            (keys.log.openssh_private, true, keys.log.public_key),
            (keys.log.openssh_public, false, keys.log.public_key),
            (keys.ssh_keygen.openssh_private, true, keys.ssh_keygen.public_key),
            (keys.ssh_keygen.openssh_public, false, keys.ssh_keygen.public_key),
            ("sigsum-policy=\"x\" " + keys.log.openssh_public, false, keys.log.public_key),
        ] {
            let parsed = try parse(text)
            #expect(parsed.isPrivate == isPrivate)
            #expect(parsed.publicKey.description == expected)
        }
        #expect(
            try parse(keys.log.openssh_private).publicKey.keyHash.description == keys.log.key_hash)
    }

    /// Each file that is something else, and what the error calls it.
    @Test func whatIsRefusedIsNamed() throws {
        let keys = try Vectors.keys()
        let privateKey = keys.log.openssh_private
        let cases: [(String, String)] = [
            (keys.must_be_refused.encrypted_private, "an encrypted private key (aes256-ctr)"),
            (keys.must_be_refused.rsa_private, "a key of type ssh-rsa"),
            (keys.must_be_refused.rsa_public, "a key of type ssh-rsa"),
            (keys.log.seed, "64 hex digits"),
            (keys.log.seed + "\n", "64 hex digits"),
            ("", "an empty file"),
            ("\n", "an empty file"),
            ("hello\n", "\"hello\""),
            ("ssh-ed25519", "without a key"),
            (String(keys.log.openssh_public.prefix(59)), "without a key"),
            (String(keys.log.openssh_public.prefix(60)), "a truncated key"),
            (String(privateKey.dropLast(40)), "without its last line"),
            (privateKey.replacingOccurrences(of: "QAAAEBD", with: "QAAA!BD"), "base64"),
            (privateKey + "more\n", "after the end"),
            ("-----BEGIN PRIVATE KEY-----\nMC4=\n-----END PRIVATE KEY-----\n", "another kind"),
            (keys.log.openssh_public + keys.log.openssh_public, "several lines"),
        ]
        for (text, found) in cases {
            let error = #expect(throws: FormatError.self, "\(found)") { try parse(text) }
            #expect(error?.description.contains(found) == true, "\(error?.description ?? "")")
        }
    }

    /// Cut anywhere, a private key is refused; with any byte of its base64 changed it is refused
    /// or, in the comment and the check numbers, still the same key.
    @Test func mangledPrivateKeys() throws {
        let text = Array(try Vectors.keys().ssh_keygen.openssh_private.utf8)
        let key = try Vectors.keys().ssh_keygen.public_key
        for count in 0..<text.count - 1 {
            #expect(throws: FormatError.self) {
                try parse(String(decoding: text[..<count], as: UTF8.self))
            }
        }
        for position in text.indices {
            var mangled = text
            mangled[position] = mangled[position] == 0x41 ? 0x42 : 0x41
            let parsed = try? parse(String(decoding: mangled, as: UTF8.self))
            #expect(parsed == nil || parsed?.publicKey.description == key)
        }
    }
}
