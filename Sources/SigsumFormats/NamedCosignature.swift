// SPDX-License-Identifier: BSD-2-Clause

// A witness's answer to add-checkpoint (C2SP tlog-witness, status 200): signature lines of a note
// (C2SP signed-note), one or more,
//
//     — witness.example/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2...
//
// whose base64 is, for an Ed25519 cosignature (C2SP tlog-cosignature), key id (4) || big-endian
// time (8) || signature (64). The key id is made of the name on the line and the witness's key, and
// a policy does not know that name: so under whatever name, a line is the witness's when the key id
// is the one that its key has under that name, and the signature over the tree head is valid.
//
// signed-note has unknown keys ignored, and so are lines with another key id or of another length:
// a witness may send one for each of its keys, of other algorithms, too (ML-DSA-44 lines are
// 4 + 8 + 2420 bytes). All lines must be well-formed, though, and the last have its LF. signed-note
// would also have a reader refuse the whole when a known key's signature does not verify. Not here:
// an id of four bytes meets another key's by chance or intent, and then a bad line would hide the
// good one.

package import LogCrypto

/// A witness's cosignature and the name that the witness gives its key, which a checkpoint's
/// signature lines need.
package struct NamedCosignature: Hashable, Sendable {
    /// The cosignature.
    package let cosignature: Cosignature
    /// The key name: UTF-8, 1 to 255 bytes, no white space, no ASCII control characters below
    /// U+0020 and no `+`. The witness chose it, so it is escaped before anybody reads it in a log.
    package let keyName: String

    /// A cosignature and a name that has the form of ``keyName``, such as were stored.
    package init(cosignature: Cosignature, keyName: String) {
        self.cosignature = cosignature
        self.keyName = keyName
    }

    /// The longest key name, in bytes: what the newer cosignatures, which sign it, have room for.
    /// A line with a longer one is of an unknown key.
    package static var keyNameBytesMax: Int { 255 }

    /// The most lines with the witness's key id that are verified: signed-note asks for at least
    /// 16 lines to be accepted.
    package static var triesMax: Int { 16 }

    /// Finds `witness`'s cosignature over `treeHead`, of the log with `logKeyHash`, in the body of
    /// its answer: of several valid ones the first.
    ///
    /// Costs one Ed25519 verification, and up to ``triesMax`` when the witness misbehaves.
    package init(
        answering body: Span<UInt8>, from witness: PublicKey, over treeHead: TreeHead,
        of logKeyHash: KeyHash
    ) throws(CosignatureError) {
        let lines: [NoteSignature]
        do throws(FormatError) {
            lines = try NoteSignature.parseLines(body)
        } catch {
            throw .malformed(error)
        }
        let keyHash = witness.keyHash
        var failure = CosignatureError.absent
        for line in lines.lazy.filter({ $0.isCosignature(of: witness) }).prefix(Self.triesMax) {
            let time = line.signature[..<8].reduce(0) { $0 << 8 | UInt64($1) }
            guard time > 0, time <= UInt64(Int64.max) else {
                failure = .time(time)
                continue
            }
            let cosignature = Cosignature(
                keyHash: keyHash, time: time,
                signature: Signature(copying: line.signature.span, at: 8))
            guard cosignature.isValid(for: witness, over: treeHead, of: logKeyHash) else {
                failure = .invalid
                continue
            }
            self.init(cosignature: cosignature, keyName: line.keyName)
            return
        }
        throw failure
    }
}

extension NoteSignature {
    /// Whether it is an Ed25519 cosignature that claims to be of `witness`.
    fileprivate func isCosignature(of witness: PublicKey) -> Bool {
        guard signature.count == 8 + Signature.byteCount,
            keyName.utf8.count <= NamedCosignature.keyNameBytesMax
        else { return false }
        return keyID
            == Self.keyID(name: keyName.utf8, algorithm: .cosignature, publicKey: witness)
    }
}

/// Why a witness's answer has no cosignature that can be used. When several lines are the
/// witness's and none can be, the last one's reason.
package enum CosignatureError: Error, Hashable, Sendable, CustomStringConvertible {
    /// Not one or more signature lines.
    case malformed(FormatError)
    /// No line has the witness's key id.
    case absent
    /// The signature is not the witness's over this tree head.
    case invalid
    /// The time is 0, which stands for no time, or above 2^63-1, which none may be.
    case time(UInt64)

    /// One line.
    package var description: String {
        switch self {
        case .malformed(let error): "malformed cosignatures: \(error)"
        case .absent: "no cosignature with the key id of the witness's key"
        case .invalid: "a cosignature that is not the witness's over this tree head"
        case .time(let time): "a cosignature with the time \(time), not from 1 to 2^63-1"
        }
    }
}
