// SPDX-License-Identifier: BSD-2-Clause

// The two kinds of large value, written once when a tile is complete and never again:
//
//     slab   256 leaves of 128 bytes || 511 nodes of 32 || checksum of 16   49,136 bytes
//     tile                              511 nodes of 32 || checksum of 16   16,368 bytes
//
// With LMDB's 16-byte page header they fill exactly twelve and four pages. The nodes stand row by
// row as TilePosition counts them. The checksum is the first half of the SHA-256 of all before it:
// it finds what a device has changed; the auditor re-hashes in any case.

internal import LogCrypto
internal import MerkleLog

/// Where things stand in a slab or tile value, and how one is made.
enum Slab {
    /// The bytes of 256 leaves.
    static let leafByteCount = 256 * 128
    /// The bytes of 511 nodes.
    static let nodeByteCount = Tile.nodeCount * 32
    /// The bytes of the checksum.
    static let checksumByteCount = 16
    /// The length of a slab: 49,136.
    static let byteCount = leafByteCount + nodeByteCount + checksumByteCount
    /// The length of a higher tile: 16,368.
    static let tileByteCount = nodeByteCount + checksumByteCount

    /// The value for a tile of the tree's `level`: with `leaves`, the stored bytes of its 256
    /// leaves, at level 0, and without any above.
    static func encode(leaves: [UInt8], nodes: [Digest]) -> [UInt8] {
        precondition(leaves.count == leafByteCount || leaves.isEmpty)
        precondition(nodes.count == Tile.nodeCount)
        var bytes = leaves
        bytes.reserveCapacity(leaves.count + nodeByteCount + checksumByteCount)
        for node in nodes {
            node.withSpan { span in
                bytes.append(addingCapacity: 32) { output in
                    for position in span.indices { output.append(span[position]) }
                }
            }
        }
        let checksum = Digest(sha256: bytes.span)
        for position in 0..<checksumByteCount { bytes.append(checksum.bytes.storage[position]) }
        return bytes
    }

    /// The node at `offset` (as ``TilePosition`` counts) of a slab or tile value.
    static func node(_ offset: Int, of value: Span<UInt8>) -> Digest {
        let base = value.count == byteCount ? leafByteCount : 0
        return Digest(copying: value, at: base + 32 * offset)
    }

    /// Whether the checksum is that of the bytes before it.
    static func hasValidChecksum(_ value: Span<UInt8>) -> Bool {
        let covered = value.count - checksumByteCount
        let checksum = Digest(sha256: value.extracting(0..<covered))
        return (0..<checksumByteCount).allSatisfy {
            value[covered + $0] == checksum.bytes.storage[$0]
        }
    }
}
