// SPDX-License-Identifier: BSD-2-Clause
//
// A name as the DNS knows it, of the letters that names are made of. Its labels are A-labels
// already; what people write, in whatever script, is the business of others.

/// An absolute domain name of letters, digits, `-` and `_`, in lower case, without the dot at its
/// end; not the root.
struct DNSName: Hashable, Sendable {
    let text: String

    /// Nil if it cannot be such a name: wrong letters, a label that is empty or has more than 63
    /// bytes, more than 253 bytes in all (RFC 1035 section 2.3.4: 255 with lengths and root).
    init?(_ text: String) {
        let text = text.hasSuffix(".") ? text.dropLast() : text[...]
        guard text.utf8.count <= 253, text.utf8.allSatisfy(Self.isPart) else { return nil }
        let labels = text.utf8.split(
            separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        guard labels.allSatisfy({ 1...63 ~= $0.count }) else { return nil }
        self.text = text.lowercased()
    }

    private static func isPart(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"),
            UInt8(ascii: "."):
            true
        default: false
        }
    }
}
