// SPDX-License-Identifier: BSD-2-Clause

// A domain name as somebody wrote it, in a submit token, a rate-limit file or the public suffix
// list, made into the one form by which it is compared and looked up. What is about Unicode is
// libidn2's, in IDN.swift.
//
// A label may be written in Unicode, in any case and composition, or as its A-label; both are one
// name. An A-label stands for one Unicode text and a text has one A-label, so names are equal in
// their normal Unicode form when they are equal in ASCII, and the latter is what is kept.
//
// log-go 0.15.2 compares in the same way, but takes any label that it can encode. Here is refused
// what is in no DNS anyway: empty labels, other ASCII than letters, digits, `-` and `_`, hyphens at
// either end, names that are too long, and in Unicode what libidn2 refuses (unassigned and
// disallowed characters, left and right mixed up). A name with a symbol in it, which IDNA2008 does
// not have but some registries do, has to be written as its A-label. A final dot is dropped, while
// to log-go `example.org.` is another name than `example.org`.

package import SigsumFormats

/// A domain name in its normal form.
package struct DomainName: Hashable, Sendable, CustomStringConvertible {
    /// The name with A-labels, in lower case, without a final dot: 1 to 253 bytes, labels of 1 to
    /// 63 bytes.
    package let ascii: String

    /// The longest name in bytes (RFC 1035 section 2.3.4, less what the wire adds).
    package static let byteCountMax = 253
    /// The longest label in bytes.
    package static let labelByteCountMax = 63
    /// The longest text that is read as a name, in bytes of UTF-8: room for any name in its Unicode
    /// form, and a bound on what libidn2 is given.
    package static let textByteCountMax = 1_024

    /// Reads a name in any of its forms, in UTF-8. The error has no line.
    package init(parsing text: Span<UInt8>) throws(FormatError) {
        guard text.count <= Self.textByteCountMax else {
            throw FormatError(
                expected: "a domain name of at most \(Self.textByteCountMax) bytes", found: text)
        }
        var name = text.indices.map { Self.lowerCase(text[$0]) }
        if Self.isInternational(name) { name = try Self.ascii(ofName: name) }
        if name.last == Self.dot { name.removeLast() }
        guard Self.isName(name.span) else { throw Self.error(found: text) }
        ascii = String(decoding: name, as: UTF8.self)
    }

    /// A name that was an ``ascii`` before; nil when it cannot have been. libidn2 is not asked again,
    /// since by now it may have another opinion.
    init?(stored text: Span<UInt8>) {
        guard Self.isName(text) else { return nil }
        ascii = String(decoding: text.indices.map { text[$0] }, as: UTF8.self)
    }

    /// The name `ascii`, which is in its normal form.
    init(unchecked ascii: String) {
        self.ascii = ascii
    }

    /// The name with its A-labels decoded.
    package var unicode: String {
        let labels = ascii.split(separator: ".").map { label in
            guard label.utf8.starts(with: Self.prefix) else { return String(label) }
            return (try? IDN.unicode(ofALabel: String(label))) ?? String(label)
        }
        return labels.joined(separator: ".")
    }

    /// ``ascii``: in a log or a message nothing looks like anything else.
    package var description: String { ascii }

    /// The name without its first label; nil for a top-level domain.
    package var parent: DomainName? {
        guard let dot = ascii.utf8.firstIndex(of: Self.dot) else { return nil }
        return DomainName(unchecked: String(ascii[ascii.utf8.index(after: dot)...]))
    }

    /// The name without all but its last two labels: what may be a registered domain, for want of a
    /// public suffix list.
    package var lastTwoLabels: DomainName {
        var name = self
        while let parent = name.parent, parent.parent != nil { name = parent }
        return name
    }

    /// The name `label.self`, for a label in its normal form, as `_sigsum_v1` is; nil when that is
    /// too long for a name.
    package func child(_ label: StaticString) -> DomainName? {
        let name = "\(label).\(ascii)"
        return name.utf8.count <= Self.byteCountMax ? DomainName(unchecked: name) : nil
    }
}

// MARK: ASCII

extension DomainName {
    private static let dot = UInt8(ascii: ".")
    private static let hyphen = UInt8(ascii: "-")
    private static let prefix = Array("xn--".utf8)

    private static func lowerCase(_ byte: UInt8) -> UInt8 {
        byte >= 0x41 && byte <= 0x5A ? byte | 0x20 : byte
    }

    /// Whether there may be labels in `name` that libidn2 is to be asked about.
    private static func isInternational(_ name: [UInt8]) -> Bool {
        for (position, byte) in name.enumerated() {
            if byte >= 0x80 { return true }
            if byte == hyphen, name[...position].suffix(prefix.count).elementsEqual(prefix) {
                return true
            }
        }
        return false
    }

    /// Whether `name` is one in lower case and ASCII. Nobody looks into A-labels here.
    private static func isName(_ name: Span<UInt8>) -> Bool {
        guard name.count <= byteCountMax else { return false }
        var start = 0
        for end in 0...name.count where end == name.count || name[end] == dot {
            guard end > start, end - start <= labelByteCountMax, name[start] != hyphen,
                name[end - 1] != hyphen
            else { return false }
            for position in start..<end where !isLabelByte(name[position]) { return false }
            start = end + 1
        }
        return true
    }

    private static func isLabelByte(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x61...0x7A, 0x30...0x39, hyphen, UInt8(ascii: "_"): true
        default: false
        }
    }

    private static func error(found text: Span<UInt8>) -> FormatError {
        FormatError(
            expected: "a domain name of letters, digits, \"-\" and \"_\" between dots", found: text)
    }
}

// MARK: Unicode

extension DomainName {
    /// The dots of IDNA: what keyboards have that write no Latin (RFC 3490 section 3.1).
    private static let dots: Set<Unicode.Scalar> = [".", "\u{3002}", "\u{FF0E}", "\u{FF61}"]

    /// Case folding makes other letters of these, and UTS #46 without its transition does not:
    /// they, and the joiners, are valid as they are (UTS #46 section 4, "deviation characters").
    private static let deviations: Set<Unicode.Scalar> = [
        "\u{DF}", "\u{3C2}", "\u{200C}", "\u{200D}",
    ]

    /// `name`, in UTF-8, with A-labels.
    private static func ascii(ofName name: [UInt8]) throws(FormatError) -> [UInt8] {
        guard let text = String(validating: name, as: UTF8.self) else {
            throw FormatError(expected: "a domain name in UTF-8", found: name.span)
        }
        var ascii: [UInt8] = []
        let labels = text.unicodeScalars.split(
            omittingEmptySubsequences: false, whereSeparator: dots.contains)
        for (index, label) in labels.enumerated() {
            if index > 0 { ascii.append(dot) }
            do {
                ascii.append(contentsOf: try Self.ascii(ofLabel: label).utf8)
            } catch {
                throw FormatError(
                    expected: "an internationalised domain name",
                    found: "\(FormatError.quoted(name.span)) (\(error))")
            }
        }
        return ascii
    }

    /// `label` as it is when it is plain ASCII, else as an A-label that was found to be normal.
    private static func ascii(
        ofLabel label: Substring.UnicodeScalarView
    ) throws(IDNError) -> String {
        var ascii = lowerCase(label)
        // Of what else ASCII has, a name is refused later. Here only NUL would be in the way.
        guard !ascii.utf8.contains(0) else { throw .disallowed }
        if !ascii.utf8.allSatisfy({ $0 < 0x80 }) { ascii = try IDN.ascii(ofLabel: ascii) }
        guard ascii.utf8.starts(with: prefix) else { return ascii }
        try IDN.check(aLabel: ascii)
        guard isNormal(try IDN.unicode(ofALabel: ascii)) else { throw .disallowed }
        return ascii
    }

    /// Each letter as its one lower-case letter. İ has only one with a mark, which log-go leaves out.
    private static func lowerCase(_ label: Substring.UnicodeScalarView) -> String {
        var text = ""
        for scalar in label {
            text += scalar == "\u{130}" ? "i" : scalar.properties.lowercaseMapping
        }
        return text
    }

    /// Whether the text of an A-label is what it is after NFKC and in lower case. libidn2, told to
    /// let `_` pass, lets characters pass that stand for some other ASCII, and takes Cherokee's upper
    /// case for the normal one. Composition it has checked.
    private static func isNormal(_ text: String) -> Bool {
        text.unicodeScalars.allSatisfy { scalar in
            scalar.properties.lowercaseMapping.unicodeScalars.elementsEqual([scalar])
                && (!scalar.properties.changesWhenNFKCCaseFolded || deviations.contains(scalar))
        }
    }
}
