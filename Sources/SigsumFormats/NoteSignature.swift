// SPDX-License-Identifier: BSD-2-Clause

// Signature lines of signed notes (C2SP signed-note), which is what a checkpoint and a witness's
// answer end in:
//
//     — <key name> <base64 of key id (4) || signature>
//
// The dash is U+2014. A key name is UTF-8, not empty, without white space, control characters and
// `+`. Whose signature it is and whether it is valid is for others.

internal import LogCrypto

/// One signature line. Any well-formed line is one, whatever key and algorithm it is of.
struct NoteSignature {
    let keyName: String
    let keyID: UInt32
    /// What follows the key id; its form is the algorithm's.
    let signature: [UInt8]

    /// The algorithms that a Sigsum log meets, by their identifier byte.
    enum Algorithm: UInt8 {
        /// The log's own signature, of 64 bytes.
        case ed25519 = 0x01
        /// A witness's: a big-endian time (8) and an Ed25519 signature (64) (C2SP tlog-cosignature).
        case cosignature = 0x04
    }

    /// The first four bytes, big-endian, of SHA-256(name || LF || algorithm || public key). It
    /// tells keys apart and is no proof of anything.
    static func keyID(
        name: some Sequence<UInt8>, algorithm: Algorithm, publicKey: PublicKey
    ) -> UInt32 {
        var input = Array(name)
        input.append(0x0A)
        input.append(algorithm.rawValue)
        publicKey.withSpan { bytes in
            for position in bytes.indices { input.append(bytes[position]) }
        }
        let digest = Digest(sha256: input.span).bytes.storage
        return (0..<4).reduce(0) { $0 << 8 | UInt32(digest[$1]) }
    }

    /// Reads a line, without its LF. `number` is for the error.
    init(parsing line: Span<UInt8>, number: Int) throws(FormatError) {
        guard let fields = line.fields(3), fields[0].count == 3,
            line.hasBytes(of: "\u{2014}", at: 0),
            let keyName = Self.keyName(line.extracting(fields[1])),
            let blob = Base64.decode(line.extracting(fields[2])), blob.count >= 4
        else {
            throw FormatError(
                line: number, expected: "\"\\xe2\\x80\\x94 <key name> <base64>\"", found: line)
        }
        self.keyName = keyName
        keyID = blob[..<4].reduce(0) { $0 << 8 | UInt32($1) }
        signature = Array(blob[4...])
    }

    /// Reads one line or more, each with its LF.
    static func parseLines(_ bytes: Span<UInt8>) throws(FormatError) -> [NoteSignature] {
        var lines: [NoteSignature] = []
        var start = 0
        repeat {
            var end = start
            while end < bytes.count, bytes[end] != 0x0A { end += 1 }
            lines.append(
                try NoteSignature(
                    parsing: bytes.extracting(start..<end), number: lines.count + 1))
            guard end < bytes.count else {
                throw FormatError(
                    line: lines.count, expected: "a line feed after the signature",
                    found: "the end")
            }
            start = end + 1
        } while start < bytes.count
        return lines
    }

    /// Appends a line.
    static func append(
        keyName: [UInt8], keyID: UInt32, signature: Signature, to text: inout [UInt8]
    ) {
        var blob: [UInt8] = []
        for shift in [24, 16, 8, 0] { blob.append(UInt8(truncatingIfNeeded: keyID >> shift)) }
        signature.withSpan { bytes in
            for position in bytes.indices { blob.append(bytes[position]) }
        }
        text.append("\u{2014} ")
        text += keyName
        text.append(" ")
        text += Base64.encode(blob.span)
        text.append("\n")
    }

    /// The name that `bytes`, which have no spaces, are; nil when they are none.
    static func keyName(_ bytes: Span<UInt8>) -> String? {
        var copy: [UInt8] = []
        for position in bytes.indices { copy.append(bytes[position]) }
        guard let name = String(validating: copy, as: UTF8.self) else { return nil }
        for scalar in name.unicodeScalars
        where scalar.value < 0x20 || scalar == "+" || scalar.properties.isWhitespace {
            return nil
        }
        return name
    }
}
