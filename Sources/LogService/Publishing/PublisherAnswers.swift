// SPDX-License-Identifier: BSD-2-Clause

// What the witnesses' answers do to a publisher.

internal import MerkleLog
package import SigsumFormats
internal import TileStore

extension Publisher {
    /// Takes what came of a request.
    ///
    /// - Parameter unixSeconds: the time of day, to compare the witness's clock with.
    package mutating func answered(
        _ request: WitnessRequest<Instant>, _ answer: WitnessAnswer, now: Instant,
        unixSeconds: UInt64
    ) {
        let number = request.witness
        guard let askedAt = witnesses[number].askedAt else {
            preconditionFailure("an answer without a request")
        }
        witnesses[number].askedAt = nil
        witnesses[number].isTimely = false
        switch answer {
        case .cosigned(let named):
            witnesses[number].isTimely = askedAt.duration(to: now) <= settings.interval
            cosigned(request, named, now: now, unixSeconds: unixSeconds)
        case .size(let size):
            conflict(request, size)
        case .conflict(let reason):
            if request.oldSize == request.signed.treeHead.size, request.oldSize > .zero {
                contradicted(request, reason)
            } else {
                failed(request, reason)
            }
        case .inconsistent where request.oldSize > .zero:
            contradicted(
                request,
                "its tree of \(request.oldSize) leaves is not the beginning of this log's "
                    + "\(request.signed.treeHead.size)")
        case .inconsistent:
            failed(request, "answered 422 to a request without a proof")
        case .failed(let reason):
            failed(request, reason)
        case .unsent(let reason):
            witnesses[number].budget.giveBack(request.share)
            failed(request, reason)
        case .connectionGone:
            if isOfThisRound(request) {
                guard round?.reconnected.insert(number).inserted == true else {
                    failed(request, "closes connections without an answer")
                    break
                }
                round?.standings[number] = .waiting
            }
        }
        if !isHalted { judge(now: now) }
    }

    /// What is to be remembered of the witnesses, those that were in the policy before included.
    ///
    /// - Parameter unixMilliseconds: the time of day.
    package func witnessRecords(now: Instant, unixMilliseconds: UInt64) -> [WitnessRecord] {
        witnesses.map { witness in
            WitnessRecord(
                keyHash: witness.keyHash, size: witness.size,
                savedMilliseconds: witness.budget.saved(now: now).wholeMilliseconds,
                seenMilliseconds: unixMilliseconds, keyName: witness.keyName)
        } + formerRecords
    }

    /// The requests that a witness's budget has saved up.
    package func requestsLeft(_ witness: Int, now: Instant) -> Int {
        witnesses[witness].budget.leavesLeft(now: now)
    }

    /// The time in the last cosignature of a witness, seconds since 1970, that in the stored head
    /// included; nil when there is none.
    package func lastCosignatureTime(_ witness: Int) -> UInt64? { witnesses[witness].lastTime }

    private func isOfThisRound(_ request: WitnessRequest<Instant>) -> Bool {
        request.round == round?.number
    }

    private mutating func cosigned(
        _ request: WitnessRequest<Instant>, _ named: NamedCosignature, now: Instant,
        unixSeconds: UInt64
    ) {
        let number = request.witness
        let failureCount = witnesses[number].failureCount
        let treeHead = request.signed.treeHead
        let isOdd = witnesses[number].cosigned(
            named, size: treeHead.size, unixSeconds: unixSeconds)
        if failureCount > 0 {
            notices.append(.witnessRecovered(number, failureCount: failureCount))
        }
        if isOdd {
            notices.append(
                .witnessClockOdd(
                    number, time: named.cosignature.time, isFirst: !witnesses[number].isClockOdd))
        }
        witnesses[number].isClockOdd = isOdd
        if treeHead == signed.treeHead {
            collected[number] = (named.cosignature, now)
            round?.standings[number] = .cosigned
        } else if let published, published.tree.treeHead == treeHead {
            // The next tree head is on its way, but this one is what everybody sees.
            self.published = PublishedTree(
                head: published.head.adding(named.cosignature), tree: published.tree)
        }
    }

    private mutating func conflict(_ request: WitnessRequest<Instant>, _ size: TreeSize) {
        let number = request.witness
        let treeHead = request.signed.treeHead
        if size > treeHead.size {
            return contradicted(
                request,
                "it has cosigned a tree of \(size) leaves, this log signed \(treeHead.size)")
        }
        if size == request.oldSize {
            guard size == treeHead.size, size > .zero else {
                return failed(request, "answered 409 with the old size that it was sent, \(size)")
            }
            return contradicted(request, "its tree of \(size) leaves is another one")
        }
        guard isOfThisRound(request) else {
            // It is asked in this round anyway.
            witnesses[number].size = size
            return
        }
        guard round?.corrected.insert(number).inserted == true else {
            return failed(request, "answered 409 with size \(size) to a request corrected for it")
        }
        witnesses[number].size = size
        round?.standings[number] = .waiting
    }

    private mutating func failed(_ request: WitnessRequest<Instant>, _ reason: String) {
        let number = request.witness
        witnesses[number].failureCount += 1
        if isOfThisRound(request) { round?.standings[number] = .failed }
        notices.append(
            .witnessFailed(number, reason: reason, count: witnesses[number].failureCount))
    }

    /// The witness knows a tree of this log that the store does not have. In the first round the
    /// store may be an older copy, which must not go on from there: two trees would part.
    private mutating func contradicted(_ request: WitnessRequest<Instant>, _ reason: String) {
        let number = request.witness
        if isOfThisRound(request) { round?.standings[number] = .failed }
        notices.append(
            .witnessContradicts(
                number, reason: reason, isFirst: !witnesses[number].isContradicting))
        witnesses[number].isContradicting = true
        witnesses[number].failureCount += 1
        guard request.isFirstRound, !isHalted else { return }
        halt()
        notices.append(.halted(number, reason: reason))
    }
}

extension CosignedTreeHead {
    /// With `cosignature` in the place of an earlier one of the same witness, or after the others.
    fileprivate func adding(_ cosignature: Cosignature) -> CosignedTreeHead {
        var cosignatures = self.cosignatures
        if let place = cosignatures.firstIndex(where: { $0.keyHash == cosignature.keyHash }) {
            cosignatures[place] = cosignature
        } else {
            cosignatures.append(cosignature)
        }
        return CosignedTreeHead(signedTreeHead, cosignatures: cosignatures)
    }
}

extension Swift.Duration {
    fileprivate var wholeMilliseconds: UInt64 {
        UInt64(clamping: attoseconds / Swift.Duration.milliseconds(1).attoseconds)
    }
}

extension WitnessRecord {
    /// What the budget held when it was recorded.
    var saved: Swift.Duration { .milliseconds(Int64(clamping: savedMilliseconds)) }

    /// How long ago that was; nothing when the time of day has gone back since.
    func elapsed(unixMilliseconds: UInt64) -> Swift.Duration {
        let elapsed = unixMilliseconds > seenMilliseconds ? unixMilliseconds - seenMilliseconds : 0
        return .milliseconds(Int64(clamping: elapsed))
    }
}
