// SPDX-License-Identifier: BSD-2-Clause

// The rate-limit file: who may add how many new leaves in 24 hours.
//
//     key 1c25f8a44c635457e2e391d1efbca7d4c2951a0aef06225a881e46b98962ac6c 1000
//     domain example.org 500     # and whatever is below it
//     public /usr/share/publicsuffix/public_suffix_list.dat 20
//     public-total 10000
//
// The format is log-go's, with `public-total`, which it does not have: a limit to what all public
// domains add together. A `#` begins a comment wherever it stands, so no file's name can have one,
// nor a blank. A line that log-go refuses is refused; so are, beyond that, domains that DNS cannot
// have (DomainName.swift). What the lines mean together is RateLimits.swift's, and reading the
// public suffix list is for whoever can read files.

package import LogCrypto
package import SigsumFormats

/// A rate-limit file's contents. Limits are 0 to 2^31-1 leaves in 24 hours.
package struct RateLimitFile: Sendable {
    /// The `public` line.
    package struct PublicLine: Hashable, Sendable {
        /// The name of the file with the public suffix list, as it was written.
        package let suffixFile: String
        /// The limit of each registered domain.
        package let limit: Int
        /// The line in the file, from 1.
        package let line: Int
    }

    /// The limits of the `key` lines.
    package private(set) var keys: [KeyHash: Int] = [:]
    /// The limits of the `domain` lines.
    package private(set) var domains: [DomainName: Int] = [:]
    /// The `public` line, if there is one.
    package private(set) var publicLine: PublicLine?
    /// The limit of the `public-total` line, if there is one.
    package private(set) var publicTotal: Int?

    /// Reads a file. Every error has its line.
    package init(parsing bytes: Span<UInt8>) throws(FormatError) {
        var lines = LineNumbers()
        var start = 0
        while start < bytes.count {
            var end = start
            while end < bytes.count, bytes[end] != 0x0A { end += 1 }
            lines.current += 1
            try parse(bytes.extracting(start..<end).items, &lines)
            start = end + 1
        }
        if let line = lines.publicTotal, publicLine == nil {
            throw FormatError(
                line: line, expected: "\"public-total\" only beside \"public\"",
                found: "no \"public\"")
        }
    }

    /// Where things were first said.
    private struct LineNumbers {
        var current = 0
        var keys: [KeyHash: Int] = [:]
        var domains: [DomainName: Int] = [:]
        var publicTotal: Int?
    }

    private mutating func parse(
        _ items: [[UInt8]], _ lines: inout LineNumbers
    ) throws(FormatError) {
        let line = Line(number: lines.current, items: items)
        switch items.first {
        case nil: break
        case Array("key".utf8):
            try line.check(form: "key <key hash> <limit>", count: 3)
            let key = try line.keyHash()
            try line.check(again: lines.keys.updateValue(line.number, forKey: key), "key")
            keys[key] = try line.limit()
        case Array("domain".utf8):
            try line.check(form: "domain <domain> <limit>", count: 3)
            let domain = try line.domain()
            try line.check(
                again: lines.domains.updateValue(line.number, forKey: domain), "domain")
            domains[domain] = try line.limit()
        case Array("public".utf8):
            try line.check(form: "public <public suffix file> <limit>", count: 3)
            try line.check(another: publicLine?.line, "public")
            publicLine = PublicLine(
                suffixFile: try line.fileName(), limit: try line.limit(), line: line.number)
        case Array("public-total".utf8):
            try line.check(form: "public-total <limit>", count: 2)
            try line.check(another: lines.publicTotal, "public-total")
            publicTotal = try line.limit()
            lines.publicTotal = line.number
        case let keyword?:
            throw FormatError(
                line: line.number, expected: "key, domain, public or public-total",
                found: keyword.span)
        }
    }
}

/// The items of a line, and what each may be.
private struct Line {
    let number: Int
    let items: [[UInt8]]

    func check(form: StaticString, count: Int) throws(FormatError) {
        guard items.count == count else {
            throw error("\"\(form)\"", found: Array(items.joined(separator: " ".utf8)))
        }
    }

    /// Refuses a key or a domain of the earlier line `first`.
    func check(again first: Int?, _ what: StaticString) throws(FormatError) {
        guard let first else { return }
        throw FormatError(
            line: number, expected: "each \(what) once", found: "that of line \(first) again")
    }

    /// Refuses a second line of a kind that there is one of.
    func check(another first: Int?, _ keyword: StaticString) throws(FormatError) {
        guard let first else { return }
        throw FormatError(
            line: number, expected: "one \"\(keyword)\" line",
            found: "another after that of line \(first)")
    }

    func keyHash() throws(FormatError) -> KeyHash {
        let item = items[1]
        guard let keyHash = KeyHash(hex: item.span) else {
            throw error("a key hash of \(2 * KeyHash.byteCount) hex digits", found: item)
        }
        return keyHash
    }

    func domain() throws(FormatError) -> DomainName {
        let item = items[1]
        do {
            return try DomainName(parsing: item.span)
        } catch {
            throw FormatError(line: number, expected: error.expected, found: error.found)
        }
    }

    func fileName() throws(FormatError) -> String {
        guard !items[1].contains(0), let name = String(validating: items[1], as: UTF8.self) else {
            throw error("a file name in UTF-8", found: items[1])
        }
        return name
    }

    /// The last item. As log-go has it, `007` is a number.
    func limit() throws(FormatError) -> Int {
        let digits = items[items.count - 1]
        let significant = digits.drop { $0 == UInt8(ascii: "0") }
        guard digits.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }), significant.count <= 10,
            let limit = significant.isEmpty ? 0 : Int(String(decoding: significant, as: UTF8.self)),
            limit <= Int(Int32.max)
        else { throw error("a decimal limit below 2^31", found: digits) }
        return limit
    }

    private func error(_ expected: String, found: [UInt8]) -> FormatError {
        FormatError(line: number, expected: expected, found: found.span)
    }
}

extension Span<UInt8> {
    /// The parts between white space, none empty, up to the first `#`.
    fileprivate var items: [[UInt8]] {
        var items: [[UInt8]] = []
        var item: [UInt8] = []
        for position in indices {
            let byte = self[position]
            if byte == UInt8(ascii: "#") { break }
            if !byte.isWhiteSpace {
                item.append(byte)
            } else if !item.isEmpty {
                items.append(item)
                item = []
            }
        }
        if !item.isEmpty { items.append(item) }
        return items
    }
}

extension UInt8 {
    /// Whether it is ASCII white space: what separates items, and a CR before the LF is such.
    var isWhiteSpace: Bool { self == 0x20 || self >= 0x09 && self <= 0x0D }
}
