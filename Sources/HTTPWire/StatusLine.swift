// SPDX-License-Identifier: BSD-2-Clause
//
// The first line of a response. What a status means its readers know.

/// `HTTP-version SP status-code SP [reason-phrase]` (RFC 9112 section 4). The reason phrase is
/// ignored; where there is none, the second space may be missing too, as with some servers it is.
struct StatusLine {
    /// 100...999.
    let code: Int
    let isHTTP10: Bool

    private static let codeDigitCount = 3

    /// - Parameter line: a line that `LineScanner` gave out.
    init(parsing line: Range<Int>, of bytes: Span<UInt8>) throws(ResponseError) {
        let versionEnd = line.lowerBound + HTTPVersion.byteCount
        let codeStart = versionEnd + 1
        let codeEnd = codeStart + Self.codeDigitCount
        guard codeEnd <= line.upperBound, bytes[versionEnd] == ASCII.space,
            codeEnd == line.upperBound || bytes[codeEnd] == ASCII.space
        else { throw .statusLineMalformed }
        do {
            isHTTP10 = try HTTPVersion(parsing: line.lowerBound..<versionEnd, of: bytes).is10
        } catch {
            throw .message(error)
        }
        var code = 0
        for offset in codeStart..<codeEnd {
            guard ASCII.isDigit(bytes[offset]) else { throw .statusLineMalformed }
            code = 10 * code + Int(bytes[offset] - ASCII.zero)
        }
        guard code >= 100 else { throw .statusLineMalformed }
        self.code = code
    }
}
