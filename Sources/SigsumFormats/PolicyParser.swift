// SPDX-License-Identifier: BSD-2-Clause

// The lines of a policy file, one at a time (sigsum-go, doc/policy.md):
//
//     log <hex public key> [<url>]
//     witness <name> <hex public key> [<url>]
//     group <name> all|any|<k> <member>...
//     quorum <name>|none
//
// Items are separated by spaces and tabs, a line whose first item begins with `#` is a comment. A
// name is defined before it is used, so one pass is enough and no cycle can be written. Each name
// is a member at most once, so that a witness contributes in one way only.
//
// The files that are accepted are those that log-go accepts, but for two things. It takes CR LF for
// LF, against the format; here a CR is refused as any other control character. And it has a limit of
// 64 KiB to a line; here is none.

internal import LogCrypto

/// What the lines so far have said.
struct PolicyParser {
    /// What a name stands for.
    private struct Definition {
        /// The index in `nodes`.
        let node: Int
        let line: Int
        /// The group that it is a member of, if any.
        var group: (name: [UInt8], line: Int)?
    }

    private var line = 0
    private var logs: [Policy.LogEntry] = []
    private var witnesses: [Policy.Witness] = []
    private var quorum: (Quorum, line: Int)?

    /// Witnesses and groups, in the order of their definition.
    private var nodes: [Quorum.Node] = []
    private var definitions: [[UInt8]: Definition] = [:]
    /// The lines of the keys, to find a second one.
    private var logLines: [PublicKey: Int] = [:]
    private var witnessLines: [PublicKey: Int] = [:]

    /// Reads the next line, without its LF.
    mutating func parse(line bytes: Span<UInt8>) throws(FormatError) {
        line += 1
        for position in bytes.indices {
            let byte = bytes[position]
            guard byte == 0x09 || byte >= 0x20 && byte != 0x7F else {
                throw error("no control character but tab and line feed", found: [byte])
            }
        }
        let items = bytes.items
        guard let keyword = items.first, keyword.first != UInt8(ascii: "#") else { return }
        switch keyword {
        case Self.log: try parseLog(items)
        case Self.witness: try parseWitness(items)
        case Self.group: try parseGroup(items)
        case Self.quorum: try parseQuorum(items)
        default: throw error("log, witness, group or quorum", found: keyword)
        }
    }

    /// What all lines have said, after the last.
    consuming func finish() throws(FormatError) -> Policy {
        guard let (quorum, _) = quorum else {
            throw FormatError(
                line: line + 1, expected: "\"quorum <name>\" or \"quorum none\"", found: "the end")
        }
        return Policy(logs: logs, witnesses: witnesses, quorum: quorum)
    }

    private static let log = Array("log".utf8)
    private static let witness = Array("witness".utf8)
    private static let group = Array("group".utf8)
    private static let quorum = Array("quorum".utf8)
    private static let any = Array("any".utf8)
    private static let all = Array("all".utf8)
    private static let none = Array("none".utf8)

    // MARK: The four lines

    private mutating func parseLog(_ items: [[UInt8]]) throws(FormatError) {
        try check(items, have: 2...3, as: "log <public key> [<url>]")
        let publicKey = try publicKey(items[1])
        if let first = logLines.updateValue(line, forKey: publicKey) {
            throw FormatError(
                line: line, expected: "each log once", found: "the key of line \(first)")
        }
        logs.append(Policy.LogEntry(publicKey: publicKey, url: url(items, at: 2), line: line))
    }

    private mutating func parseWitness(_ items: [[UInt8]]) throws(FormatError) {
        try check(items, have: 3...4, as: "witness <name> <public key> [<url>]")
        let name = items[1]
        let publicKey = try publicKey(items[2])
        let keyHash = publicKey.keyHash
        try define(name, as: .witness(keyHash))
        if let first = witnessLines.updateValue(line, forKey: publicKey) {
            throw FormatError(
                line: line, expected: "each witness once", found: "the key of line \(first)")
        }
        witnesses.append(
            Policy.Witness(
                name: FormatError.escaped(name.span), publicKey: publicKey, keyHash: keyHash,
                url: url(items, at: 3), line: line))
    }

    private mutating func parseGroup(_ items: [[UInt8]]) throws(FormatError) {
        try check(items, have: 4...Int.max, as: "group <name> all|any|<k> <member>...")
        let name = items[1]
        let members = items[3...]
        guard let threshold = Self.threshold(items[2], of: members.count) else {
            throw error("all, any or a number from 1 to \(members.count)", found: items[2])
        }
        // Only after its members: a group is none of them.
        for member in members { try join(member, to: name) }
        try define(name, as: .group(threshold: threshold))
    }

    private mutating func parseQuorum(_ items: [[UInt8]]) throws(FormatError) {
        try check(items, have: 2...2, as: "quorum <name>")
        if let first = quorum?.line {
            throw FormatError(
                line: line, expected: "one quorum", found: "another after that of line \(first)")
        }
        if items[1] == Self.none {
            quorum = (.none, line)
        } else {
            let node = try definition(of: items[1]).node
            quorum = (Quorum(nodes: Array(nodes[...node])), line)
        }
    }

    // MARK: Names

    private mutating func define(
        _ name: [UInt8], as condition: Quorum.Node.Condition
    ) throws(FormatError) {
        let place = definitions[name].map { "defined on line \($0.line)" }
        if let place = name == Self.none ? "predefined" : place {
            throw FormatError(
                line: line, expected: "a new name",
                found: "\(FormatError.quoted(name.span)), which is \(place)")
        }
        definitions[name] = Definition(node: nodes.count, line: line)
        nodes.append(Quorum.Node(condition: condition))
    }

    /// Makes `member` one of the next node, the group `name`.
    private mutating func join(_ member: [UInt8], to name: [UInt8]) throws(FormatError) {
        let definition = try definition(of: member)
        if let (other, otherLine) = definition.group {
            throw FormatError(
                line: line, expected: "each name at most once as a member",
                found: "\(FormatError.quoted(member.span)), which is one of "
                    + "\(FormatError.quoted(other.span)) on line \(otherLine)")
        }
        definitions[member]?.group = (name, line)
        nodes[definition.node].parent = nodes.count
    }

    /// What `name` stands for; `none`, which stands for nothing here, is an error.
    private func definition(of name: [UInt8]) throws(FormatError) -> Definition {
        guard let definition = definitions[name] else {
            throw error("a witness or group of an earlier line", found: name)
        }
        return definition
    }

    // MARK: Items

    private func check(
        _ items: [[UInt8]], have counts: ClosedRange<Int>, as form: StaticString
    ) throws(FormatError) {
        guard counts.contains(items.count) else {
            throw error("\"\(form)\"", found: Array(items.joined(separator: " ".utf8)))
        }
    }

    private func publicKey(_ item: [UInt8]) throws(FormatError) -> PublicKey {
        guard let publicKey = PublicKey(hex: item.span) else {
            throw error("a public key of \(2 * PublicKey.byteCount) hex digits", found: item)
        }
        return publicKey
    }

    private func url(_ items: [[UInt8]], at index: Int) -> String? {
        items.indices.contains(index) ? String(decoding: items[index], as: UTF8.self) : nil
    }

    /// How many of `count` members are enough; nil when there are not so many or none. `+2` and
    /// `02` are numbers: log-go reads them.
    private static func threshold(_ item: [UInt8], of count: Int) -> Int? {
        if item == any { return 1 }
        if item == all { return count }
        guard let number = Int(String(decoding: item, as: UTF8.self)), number >= 1,
            number <= count
        else { return nil }
        return number
    }

    private func error(_ expected: String, found: [UInt8]) -> FormatError {
        FormatError(line: line, expected: expected, found: found.span)
    }
}

extension Span<UInt8> {
    /// The parts between spaces and tabs, none empty.
    fileprivate var items: [[UInt8]] {
        var items: [[UInt8]] = []
        var item: [UInt8] = []
        for position in indices {
            switch self[position] {
            case 0x20, 0x09:
                if !item.isEmpty { items.append(item) }
                item = []
            case let byte: item.append(byte)
            }
        }
        if !item.isEmpty { items.append(item) }
        return items
    }
}
