// SPDX-License-Identifier: BSD-2-Clause

// One round: every witness is asked once for one tree head, or once more after an answer that calls
// for it.

internal import SigsumFormats

/// How far each witness is in a round. Witnesses are known by their number.
struct CosigningRound<Instant: InstantProtocol>: Sendable
where Instant: Sendable, Instant.Duration == Swift.Duration {
    /// Where one witness stands.
    enum Standing: Hashable, Sendable {
        /// To be asked as soon as its last request has ended and its budget allows.
        case waiting
        case asked
        /// There is a cosignature of this round, or one that is kept for it.
        case cosigned
        /// It gives nothing in this round.
        case failed
    }

    /// Tells this round's requests from those of earlier ones.
    let number: Int
    let begun: Instant
    let purpose: RequestBudget<Instant>.Purpose
    /// Nothing was signed since the process started.
    let isFirst: Bool
    var standings: [Standing]
    /// Those who were sent a second request: after a 409, after a connection that was gone.
    var corrected: Set<Int> = []
    var reconnected: Set<Int> = []
    /// Whether the quorum was reached, with the cosignatures of this round and those kept for it.
    var isQuorumReached = false
    /// Whether it was noticed that it cannot be reached any more.
    var isLost = false

    init(
        number: Int, begun: Instant, purpose: RequestBudget<Instant>.Purpose, isFirst: Bool,
        witnessCount: Int
    ) {
        self.number = number
        self.begun = begun
        self.purpose = purpose
        self.isFirst = isFirst
        standings = Array(repeating: .waiting, count: witnessCount)
    }

    /// Whether something is still expected of the witness.
    func isPending(_ witness: Int) -> Bool {
        standings[witness] == .waiting || standings[witness] == .asked
    }
}
