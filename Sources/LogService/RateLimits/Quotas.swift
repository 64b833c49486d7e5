// SPDX-License-Identifier: BSD-2-Clause

// The rate limits that are in force, and what was counted, for all threads. Whoever takes a request
// looks here before work is done for it, which decides nothing; what counts is charged by the writer
// within the transaction that adds the leaf, so that parallel requests cannot exceed a limit.

package import LogCrypto
internal import Synchronization
package import TileStore

/// Limits and counts. The limits are replaced as a whole, and the counts go on.
package final class Quotas: Sendable {
    private struct State {
        var limits: RateLimits
        var table: QuotaTable
        /// What the head of the stored table says; nil while none is stored.
        var storedSince: UInt64?
    }

    private let state: Mutex<State>

    /// Goes on with what `stored` has counted, which the store has; without it, begins at `now`, in
    /// seconds since 1970.
    package init(_ limits: RateLimits, stored: QuotaTable?, now: UInt64) {
        state = Mutex(
            State(
                limits: limits, table: stored ?? QuotaTable(since: now),
                storedSince: stored?.since))
    }

    /// Puts other limits in force.
    package func replace(_ limits: RateLimits) {
        state.withLock { $0.limits = limits }
    }

    /// On whose account a leaf goes now, and whether it would be allowed at `now`, in seconds since
    /// 1970. nil: nobody's.
    ///
    /// - Parameter domain: one that is known to stand behind the leaf.
    package func look(
        _ keyHash: KeyHash, domain: DomainName?, at now: UInt64
    ) -> (account: Account, verdict: QuotaTable.Verdict)? {
        state.withLock { state in
            guard let account = state.limits.account(for: keyHash, domain: domain) else {
                return nil
            }
            return (account, state.table.verdict(on: account, under: state.limits, at: now))
        }
    }

    /// See ``RateLimits/zone(of:)``.
    package func zone(of domain: DomainName) -> DomainName {
        state.withLock { $0.limits.zone(of: domain) }
    }

    /// What the leaves of a batch are charged to, for the writer.
    ///
    /// - Parameter accounts: one for each leaf of the batch, as they stand there.
    package func ledger(for accounts: [Account?], at now: UInt64) -> QuotaLedger {
        QuotaLedger(quotas: self, accounts: accounts, now: now)
    }

    fileprivate func charge(_ account: Account, at now: UInt64) -> QuotaTable.Verdict {
        state.withLock { $0.table.charge(account, under: $0.limits, at: now) }
    }

    /// The lines of `charged`, or all of them under a head that is new.
    fileprivate func record(_ charged: Set<Account>) -> LedgerRecord {
        let (table, isNew) = state.withLock { state in
            defer { state.storedSince = state.table.since }
            return (state.table, state.storedSince != state.table.since)
        }
        return isNew
            ? LedgerRecord(newHead: table.head, lines: table.lines)
            : LedgerRecord(lines: table.lines(of: charged))
    }
}

/// Charges the leaves of one batch.
package struct QuotaLedger: LeafLedger {
    fileprivate let quotas: Quotas
    fileprivate let accounts: [Account?]
    fileprivate let now: UInt64
    /// Why leaves were refused, by their position in the batch.
    package private(set) var refusals: [Int: QuotaTable.Verdict] = [:]
    private var charged: Set<Account> = []

    fileprivate init(quotas: Quotas, accounts: [Account?], now: UInt64) {
        self.quotas = quotas
        self.accounts = accounts
        self.now = now
    }

    /// Counts the leaf on its account, if that has room for it (LeafLedger).
    package mutating func charge(_ position: Int) -> Bool {
        guard let account = accounts[position] else {
            preconditionFailure("a leaf that is to be charged to nobody's account")
        }
        let verdict = quotas.charge(account, at: now)
        guard verdict == .allowed else {
            refusals[position] = verdict
            return false
        }
        charged.insert(account)
        return true
    }

    /// The counts that have changed (LeafLedger).
    package func record() -> LedgerRecord { quotas.record(charged) }
}
