// SPDX-License-Identifier: BSD-2-Clause

// How often a witness may be asked. Public witnesses grant a log so many requests a day; who takes
// more is refused when it matters. What is granted is halved:
//
//     heartbeats   one request every 2 days / granted, none saved up
//     leaves       as much again, and what is not used is saved, up to a whole day's share
//
// A request for new leaves takes the heartbeats' share where that is free, since it makes a
// heartbeat unnecessary. So a quiet log publishes a new leaf at once, however long that goes on
// within half a day's grant, and a log that is always busy settles at the rate that is granted: once
// nothing is saved any more the two shares yield by turns, and not two requests together.
// Straight after a quiet day a busy one can take half as much again as is granted for one day.

/// The requests that one witness grants, and what is left of them.
///
/// Both shares are kept as time: each grows by a second in a second, up to its limit, and a request
/// costs `cost`.
struct RequestBudget<Instant: InstantProtocol>: Sendable
where Instant: Sendable, Instant.Duration == Swift.Duration {
    /// What a request is made for.
    enum Purpose: Hashable, Sendable {
        /// Fresh cosignatures for a tree that is published already.
        case heartbeat
        /// A tree head that is not published yet.
        case leaves
    }

    /// Where a request was taken from.
    enum Share: Hashable, Sendable {
        case heartbeats
        case leaves
    }

    private static var day: Swift.Duration { .seconds(86_400) }

    /// What one request takes from its share. Also the shortest time between two heartbeats that
    /// the budget can bear for ever.
    let cost: Swift.Duration
    private var heartbeats: Swift.Duration
    private var leaves: Swift.Duration
    private var updated: Instant
    /// When a request was taken last, if that used up what was saved, and little was saved since.
    private var drained: Instant?

    /// A budget of `requestsPerDay`, at least 1.
    ///
    /// - Parameters:
    ///   - saved: what the leaves' share held when it was last seen, as ``saved(now:)`` told it; nil
    ///     for a witness that was never asked, whose shares are full.
    ///   - elapsed: how long ago that was. What the heartbeats' share held then is not known, so
    ///     nothing is assumed: else each restart would grant a request.
    init(
        requestsPerDay: Int, saved: Swift.Duration?, elapsed: Swift.Duration = .zero, now: Instant
    ) {
        precondition(requestsPerDay > 0)
        cost = Self.day * 2 / requestsPerDay
        heartbeats = cost
        leaves = .zero
        updated = now
        leaves = leavesMax
        guard let saved else { return }
        heartbeats = min(max(elapsed, .zero), cost)
        leaves = min(max(saved + elapsed, .zero), leavesMax)
    }

    /// A request has to be possible at all, be they ever so few.
    private var leavesMax: Swift.Duration { max(Self.day, cost) }

    /// When a request may be made: `now`, or later.
    func available(for purpose: Purpose, now: Instant) -> Instant {
        let current = updated(at: now)
        let heartbeat = max(.zero, cost - current.heartbeats)
        guard purpose == .leaves else { return now.advanced(by: heartbeat) }
        return now.advanced(by: min(heartbeat, current.untilLeaves))
    }

    /// Takes a request; nil when none is left at this time.
    mutating func take(for purpose: Purpose, now: Instant) -> Share? {
        self = updated(at: now)
        if heartbeats >= cost {
            heartbeats -= cost
            if drained != nil { drained = now }
            return .heartbeats
        }
        guard purpose == .leaves, untilLeaves == .zero else { return nil }
        leaves -= cost
        if drained != nil || leaves < cost { drained = now }
        return .leaves
    }

    /// Gives back a request that was taken and never left this machine.
    mutating func giveBack(_ share: Share) {
        switch share {
        case .heartbeats: heartbeats = min(heartbeats + cost, cost)
        case .leaves:
            leaves = min(leaves + cost, leavesMax)
            drained = nil
        }
    }

    /// The requests that are saved up for leaves.
    func leavesLeft(now: Instant) -> Int {
        // As integers: as floating-point numbers a share of n requests may come out below n.
        Int(clamping: updated(at: now).leaves.attoseconds / cost.attoseconds)
    }

    /// What the leaves' share holds, to be kept over a restart.
    func saved(now: Instant) -> Swift.Duration { updated(at: now).leaves }

    /// How long after `updated` the leaves' share yields a request.
    private var untilLeaves: Swift.Duration {
        let saved = max(.zero, cost - leaves)
        guard let drained else { return saved }
        return max(saved, updated.duration(to: drained.advanced(by: cost / 2)))
    }

    private func updated(at now: Instant) -> RequestBudget {
        guard updated < now else { return self }
        var copy = self
        let gained = updated.duration(to: now)
        copy.heartbeats = min(heartbeats + gained, cost)
        copy.leaves = min(leaves + gained, leavesMax)
        if copy.leaves >= min(cost * 2, leavesMax) { copy.drained = nil }
        copy.updated = now
        return copy
    }
}
