// SPDX-License-Identifier: BSD-2-Clause

// The public suffix list (publicsuffix.org): below which names anybody can have one of their own.
// Who owns a name can make as many more below it as they like, so it is by registered domain, a
// public suffix and one more label, that strangers are told apart.
//
//     // a comment
//     org                 example.org is somebody's
//     *.ck                and so is example.anything.ck
//     !www.ck             but www.ck is a registered domain, not a suffix
//
// A rule ends at white space. Names are in Unicode or as A-labels; what comments say of ICANN's and
// private domains makes no difference here. The list's rule that a top-level domain not on it is a
// suffix is not applied: who is not under a rule has no registered domain.
//
// log-go 0.15.2 does not know that an exception, less its first label, is a suffix: it refuses
// www.ck, and counts www.city.kobe.jp as kobe.jp.

package import SigsumFormats

/// A public suffix list.
package struct PublicSuffixList: Sendable {
    /// The rules of one name.
    private struct Rules: OptionSet {
        let rawValue: UInt8
        /// The name is a suffix.
        static let plain = Rules(rawValue: 1)
        /// Each name one label longer is.
        static let wildcard = Rules(rawValue: 2)
        /// The name is a registered domain, and its parent the suffix.
        static let exception = Rules(rawValue: 4)
    }

    private var rules: [DomainName: Rules] = [:]

    /// Reads a list. A list without a rule is refused, since it is none or was cut off.
    package init(parsing bytes: Span<UInt8>) throws(FormatError) {
        // The usual list has 25 to 30 bytes to a rule; growing once is nothing.
        rules.reserveCapacity(bytes.count / 32)
        var exceptions: [(DomainName, line: Int)] = []
        var line = 0
        var start = 0
        while start < bytes.count {
            var end = start
            while end < bytes.count, bytes[end] != 0x0A { end += 1 }
            line += 1
            do {
                let text = bytes.extracting(start..<end)
                if let name = try add(rule: text.extracting(text.firstItem)) {
                    exceptions.append((name, line))
                }
            } catch {
                throw FormatError(line: line, expected: error.expected, found: error.found)
            }
            start = end + 1
        }
        for (name, line) in exceptions where !isWildcard(name.parent) {
            throw FormatError(
                line: line, expected: "an exception to a rule that begins with \"*.\"",
                found: "\"!\(name)\"")
        }
        guard !rules.isEmpty else {
            throw FormatError(line: line + 1, expected: "a public suffix", found: "the end")
        }
    }

    /// Adds the rule of one line; the name when it is an exception.
    private mutating func add(rule: Span<UInt8>) throws(FormatError) -> DomainName? {
        if rule.count == 0 || rule.hasBytes(of: "//", at: 0) { return nil }
        if rule[0] == UInt8(ascii: "!") {
            let name = try DomainName(parsing: rule.extracting(1...))
            rules[name, default: []].insert(.exception)
            return name
        }
        let isWildcard = rule.hasBytes(of: "*.", at: 0)
        let name = try DomainName(parsing: rule.extracting((isWildcard ? 2 : 0)...))
        rules[name, default: []].insert(isWildcard ? .wildcard : .plain)
        return nil
    }

    /// The longest public suffix that `name` is under, with one more label; `name` itself when it is
    /// a public suffix; nil when it is under none.
    package func registeredDomain(of name: DomainName) -> DomainName? {
        var registered: DomainName?
        // From the whole name to the top-level domain: the first suffix is the longest.
        var (below, next): (DomainName?, DomainName?) = (nil, name)
        while let candidate = next {
            let (rules, parent) = (rules[candidate] ?? [], candidate.parent)
            // An exception prevails over all other rules.
            if rules.contains(.exception) { return candidate }
            if registered == nil, rules.contains(.plain) || isWildcard(parent) {
                registered = below ?? candidate
            }
            (below, next) = (candidate, parent)
        }
        return registered
    }

    private func isWildcard(_ name: DomainName?) -> Bool {
        name.flatMap { rules[$0] }?.contains(.wildcard) ?? false
    }
}

extension Span<UInt8> {
    /// Where the first part without white space is.
    fileprivate var firstItem: Range<Int> {
        var start = 0
        while start < count, self[start].isWhiteSpace { start += 1 }
        var end = start
        while end < count, !self[end].isWhiteSpace { end += 1 }
        return start..<end
    }
}
