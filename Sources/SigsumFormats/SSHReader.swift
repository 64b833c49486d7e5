// SPDX-License-Identifier: BSD-2-Clause

// SSH's encoding of values (RFC 4251 section 5), read: key files and the ssh-agent's answers are
// made of it. What the values mean is for the readers of those.

/// A position in bytes that SSH's encoding is read from. Each call that finds too few bytes for
/// what it is asked for answers nil and stays where it is.
package struct SSHReader {
    private let bytes: [UInt8]
    private var position = 0

    /// At the first of `bytes`.
    package init(_ bytes: [UInt8]) { self.bytes = bytes }

    /// Whether all bytes were read.
    package var isAtEnd: Bool { position == bytes.count }

    /// One byte.
    package mutating func byte() -> UInt8? {
        guard position < bytes.count else { return nil }
        defer { position += 1 }
        return bytes[position]
    }

    /// A uint32: four bytes, big-endian.
    package mutating func integer() -> UInt32? {
        guard bytes.count - position >= 4 else { return nil }
        defer { position += 4 }
        return bytes[position..<position + 4].reduce(0) { $0 << 8 | UInt32($1) }
    }

    /// A string: a uint32 with its length, and as many bytes.
    package mutating func string() -> [UInt8]? {
        let start = position
        guard let count = integer(), bytes.count - position >= Int(count) else {
            position = start
            return nil
        }
        defer { position += Int(count) }
        return Array(bytes[position..<position + Int(count)])
    }

    /// Passes `expected`; false when something else comes next.
    mutating func skip(_ expected: [UInt8]) -> Bool {
        guard bytes[position...].starts(with: expected) else { return false }
        position += expected.count
        return true
    }

    /// Whether what is left is OpenSSH's padding: 1, 2, 3, ... to a multiple of the block size, 8.
    var restIsPadding: Bool {
        let padding = bytes[position...]
        return padding.count < 8 && bytes.count.isMultiple(of: 8)
            && zip(padding, 1...).allSatisfy { Int($0) == $1 }
    }
}
