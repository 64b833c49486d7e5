// SPDX-License-Identifier: BSD-2-Clause

// One witness among others: what its answers do, and that a slow or a hanging one neither starves
// nor starves others.

import MerkleLog
import SigsumFormats
import Testing
import TileStore

@testable import LogService

@Suite struct PublisherWitnessTests {
    private func size(_ value: UInt64) throws -> TreeSize { try #require(TreeSize(value)) }

    private func running(
        witnessCount: Int, quorum: Int, _ change: (inout RigSetup) -> Void = { _ in }
    ) throws -> PublisherRig {
        var rig = try PublisherRig.running(witnessCount: witnessCount, quorum: quorum, change)
        _ = rig.takeNotices()
        return rig
    }

    // MARK: Conflicts

    @Test func theOldSizeIsRemembered() throws {
        var rig = try running(witnessCount: 1, quorum: 1)
        #expect(rig.requests[0].request.oldSize == .zero)
        try rig.commit(12)
        #expect(rig.inFlight[0]?.oldSize.value == 10)
        try rig.cosign(0)
        // Over a restart, too.
        var again = try PublisherRig(rig.setup.restarted(rig), now: rig.now)
        try again.pull()
        #expect(again.inFlight[0]?.oldSize.value == 12)
    }

    @Test(arguments: [0, 3, 12] as [UInt64]) func aConflictIsCorrectedOnceInARound(known: UInt64)
        throws
    {
        var rig = try running(witnessCount: 2, quorum: 2)
        try rig.commit(12)
        try rig.cosign(1)
        try rig.answer(0, .size(size(known)))
        #expect(rig.inFlight[0]?.oldSize.value == known && rig.asked == [0])
        try rig.answer(0, .size(size(5)))
        #expect(rig.asked == [] && rig.shownSize == 10)
        // In the next round it may be corrected again.
        try rig.advance(.seconds(1))
        #expect(rig.asked == [0])
        try rig.answer(0, .size(size(7)))
        #expect(rig.inFlight[0]?.oldSize.value == 7)
        try rig.cosign(0)
        #expect(rig.shownSize == 12)
    }

    @Test func aConflictWithTheSizeThatWasSent() throws {
        var rig = try running(witnessCount: 1, quorum: 1)
        try rig.commit(12)
        try rig.answer(0, .size(size(10)))
        #expect(rig.asked == [] && !rig.publisher.isHalted)
        #expect(rig.notices.contains { $0.isFailure(of: 0, count: 1) })
    }

    /// An answer to a request of the round before.
    @Test func aConflictThatComesLate() throws {
        var rig = try running(witnessCount: 2, quorum: 1)
        try rig.advance(.seconds(20))
        try rig.commit(12)
        try rig.cosign(1)
        #expect(rig.inFlight[0]?.signed.treeHead.size.value == 10)
        try rig.answer(0, .size(size(3)))
        #expect(rig.inFlight[0]?.signed.treeHead.size.value == 12)
        #expect(rig.inFlight[0]?.oldSize.value == 3)
        try rig.answer(0, .size(size(4)))
        #expect(rig.inFlight[0]?.oldSize.value == 4)
    }

    /// A cosignature that was asked for in the round before is as good, if the head is the same.
    @Test func aCosignatureThatComesLate() throws {
        var rig = try running(witnessCount: 2, quorum: 1)
        try rig.advance(.seconds(20))
        try rig.cosign(0)
        try rig.advance(.seconds(20))
        #expect(
            rig.asked == [0, 1]
                && rig.inFlight[1]?.round == rig.publisher.round.map { $0.number - 1 })
        try rig.cosign(1)
        #expect(rig.asked == [0] && rig.cosigners == [0, 1])
        #expect(rig.publisher.round?.isQuorumReached == true)
    }

    @Test func aConnectionThatWasGoneIsMadeAgainOnce() throws {
        var rig = try running(witnessCount: 1, quorum: 1)
        try rig.commit(12)
        try rig.answer(0, .connectionGone)
        #expect(rig.asked == [0])
        #expect(rig.takeNotices().isEmpty)
        try rig.answer(0, .connectionGone)
        #expect(rig.asked == [])
        #expect(rig.takeNotices().contains { $0.isFailure(of: 0, count: 1) })
    }

    // MARK: Notices

    @Test func failureAndRecovery() throws {
        var rig = try running(witnessCount: 2, quorum: 1)
        for count in 1...3 {
            try rig.advance(.seconds(20))
            try rig.cosign(0)
            try rig.answer(1, .failed(reason: "answered 500"))
            #expect(rig.takeNotices().contains { $0.isFailure(of: 1, count: count) })
        }
        try rig.advance(.seconds(20))
        try rig.cosignAll()
        let notices = rig.takeNotices()
        #expect(notices.contains(.witnessRecovered(1, failureCount: 3)))
        #expect(!notices.contains { $0.isFailure(of: 1, count: 1) })
    }

    @Test func clocks() throws {
        var rig = try running(witnessCount: 1, quorum: 1)
        func warnings() -> [PublisherNotice] {
            rig.takeNotices().filter {
                guard case .witnessClockOdd = $0 else { return false }
                return true
            }
        }
        let start = rig.unixSecondsAtZero
        let largest = UInt64(Int64.max)
        // The times in its cosignatures, relative to ours, and whether each is a first warning.
        let times: [(UInt64, Bool?)] = [
            (start + 20 + 3600, nil), (start + 40 + 3601, true), (largest, false),
            (start + 80, false), (start + 100 - 3600, false), (start + 120 - 3601, false),
            (start + 140, nil), (1, true), (start + 180, nil),
        ]
        for (time, isFirst) in times {
            try rig.advance(.seconds(20))
            try rig.cosign(0, time: time)
            #expect(rig.head?.cosignatures.map(\.time) == [time])
            let expected = isFirst.map {
                PublisherNotice.witnessClockOdd(0, time: time, isFirst: $0)
            }
            #expect(warnings() == [expected].compactMap { $0 })
        }
        // Over a restart, too, a time must not be before that in the shown cosignature.
        var again = try PublisherRig(rig.setup.restarted(rig), now: rig.now)
        try again.pull()
        try again.cosign(0, time: start + 179)
        #expect(again.notices.contains(.witnessClockOdd(0, time: start + 179, isFirst: true)))
    }

    /// What a checkpoint needs is kept, also of witnesses that the policy had before.
    @Test func records() throws {
        var rig = try running(witnessCount: 2, quorum: 2)
        try rig.advance(.seconds(20))
        try rig.cosign(0, keyName: "näme/1")
        try rig.cosign(1)
        var setup = try RigSetup(witnessCount: 1, quorum: 1)
        setup = setup.restarted(rig)
        let before = setup.records
        #expect(before.map(\.keyName) == ["näme/1", "w1.example"])
        #expect(before.map(\.size.value) == [10, 10])
        var again = try PublisherRig(setup, now: rig.now)
        try again.pull()
        try again.cosignAll()
        let after = setup.restarted(again).records
        #expect(after.map(\.keyHash) == before.map(\.keyHash))
        #expect(after.last == before.last)
    }

    // MARK: Slow witnesses

    /// Plays a busy log: `latencies` by witness, nil for one that never answers but is given up
    /// after `timeout`. Returns which witnesses' cosignatures each head had when the next came.
    private func play(
        _ rig: inout PublisherRig, latencies: [Duration?], timeout: Duration = .seconds(10),
        for time: Duration, leafEvery: Duration = .milliseconds(200)
    ) throws -> [(size: Int, cosigners: [Int], at: FakeInstant)] {
        var heads: [(size: Int, cosigners: [Int], at: FakeInstant)] = []
        let end = rig.now.advanced(by: time)
        var nextLeaf = rig.now
        var begun: [Int: FakeInstant] = [:]
        var shown = rig.shownSize
        var shownAt = rig.now
        var cosigners = rig.cosigners
        while rig.now < end {
            for witness in rig.asked where begun[witness] == nil { begun[witness] = rig.now }
            let answers = begun.map { witness, at in
                (witness: witness, at: at.advanced(by: latencies[witness] ?? timeout))
            }
            let answer = answers.min { ($0.at, $0.witness) < ($1.at, $1.witness) }
            let time = min(nextLeaf, answer?.at ?? end, end)
            try rig.advance(rig.now.duration(to: max(time, rig.now)))
            if let answer, answer.at <= rig.now {
                begun[answer.witness] = nil
                if latencies[answer.witness] == nil {
                    try rig.answer(answer.witness, .failed(reason: "timeout"))
                } else {
                    try rig.cosign(answer.witness)
                }
            } else if nextLeaf <= rig.now {
                nextLeaf = nextLeaf.advanced(by: leafEvery)
                if rig.committed < 599 { try rig.commit(rig.committed + 1) }
            }
            if rig.shownSize != shown, let old = shown {
                heads.append((old, cosigners, shownAt))
                shownAt = rig.now
            }
            (shown, cosigners) = (rig.shownSize, rig.cosigners)
        }
        return heads
    }

    /// Witness 0 and 1 are quick and suffice, 2 is slow.
    @Test(arguments: [300, 500, 800, 900, 990], [true, false])
    func aSlowWitnessIsInEveryHeadOfABusyLog(permille: Int, isFromHeartbeat: Bool) throws {
        var rig = try running(witnessCount: 3, quorum: 2)
        let latency = rig.setup.interval * permille / 1000
        if isFromHeartbeat {
            // The first leaf comes while the slow witness has its hands full with a heartbeat.
            try rig.advance(.seconds(20))
            try rig.cosign(0)
            try rig.cosign(1)
            try rig.advance(.milliseconds(100))
        }
        let heads = try play(
            &rig, latencies: [.milliseconds(20), .milliseconds(50), latency], for: .seconds(110))
        #expect(heads.count > 8)
        #expect(heads.dropFirst(3).allSatisfy { $0.cosigners == [0, 1, 2] }, "\(heads)")
    }

    /// It comes back after the log has learned to do without it.
    @Test func aSlowWitnessThatComesBack() throws {
        var rig = try running(witnessCount: 3, quorum: 2)
        let quick = [Duration.milliseconds(20), .milliseconds(50)]
        _ = try play(
            &rig, latencies: quick + [nil], for: .seconds(40), leafEvery: .milliseconds(900))
        let heads = try play(
            &rig, latencies: quick + [.milliseconds(9_000)], for: .seconds(100),
            leafEvery: .milliseconds(900))
        let first = heads.firstIndex { $0.cosigners == [0, 1, 2] } ?? heads.count
        #expect(heads.count - first > 5)
        #expect(heads[first...].allSatisfy { $0.cosigners == [0, 1, 2] })
    }

    /// One that hangs costs a few rounds an interval each, and then nothing, however long its
    /// requests hang.
    @Test(arguments: [2, 10, 35]) func aHangingWitnessDelaysNobody(timeoutSeconds: Int) throws {
        var rig = try running(witnessCount: 3, quorum: 2)
        _ = try play(
            &rig, latencies: [.milliseconds(20), .milliseconds(50), nil],
            timeout: .seconds(timeoutSeconds), for: .seconds(35))
        let heads = try play(
            &rig, latencies: [.milliseconds(20), .milliseconds(50), nil],
            timeout: .seconds(timeoutSeconds), for: .seconds(40))
        for (head, next) in zip(heads.dropFirst(2), heads.dropFirst(3)) {
            #expect(head.at.duration(to: next.at) <= .milliseconds(1_250))
        }
        #expect(heads.count > 30)
    }

    /// And never delays the publication of a head, not even in the first of these rounds.
    @Test func aHangingWitnessDelaysNoPublication() throws {
        var rig = try running(witnessCount: 3, quorum: 2)
        try rig.commit(11)
        try rig.cosign(0)
        try rig.cosign(1)
        #expect(rig.shownSize == 11 && rig.asked == [2])
    }
}

extension PublisherNotice {
    func isFailure(of witness: Int, count: Int) -> Bool {
        guard case .witnessFailed(witness, _, count) = self else { return false }
        return true
    }
}
