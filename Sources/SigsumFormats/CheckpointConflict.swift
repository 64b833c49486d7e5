// SPDX-License-Identifier: BSD-2-Clause

// A witness's answer to an add-checkpoint whose old size is not that of the last tree that it
// cosigned (C2SP tlog-witness, status 409): it says that tree's size, one line.

package import MerkleLog

/// The answer with status 409.
package enum CheckpointConflict {
    /// What Content-Type says when the body is a size; with any other, nothing is known.
    package static var contentType: String { "text/x.tlog.size" }

    /// Reads the body, `<size>\n` and nothing else: the size of the tree that the witness cosigned
    /// last, 0 for none. It may be above ours.
    package static func parse(_ body: Span<UInt8>) throws(FormatError) -> TreeSize {
        guard let last = body.indices.last, body[last] == 0x0A,
            let number = ASCIIDecimal.parse(body.extracting(..<last)), let size = TreeSize(number)
        else {
            throw FormatError(
                line: 1, expected: "a decimal number up to 2^63-1 and a line feed", found: body)
        }
        return size
    }
}
