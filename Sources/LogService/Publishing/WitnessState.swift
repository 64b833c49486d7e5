// SPDX-License-Identifier: BSD-2-Clause

// What a publisher knows of one witness.

internal import LogCrypto
internal import MerkleLog
internal import SigsumFormats

/// One witness, as the publisher sees it from round to round.
struct WitnessState<Instant: InstantProtocol>: Sendable
where Instant: Sendable, Instant.Duration == Swift.Duration {
    /// After so many rounds without a cosignature the next round is not delayed for it any more.
    static var missedRoundsMax: Int { 3 }
    /// A time that is so many seconds from ours is worth a warning.
    static var clockToleranceSeconds: UInt64 { 3600 }

    let keyHash: KeyHash
    /// The size of the tree that it cosigned last, as far as is known.
    var size: TreeSize
    var budget: RequestBudget<Instant>
    /// The name on its cosignature lines.
    var keyName: String?
    /// When the request that is on its way was made; never more than one is.
    var askedAt: Instant?
    /// Whether its last answer was a cosignature and came within the interval that a round may last.
    var isTimely = true
    /// Rounds since its last cosignature of whatever tree head.
    var missedRounds: Int
    /// Requests since its last cosignature that brought none.
    var failureCount = 0
    /// It has seen a tree that this log does not have, and has not cosigned since.
    var isContradicting = false
    /// The time of its last cosignature, seconds since 1970; and whether that was warned of.
    var lastTime: UInt64?
    var isClockOdd = false

    /// - Parameter cosignature: the one in the stored head, if there is one.
    init(
        keyHash: KeyHash, record: WitnessRecord?, cosignature: Cosignature?,
        budget: RequestBudget<Instant>
    ) {
        self.keyHash = keyHash
        self.budget = budget
        size = record?.size ?? .zero
        keyName = record?.keyName
        lastTime = cosignature?.time
        // Whom nobody relies on yet, nobody has to wait for.
        missedRounds = cosignature == nil ? Self.missedRoundsMax : 0
    }

    var isAsked: Bool { askedAt != nil }

    /// Whether the next tree head should wait for this witness's answer to the present one: who
    /// verifies with its cosignatures is not to be starved because the others are quicker.
    var isReliedUpon: Bool { missedRounds < Self.missedRoundsMax }

    /// Takes note of a cosignature. Returns whether its time is odd: an hour from `unixSeconds`, or
    /// before that of the last one.
    mutating func cosigned(
        _ named: NamedCosignature, size: TreeSize, unixSeconds: UInt64
    ) -> Bool {
        let time = named.cosignature.time
        let distance = time > unixSeconds ? time - unixSeconds : unixSeconds - time
        let isOdd = distance > Self.clockToleranceSeconds || time < lastTime ?? 0
        self.size = size
        keyName = named.keyName
        lastTime = time
        missedRounds = 0
        failureCount = 0
        isContradicting = false
        return isOdd
    }
}
