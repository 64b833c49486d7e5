// SPDX-License-Identifier: BSD-2-Clause
//
// Who may submit to a running primary: submit tokens, with the threads that they are looked into on,
// and the rate limits, if there are any: what they were read from, and what was counted.

import LogCrypto
import LogService
import Logging
import Reactor
import SigsumFormats
import TileStore
import Transport

/// Rate limits, submit tokens, and all that they need.
final class RateLimiting: Sendable {
    /// What new leaves have to pass.
    let gate: LeafGate
    /// What is counted of it.
    let metrics: RateLimitMetrics
    /// nil: nothing is limited.
    private let source: RateLimitSource?
    private let resolver: TXTResolver
    /// Verifies tokens; and reads files, when they have changed.
    private let thread: ThreadExecutor
    private let logger = Logger(label: "rate-limit")

    /// Limits go on with what `store` has counted.
    ///
    /// - Parameters:
    ///   - source: nil: nothing is limited, and tokens are looked into all the same.
    ///   - limits: what `source` says.
    ///   - logKey: what submit tokens for this log are made over.
    ///   - timeout: how long a look-up may take.
    init(
        _ source: RateLimitSource?, _ limits: RateLimits?, store: TileStore, logKey: PublicKey,
        timeout: Duration
    ) throws {
        self.source = source
        let lateResolver = Late<TXTResolver>()
        let metrics = RateLimitMetrics { LookUpCounts(lateResolver.value?.counters) }
        resolver = TXTResolver(
            TXTQuery(timeLimit: timeout, recordCountMax: TokenChecker.recordCountMax)
        ) { metrics.lookUps.record($0) }
        lateResolver.set(resolver)
        thread = try ThreadExecutor(name: "tokens")
        var quotas: Quotas?
        if let limits {
            quotas = Quotas(limits, stored: try Self.table(of: store), now: UnixTime.now())
        }
        let zone = { @Sendable [quotas] (domain: DomainName) -> DomainName in
            quotas?.zone(of: domain) ?? domain.lastTwoLabels
        }
        let tokens = TokenChecker(
            logKey: logKey, resolver: resolver, thread: thread, metrics: metrics,
            zone: zone)
        gate = LeafGate(quotas: quotas, tokens: tokens, metrics: metrics)
        self.metrics = metrics
    }

    /// What was counted, as the store has it; nil before the first count.
    private static func table(of store: TileStore) throws -> QuotaTable? {
        let stored = try StoreReader(store).read { view throws(StoreError) in try view.ledger() }
        guard let stored else { return nil }
        do throws(FormatError) { return try QuotaTable(parsing: stored.span) } catch {
            throw StoreError.corrupt("the stored counts of the rate limits: \(error)")
        }
    }

    /// Reads the files again, from any thread. What was counted goes on to count; files that are
    /// wrong change nothing.
    func reload() {
        guard let source else { return }
        thread.post { [self] in
            do throws(ConfigurationError) {
                gate.quotas?.replace(try source.load())
                logger.info("rate limits read again: \(source.file)")
            } catch {
                logger.error("\(error); the rate limits stay as they were")
            }
        }
    }

    /// Ends look-ups, as the process is about to end: who waits for one is answered.
    func endLookUps() { resolver.stop() }

    /// Ends the thread.
    func stop() { thread.stop() }
}

extension LookUpCounts {
    fileprivate init(_ counters: LookUpCounters?) {
        self.init()
        guard let counters else { return }
        found = UInt64(counters.found)
        nonexistent = UInt64(counters.nonexistent)
        failed = UInt64(counters.failed)
        refused = UInt64(counters.refused)
        cached = UInt64(counters.cached)
    }
}
