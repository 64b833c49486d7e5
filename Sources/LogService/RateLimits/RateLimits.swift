// SPDX-License-Identifier: BSD-2-Clause

// What a rate-limit file and a public suffix list mean together: on whose account a new leaf goes,
// and what that account's limit is. Counting is QuotaTable.swift's; whether a domain really stands
// behind a leaf was found out before (submit tokens).

package import LogCrypto

/// On whose account a new leaf goes.
package enum Account: Hashable, Sendable {
    /// A key that has a line of its own.
    case key(KeyHash)
    /// A domain that has a line of its own, and all that are below it and have none.
    case domain(DomainName)
    /// A registered domain that no line names.
    case publicDomain(DomainName)
}

/// The limits to new leaves in 24 hours. A value that is replaced as a whole when the file is read
/// again; what was counted before goes on to count.
package struct RateLimits: Sendable {
    private let keys: [KeyHash: Int]
    private let domains: [DomainName: Int]
    private let publicLimit: Int
    private let suffixes: PublicSuffixList?

    /// What all public domains together may add; nil when that is not limited.
    package let publicTotal: Int?

    /// The domain that tests submit for: its private key is 1, so anybody can.
    private static let testDomain = DomainName(unchecked: "test.sigsum.org")

    /// The limits of `file`.
    ///
    /// - Parameters:
    ///   - allowsTestDomain: whether `test.sigsum.org` is a domain as others are. Otherwise its
    ///     limit, and that of domains below it without lines of their own, is 0, whatever the file
    ///     says.
    ///   - load: reads the public suffix list of the file with that name. It is called when it is
    ///     needed: when there is a `public` line with another limit than 0.
    package init<Failure: Error>(
        _ file: RateLimitFile, allowsTestDomain: Bool,
        suffixes load: (_ fileName: String) throws(Failure) -> PublicSuffixList
    ) throws(Failure) {
        var domains = file.domains
        if !allowsTestDomain { domains[Self.testDomain] = 0 }
        self.domains = domains
        keys = file.keys
        publicTotal = file.publicTotal
        publicLimit = file.publicLine?.limit ?? 0
        if let line = file.publicLine, line.limit > 0 {
            suffixes = try load(line.suffixFile)
        } else {
            suffixes = nil
        }
    }

    /// The account for a new leaf of the key with `keyHash`, for which `domain` stands if not nil:
    /// the key's, else that of the longest domain with a line, else that of the registered domain.
    /// Nil, and the leaf is refused, when there is none of these. An account's limit may be 0.
    package func account(for keyHash: KeyHash, domain: DomainName?) -> Account? {
        if keys[keyHash] != nil { return .key(keyHash) }
        guard let domain else { return nil }
        var next: DomainName? = domain
        while let name = next {
            if domains[name] != nil { return .domain(name) }
            next = name.parent
        }
        return suffixes?.registeredDomain(of: domain).map(Account.publicDomain)
    }

    /// Whose name servers answer for `name`, as far as can be told without asking: its registered
    /// domain, or its last two labels.
    package func zone(of name: DomainName) -> DomainName {
        suffixes?.registeredDomain(of: name) ?? name.lastTwoLabels
    }

    /// How many leaves `account` may add in 24 hours; 0 for one that these limits do not have.
    package func limit(of account: Account) -> Int {
        switch account {
        case .key(let keyHash): keys[keyHash] ?? 0
        case .domain(let name): domains[name] ?? 0
        case .publicDomain: publicLimit
        }
    }
}
