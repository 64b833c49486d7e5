// SPDX-License-Identifier: BSD-2-Clause
//
// The first line of a request. It says nothing about which methods and targets the server knows.

/// `method SP request-target SP HTTP-version` (RFC 9112 section 3), with exactly one space each.
struct RequestLine {
    let method: Method
    /// As `RequestHead.target` describes.
    let target: Range<Int>
    let isHTTP10: Bool

    /// - Parameter line: a line that `LineScanner` gave out.
    init(parsing line: Range<Int>, of bytes: Span<UInt8>) throws(RequestError) {
        let methodEnd = bytes.endOfRun(of: .token, in: line)
        guard methodEnd > line.lowerBound, methodEnd < line.upperBound,
            bytes[methodEnd] == ASCII.space
        else { throw .requestLineMalformed }

        let targetStart = methodEnd + 1
        let targetEnd = bytes.endOfRun(of: .target, in: targetStart..<line.upperBound)
        // A line that ends here is HTTP/0.9's.
        guard targetEnd > targetStart, targetEnd < line.upperBound else {
            throw .requestLineMalformed
        }
        guard bytes[targetEnd] == ASCII.space else { throw .targetMalformed }

        // The version goes before the target's form, so that the preface of HTTP/2, a PRI request,
        // hears that its version is not supported.
        do {
            isHTTP10 = try HTTPVersion(parsing: (targetEnd + 1)..<line.upperBound, of: bytes).is10
        } catch {
            throw .message(error)
        }
        let methodToken = line.lowerBound..<methodEnd
        method = Method(methodToken, of: bytes)
        target = try Self.pathAndQuery(
            targetStart..<targetEnd, of: bytes, isOptions: bytes.equals("OPTIONS", in: methodToken))
    }

    /// Brings a target to origin form (RFC 9112 section 3.2). Authority form is CONNECT's alone,
    /// which is a proxy's business, and refused.
    private static func pathAndQuery(
        _ target: Range<Int>, of bytes: Span<UInt8>, isOptions: Bool
    ) throws(RequestError) -> Range<Int> {
        let start = target.lowerBound
        guard bytes[start] != ASCII.slash else { return target }
        if isOptions, bytes.equals("*", in: target) { return target }

        let authorityStart: Int
        if target.count >= 7, bytes.matches("http://", in: start..<(start + 7)) {
            authorityStart = start + 7
        } else if target.count >= 8, bytes.matches("https://", in: start..<(start + 8)) {
            authorityStart = start + 8
        } else {
            throw .targetMalformed
        }
        let pathStart = bytes.endOfRun(of: .authority, in: authorityStart..<target.upperBound)
        guard pathStart > authorityStart else { throw .targetMalformed }
        // Without a path the target is `/`; there is one at hand, the last before the authority.
        let rootPath = (authorityStart - 1)..<authorityStart
        guard pathStart < target.upperBound else { return rootPath }
        switch bytes[pathStart] {
        case ASCII.slash: return pathStart..<target.upperBound
        case UInt8(ascii: "?"): return rootPath
        default: throw .targetMalformed
        }
    }
}

extension Method {
    fileprivate init(_ token: Range<Int>, of bytes: Span<UInt8>) {
        if bytes.equals("GET", in: token) {
            self = .get
        } else if bytes.equals("POST", in: token) {
            self = .post
        } else if bytes.equals("HEAD", in: token) {
            self = .head
        } else {
            self = .other
        }
    }
}
