// SPDX-License-Identifier: BSD-2-Clause

// What a witness is asked, and what its HTTP answer means (C2SP tlog-witness, add-checkpoint).

package import LogCrypto
package import MerkleLog
package import SigsumFormats
package import TileStore

/// One add-checkpoint request that a witness is to be sent.
package struct WitnessRequest<Instant: InstantProtocol>: Sendable
where Instant: Sendable, Instant.Duration == Swift.Duration {
    /// Which of the publisher's witnesses.
    package let witness: Int
    /// The size that the witness is believed to have cosigned last, at most that of `signed`.
    package let oldSize: TreeSize
    /// What it is to cosign.
    package let signed: SignedTreeHead
    /// The tree of that size, in which the consistency proof is made.
    package let tree: TreeSnapshot
    /// In which round it was sent.
    let round: Int
    /// Whether an answer may still tell that the store is not the one that this log signed last.
    let isFirstRound: Bool
    /// From which share of the witness's budget it was taken.
    let share: RequestBudget<Instant>.Share
}

/// What came of an add-checkpoint request.
package enum WitnessAnswer: Hashable, Sendable {
    /// 200 with a valid cosignature.
    case cosigned(NamedCosignature)
    /// 409: the size of the last tree that the witness cosigned.
    case size(TreeSize)
    /// 409 without a size. In tlog-witness 1.0.0 that is the answer when the tree that was asked for
    /// has the size of the one that the witness cosigned, and another root hash.
    case conflict(reason: String)
    /// 422: the proof does not lead from the tree that the witness cosigned to this one.
    case inconsistent
    /// Anything else: the request may have been counted.
    case failed(reason: String)
    /// The request never left this machine.
    case unsent(reason: String)
    /// A kept connection turned out to be closed before anything was answered.
    case connectionGone

    /// Reads an HTTP answer to a request for a cosignature over `treeHead`.
    ///
    /// - Parameters:
    ///   - contentType: the field's value, nil where there was none.
    ///   - witness: the key of the witness that was asked.
    ///   - logKeyHash: the log's.
    package init(
        status: Int, contentType: String?, body: Span<UInt8>, from witness: PublicKey,
        over treeHead: TreeHead, of logKeyHash: KeyHash
    ) {
        switch status {
        case 200:
            do throws(CosignatureError) {
                self = .cosigned(
                    try NamedCosignature(
                        answering: body, from: witness, over: treeHead, of: logKeyHash))
            } catch {
                self = .failed(reason: "answered 200, but \(error)")
            }
        case 409:
            guard contentType == CheckpointConflict.contentType else {
                self = .conflict(
                    reason: "answered 409 \(FormatError.quotedLine(of: body)) without "
                        + "\(CheckpointConflict.contentType)")
                return
            }
            do throws(FormatError) {
                self = .size(try CheckpointConflict.parse(body))
            } catch {
                self = .failed(reason: "answered 409, but \(error)")
            }
        case 422:
            self = .inconsistent
        default:
            self = .failed(reason: "answered \(status) \(FormatError.quotedLine(of: body))")
        }
    }
}
