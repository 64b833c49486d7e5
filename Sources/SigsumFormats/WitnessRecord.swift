// SPDX-License-Identifier: BSD-2-Clause

// What a log remembers of its witnesses over a restart: lines of the ASCII format, one for each
// witness, in a value that the store keeps beside the published tree head.
//
//     witness=<key hash> <size> <saved> <seen> <key name>

package import LogCrypto
package import MerkleLog

/// What a log remembers of one witness.
package struct WitnessRecord: Hashable, Sendable {
    /// The witness's key hash.
    package let keyHash: KeyHash
    /// The size of the last tree that it cosigned for this log, as far as the log knows; 0 before
    /// the first.
    package let size: TreeSize
    /// What its budget of requests has saved up, as a time in milliseconds.
    package let savedMilliseconds: UInt64
    /// When that was so, in milliseconds since 1970.
    package let seenMilliseconds: UInt64
    /// The name that its cosignature lines bear, which a checkpoint needs; nil before the first.
    package let keyName: String?

    /// A record of its parts. `keyName` is a note's key name: no spaces, not empty.
    package init(
        keyHash: KeyHash, size: TreeSize, savedMilliseconds: UInt64, seenMilliseconds: UInt64,
        keyName: String?
    ) {
        self.keyHash = keyHash
        self.size = size
        self.savedMilliseconds = savedMilliseconds
        self.seenMilliseconds = seenMilliseconds
        self.keyName = keyName
    }

    private init(parsing bytes: Span<UInt8>, at cursor: inout ASCIICursor) throws(FormatError) {
        let value = bytes.extracting(try cursor.value(of: "witness", in: bytes))
        guard let fields = value.fields(4) ?? value.fields(5),
            let keyHash = KeyHash(hex: value.extracting(fields[0])),
            let size = ASCIIDecimal.parse(value.extracting(fields[1])).flatMap(TreeSize.init),
            let saved = ASCIIDecimal.parse(value.extracting(fields[2])),
            let seen = ASCIIDecimal.parse(value.extracting(fields[3]))
        else {
            throw cursor.error(
                "witness= with a key hash, a size, two times and a key name", found: value)
        }
        var keyName: String?
        if fields.count == 5 {
            keyName = NoteSignature.keyName(value.extracting(fields[4]))
            guard keyName != nil else { throw cursor.error("a key name", found: value) }
        }
        self.init(
            keyHash: keyHash, size: size, savedMilliseconds: saved, seenMilliseconds: seen,
            keyName: keyName)
    }

    /// Reads the lines; none at all is an empty list.
    package static func parse(_ bytes: Span<UInt8>) throws(FormatError) -> [WitnessRecord] {
        var cursor = ASCIICursor()
        var records: [WitnessRecord] = []
        while !cursor.isAtEnd(of: bytes) {
            records.append(try WitnessRecord(parsing: bytes, at: &cursor))
        }
        return records
    }

    /// The lines.
    package static func encode(_ records: [WitnessRecord]) -> [UInt8] {
        var text: [UInt8] = []
        for record in records {
            text.append("witness=")
            text.append(hex: record.keyHash)
            for number in [record.size.value, record.savedMilliseconds, record.seenMilliseconds] {
                text.append(" ")
                text.append(decimal: number)
            }
            if let keyName = record.keyName {
                text.append(" ")
                text.append(contentsOf: keyName.utf8)
            }
            text.append("\n")
        }
        return text
    }
}
