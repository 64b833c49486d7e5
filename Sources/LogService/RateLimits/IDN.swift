// SPDX-License-Identifier: BSD-2-Clause

// Labels of internationalised domain names (RFC 5890), by libidn2: from what somebody typed to the
// A-label that is in DNS, and from an A-label to the text that it stands for. What else a domain name
// is made of is DomainName.swift's.
//
// libidn2 is given one label at a time, and only those that are not plain ASCII. It would refuse
// hyphens at the third and fourth place, which hosts do have, and let `a/b` and `a..b` pass. Labels
// come in lower case, since until it has Unicode 15.1 it makes ẞ into `ss` and not into ß. Flags:
//
//     IDN2_NONTRANSITIONAL           ß and ς are letters of their own, as in IDNA2008
//     IDN2_NFC_INPUT                 decomposed text is composed
//     no IDN2_USE_STD3_ASCII_RULES   `_` stays possible

internal import CIDN

/// What libidn2 has against a label.
struct IDNError: Error, CustomStringConvertible {
    /// One of `IDN2_*`.
    let code: Int32

    /// A character is not one that a label may have.
    static var disallowed: IDNError { IDNError(code: IDN2_DISALLOWED.rawValue) }

    /// `string contains a disallowed character`.
    var description: String {
        // A string of the library's, for any code; it is there as long as the program.
        unsafe String(cString: idn2_strerror(code))
    }
}

/// Labels between their two forms.
enum IDN {
    /// The ASCII form of `label`, which has no NUL: mapped as UTS #46 says (NFKC, case, and nothing
    /// left of what nobody sees), then checked as IDNA2008 says. It begins with `xn--`, unless the
    /// mapping left only ASCII, which nobody has checked, or even had a dot in it.
    static func ascii(ofLabel label: String) throws(IDNError) -> String {
        // As `convert` calls it: a string with a NUL, and where to put one.
        try unsafe convert(label) { source, result in
            unsafe idn2_lookup_u8(source, result, flags)
        }
    }

    /// Checks that the lower-case A-label `label` stands for text that UTS #46 leaves as it is. That
    /// is less than IDNA2008 demands: some registries do give out names with symbols.
    static func check(aLabel label: String) throws(IDNError) {
        // As `convert` calls it: a string with a NUL, and where to put one.
        let again = try unsafe convert(label) { source, result in
            unsafe idn2_lookup_u8(
                source, result, flags | Int32(IDN2_NO_ALABEL_ROUNDTRIP.rawValue))
        }
        guard again == label else { throw IDNError(code: IDN2_UALABEL_MISMATCH.rawValue) }
    }

    /// The text that the A-label `label` stands for; nothing is checked but that it can be decoded
    /// (RFC 3492).
    static func unicode(ofALabel label: String) throws(IDNError) -> String {
        let characterCount = label.utf8.count + 1
        // The same strings, which this function of the library has under another type; the source
        // has as many bytes as the label, and a NUL.
        return try unsafe convert(label) { source, result in
            unsafe source.withMemoryRebound(to: CChar.self, capacity: characterCount) { source in
                unsafe result.withMemoryRebound(
                    to: UnsafeMutablePointer<CChar>?.self, capacity: 1
                ) { result in
                    unsafe idn2_to_unicode_8z8z(source, result, 0)
                }
            }
        }
    }

    private static let flags = Int32(IDN2_NONTRANSITIONAL.rawValue | IDN2_NFC_INPUT.rawValue)

    /// Calls `function` with `label`, and takes the string that it makes.
    private static func convert(
        _ label: String,
        _ function: (UnsafePointer<UInt8>, UnsafeMutablePointer<UnsafeMutablePointer<UInt8>?>)
            -> Int32
    ) throws(IDNError) -> String {
        var result: UnsafeMutablePointer<UInt8>?
        // `utf8CString` ends in a NUL and lives for the call; the two types have one layout.
        let code = unsafe label.utf8CString.withUnsafeBytes { text in
            unsafe text.assumingMemoryBound(to: UInt8.self).baseAddress
                .map { unsafe function($0, &result) } ?? IDN2_MALLOC.rawValue
        }
        // The library sets it when it returns IDN2_OK, to a string that it allocated, with a NUL at
        // the end, and that is not used after this.
        guard code == IDN2_OK.rawValue, let string = unsafe result else {
            throw IDNError(code: code)
        }
        defer { unsafe idn2_free(string) }
        return unsafe String(cString: string)
    }
}
