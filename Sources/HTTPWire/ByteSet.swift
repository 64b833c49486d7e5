// SPDX-License-Identifier: BSD-2-Clause
//
// The byte classes of the HTTP grammar (RFC 9110 section 5.6, RFC 3986). A set is two words, so
// that testing a byte is a shift; a switch over the same ranges compiles to an indirect jump per
// byte.

/// A set of ASCII bytes.
struct ByteSet {
    private var low: UInt64 = 0
    private var high: UInt64 = 0

    init(_ members: StaticString) {
        for offset in 0..<members.utf8CodeUnitCount {
            let byte = members.utf8Byte(at: offset)
            precondition(byte < 128)
            if byte < 64 { low |= 1 << byte } else { high |= 1 << (byte - 64) }
        }
    }

    func contains(_ byte: UInt8) -> Bool {
        let word = byte < 64 ? low : high
        return byte < 128 && word >> (byte & 63) & 1 == 1
    }
}

extension ByteSet {
    /// tchar of RFC 9110 section 5.6.2.
    static let token = ByteSet(
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$%&'*+-.^_`|~")

    /// What may stand in a request target: visible ASCII but `#`, since a fragment is never sent.
    /// That is laxer than RFC 3986 in its second line, as browsers and scripts are.
    static let target = ByteSet(
        """
        abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~:/?[]@!$&'()*+,;=%\
        "<>\\^`{|}
        """)

    /// What may stand in `uri-host [":" port]` of RFC 3986 section 3.2. There is no `@`: user
    /// information in a request is an error (RFC 9110 section 4.2.4).
    static let authority = ByteSet(
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~:[]!$&'()*+,;=%")
}

extension Span<UInt8> {
    /// Where the run of members of `set` that `range` begins with ends.
    func endOfRun(of set: ByteSet, in range: Range<Int>) -> Int {
        let run = extracting(range)
        var byteCount = 0
        while byteCount < run.count, set.contains(run[byteCount]) { byteCount += 1 }
        return range.lowerBound + byteCount
    }
}
