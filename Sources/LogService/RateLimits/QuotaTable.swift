// SPDX-License-Identifier: BSD-2-Clause

// How many new leaves each account has added in the present 24 hours. A value without a clock: it is
// told the time, in seconds since 1970, since counts go on over a restart. It goes with the tree into
// the store, in the transaction that adds the leaves, so that neither is ever without the other; of
// the lines only those that have changed, so that a leaf costs the same however many there are:
//
//     since=1795000000
//     count=17 key 1c25f8a44c635457e2e391d1efbca7d4c2951a0aef06225a881e46b98962ac6c
//     count=3 domain example.org
//     count=1 public xn--rka-qla.se
//
// All accounts begin anew together, 24 hours after the first began, and every 24 hours from then.
// That is log-go's way; it lets an account add two limits' leaves in a short time, half before and
// half after. A clock that was set back does not: the counts are kept, for 24 hours from then.
//
// Registered domains cost money, but names below some suffixes of the list's private part do not, so
// how many public domains are counted is bounded. Beyond the bound new ones are refused until the 24
// hours are over; those that are counted, and the domains and keys of the file, are not affected.

internal import LogCrypto
package import SigsumFormats

/// The count of each account.
package struct QuotaTable: Equatable, Sendable {
    /// What becomes of a new leaf.
    package enum Verdict: Hashable, Sendable {
        /// It is within all limits.
        case allowed
        /// Its account is used up.
        case overLimit
        /// What all public domains may add together is used up.
        case overPublicTotal
        /// Its domain is public and not counted yet, and no more can be counted.
        case tooManyDomains
    }

    /// The beginning of the present 24 hours, in seconds since 1970, up to 2^63-1 as all times are.
    package private(set) var since: UInt64
    /// The sum of the counts of all public domains.
    package private(set) var publicCount = 0
    private var counts: [Account: Int] = [:]
    private var publicDomainCount = 0

    /// After so many seconds all accounts begin anew.
    package static let periodSeconds: UInt64 = 24 * 60 * 60
    /// How many public domains are counted. A table of these takes less than 1 MB.
    package static let publicDomainCountMax = 4_096

    /// An empty table that begins at `now`, in seconds since 1970.
    package init(since now: UInt64) {
        since = now
    }

    /// The leaves of `account` that count at `now`.
    package func count(of account: Account, at now: UInt64) -> Int {
        asOf(now).counts[account] ?? 0
    }

    /// What would become of a new leaf of `account` at `now`: for a look before work is done for it.
    package func verdict(
        on account: Account, under limits: RateLimits, at now: UInt64
    ) -> Verdict {
        asOf(now).verdict(on: account, under: limits)
    }

    /// Counts a new leaf of `account` at `now` if the limits allow it, and says whether they did.
    package mutating func charge(
        _ account: Account, under limits: RateLimits, at now: UInt64
    ) -> Verdict {
        move(to: now)
        let verdict = verdict(on: account, under: limits)
        if verdict == .allowed { add(1, to: account) }
        return verdict
    }

    private func verdict(on account: Account, under limits: RateLimits) -> Verdict {
        let count = counts[account] ?? 0
        guard count < limits.limit(of: account) else { return .overLimit }
        guard account.isPublic else { return .allowed }
        if let total = limits.publicTotal, publicCount >= total { return .overPublicTotal }
        guard count > 0 || publicDomainCount < Self.publicDomainCountMax else {
            return .tooManyDomains
        }
        return .allowed
    }

    private mutating func add(_ count: Int, to account: Account) {
        let before = counts.updateValue(count + (counts[account] ?? 0), forKey: account)
        guard account.isPublic else { return }
        publicCount += count
        if before == nil { publicDomainCount += 1 }
    }

    /// The table at `now`; a copy shares the counts.
    private func asOf(_ now: UInt64) -> QuotaTable {
        var table = self
        table.move(to: now)
        return table
    }

    private mutating func move(to now: UInt64) {
        if now < since {
            since = now
        } else if now - since >= Self.periodSeconds {
            self = QuotaTable(since: now - (now - since) % Self.periodSeconds)
        }
    }
}

extension Account {
    fileprivate var isPublic: Bool {
        if case .publicDomain = self { true } else { false }
    }
}

// MARK: In the store

extension QuotaTable {
    /// The first line.
    package var head: [UInt8] {
        var text = Array("since=".utf8)
        text.append(decimal: since)
        text.append("\n")
        return text
    }

    /// The lines of all accounts that have a count, by the accounts' names.
    package var lines: [[UInt8]: [UInt8]] { lines(of: counts.keys) }

    /// The lines of `accounts`, which have counts, by their names.
    package func lines(of accounts: some Sequence<Account>) -> [[UInt8]: [UInt8]] {
        var lines: [[UInt8]: [UInt8]] = [:]
        for account in accounts {
            guard let count = counts[account] else { preconditionFailure("nothing is counted") }
            var line = Array("count=".utf8)
            line.append(decimal: UInt64(count))
            line.append(" ")
            let name = account.name
            line += name
            line.append("\n")
            lines[name] = line
        }
        return lines
    }

    /// Reads ``head`` with the lines after it, in any order. Names are not looked into again, so that
    /// a new release of libidn2 or another public suffix list makes no table unreadable.
    package init(parsing bytes: Span<UInt8>) throws(FormatError) {
        var cursor = ASCIICursor()
        self.init(since: try cursor.integer("since", in: bytes))
        while !cursor.isAtEnd(of: bytes) {
            let value = bytes.extracting(try cursor.value(of: "count", in: bytes))
            guard let fields = value.fields(3),
                let count = ASCIIDecimal.parse(value.extracting(fields[0])),
                count > 0, count <= UInt64(Int32.max),
                let account = Account(
                    kind: value.extracting(fields[1]), name: value.extracting(fields[2])),
                counts[account] == nil
            else { throw cursor.error("count= with a count and an account", found: value) }
            add(Int(count), to: account)
        }
    }
}

extension Account {
    /// `key 1c25...`, `domain example.org` or `public example.org`: at most 260 bytes, as the name of
    /// a domain has at most 253.
    fileprivate var name: [UInt8] {
        var text: [UInt8] = []
        switch self {
        case .key(let keyHash):
            text.append("key ")
            text.append(hex: keyHash)
        case .domain(let name):
            text.append("domain ")
            text.append(contentsOf: name.ascii.utf8)
        case .publicDomain(let name):
            text.append("public ")
            text.append(contentsOf: name.ascii.utf8)
        }
        return text
    }

    fileprivate init?(kind: Span<UInt8>, name: Span<UInt8>) {
        switch kind.indices.map({ kind[$0] }) {
        case Array("key".utf8):
            guard let keyHash = KeyHash(hex: name) else { return nil }
            self = .key(keyHash)
        case Array("domain".utf8):
            guard let name = DomainName(stored: name) else { return nil }
            self = .domain(name)
        case Array("public".utf8):
            guard let name = DomainName(stored: name) else { return nil }
            self = .publicDomain(name)
        default: return nil
        }
    }
}
