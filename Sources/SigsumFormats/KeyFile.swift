// SPDX-License-Identifier: BSD-2-Clause

// Key files: an unencrypted OpenSSH private key (openssh-portable, PROTOCOL.key), or a public key
// line, whose private half an ssh-agent keeps. What is neither is told apart, so that the operator
// reads what the file is and not merely that it is wrong.

package import LogCrypto

/// What a `key-file` holds.
package enum KeyFile: ~Copyable {
    /// A private key: signatures are made here.
    case privateKey(SigningKey)
    /// A public key: signatures are made by the ssh-agent that knows its private half.
    case publicKey(PublicKey)

    /// The public key, in either case.
    package var publicKey: PublicKey {
        switch self {
        case .privateKey(let key): key.publicKey
        case .publicKey(let key): key
        }
    }

    /// Reads the contents of a key file.
    package init(parsing bytes: Span<UInt8>) throws(FormatError) {
        let begin: StaticString = "-----BEGIN OPENSSH PRIVATE KEY-----"
        if bytes.hasBytes(of: begin, at: 0) {
            self = .privateKey(try OpenSSHKey.parsePrivate(bytes))
        } else if bytes.hasBytes(of: "-----BEGIN ", at: 0) {
            let line = Array(bytes.lines.first ?? [])
            throw Self.unexpected("a PEM file of another kind: \(FormatError.quoted(line.span))")
        } else if let digits = bytes.lines.first, digits.count == 64, Hex.decode(digits.span) != nil
        {
            throw Self.unexpected(
                "64 hex digits: docs/migrating-from-log-go.md converts them")
        } else {
            self = .publicKey(try OpenSSHKey.parsePublic(bytes))
        }
    }

    static func unexpected(_ found: String) -> FormatError {
        FormatError(
            expected:
                "an unencrypted OpenSSH Ed25519 private key or an ssh-ed25519 public key line",
            found: found)
    }
}

/// OpenSSH's two encodings of an Ed25519 key.
enum OpenSSHKey {
    static let type = Array("ssh-ed25519".utf8)

    /// Reads a public key line: an optional option `sigsum-policy="name"`, the key type, the key in
    /// base64, and an optional comment.
    static func parsePublic(_ bytes: Span<UInt8>) throws(FormatError) -> PublicKey {
        let lines = bytes.lines
        guard let line = lines.first, !line.isEmpty, lines.dropFirst().allSatisfy(\.isEmpty) else {
            throw KeyFile.unexpected(
                lines.allSatisfy(\.isEmpty) ? "an empty file" : "several lines")
        }
        var words = line.split(separator: UInt8(ascii: " "), maxSplits: 3)
        if let option = words.first, option.starts(with: Array("sigsum-policy=\"".utf8)),
            option.last == UInt8(ascii: "\"")
        {
            words.removeFirst()
        }
        guard let name = words.first else { throw KeyFile.unexpected("an empty line") }
        guard Array(name) == type else {
            throw KeyFile.unexpected(
                name.starts(with: Array("ssh-".utf8)) || name.starts(with: Array("ecdsa-".utf8))
                    ? "a key of type \(String(decoding: name, as: UTF8.self))"
                    : FormatError.quoted(line.span))
        }
        guard words.count > 1, let blob = Base64.decode(Array(words[1]).span) else {
            throw KeyFile.unexpected("ssh-ed25519 without a key in base64 (a truncated line?)")
        }
        return try parsePublicBlob(blob)
    }

    /// Reads `string "ssh-ed25519", string key`.
    static func parsePublicBlob(_ blob: [UInt8]) throws(FormatError) -> PublicKey {
        var reader = SSHReader(blob)
        let name = try reader.keyString()
        guard name == type else {
            throw KeyFile.unexpected("a key of type \(String(decoding: name, as: UTF8.self))")
        }
        let key = try reader.keyString()
        guard key.count == PublicKey.byteCount, reader.isAtEnd else {
            throw KeyFile.unexpected("an ssh-ed25519 key of the wrong length")
        }
        return PublicKey(copying: key.span)
    }

    /// Reads a private key file.
    static func parsePrivate(_ bytes: Span<UInt8>) throws(FormatError) -> SigningKey {
        let lines = bytes.lines
        let end = Array("-----END OPENSSH PRIVATE KEY-----".utf8)
        guard let endIndex = lines.firstIndex(of: end) else {
            throw KeyFile.unexpected("an OpenSSH private key without its last line (truncated?)")
        }
        guard lines[(endIndex + 1)...].allSatisfy(\.isEmpty) else {
            throw KeyFile.unexpected("lines after the end of an OpenSSH private key")
        }
        let text = lines[1..<endIndex].flatMap { $0 }
        guard let blob = Base64.decode(text.span) else {
            throw KeyFile.unexpected("an OpenSSH private key whose base64 is damaged")
        }
        return try parsePrivateBlob(blob)
    }

    private static func parsePrivateBlob(_ blob: [UInt8]) throws(FormatError) -> SigningKey {
        var reader = SSHReader(blob)
        guard reader.skip(Array("openssh-key-v1\0".utf8)) else {
            throw KeyFile.unexpected("an OpenSSH private key of an unknown version")
        }
        let cipher = try reader.keyString()
        let derivation = try reader.keyString()
        _ = try reader.keyString()
        guard cipher == Array("none".utf8), derivation == Array("none".utf8) else {
            throw KeyFile.unexpected(
                "an encrypted private key (\(String(decoding: cipher, as: UTF8.self)))")
        }
        guard try reader.keyInteger() == 1 else { throw KeyFile.unexpected("several keys") }
        let publicKey = try parsePublicBlob(try reader.keyString())
        let section = try reader.keyString()
        guard reader.isAtEnd else { throw KeyFile.unexpected("bytes after a private key") }
        return try parsePrivateSection(section, publicKey: publicKey)
    }

    private static func parsePrivateSection(
        _ section: [UInt8], publicKey: PublicKey
    ) throws(FormatError) -> SigningKey {
        var reader = SSHReader(section)
        let check = try reader.keyInteger()
        guard try reader.keyInteger() == check else {
            throw KeyFile.unexpected("a private key whose check numbers differ")
        }
        guard try reader.keyString() == type else {
            throw KeyFile.unexpected("a private key of another type than its public half")
        }
        let innerPublic = try reader.keyString()
        let secret = try reader.keyString()
        _ = try reader.keyString()  // the comment
        guard innerPublic.count == 32, secret.count == 64,
            innerPublic == Array(secret[32...]), PublicKey(copying: innerPublic.span) == publicKey
        else { throw KeyFile.unexpected("a private key that names two public keys") }
        guard reader.restIsPadding else {
            throw KeyFile.unexpected("a private key with wrong padding")
        }
        let key = SigningKey(seed: FixedBytes(copying: secret.span))
        guard key.publicKey == publicKey else {
            throw KeyFile.unexpected("a private key that is not its public key's")
        }
        return key
    }
}

extension SSHReader {
    /// The next number of a key.
    fileprivate mutating func keyInteger() throws(FormatError) -> UInt32 {
        guard let number = integer() else { throw KeyFile.unexpected("a truncated key") }
        return number
    }

    /// The next string of a key.
    fileprivate mutating func keyString() throws(FormatError) -> [UInt8] {
        guard let string = string() else { throw KeyFile.unexpected("a truncated key") }
        return string
    }
}

extension Span<UInt8> {
    /// The lines, without their LF or CR LF; an empty last one is left out.
    var lines: [[UInt8]] {
        var lines: [[UInt8]] = []
        var line: [UInt8] = []
        for position in indices {
            guard self[position] != 0x0A else {
                if line.last == 0x0D { line.removeLast() }
                lines.append(line)
                line = []
                continue
            }
            line.append(self[position])
        }
        if !line.isEmpty { lines.append(line) }
        return lines
    }
}
