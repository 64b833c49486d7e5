// SPDX-License-Identifier: BSD-2-Clause

// Rounds: when a tree head is signed, when it is shown, and when the next one follows.

import MerkleLog
import SigsumFormats
import Testing
import TileStore

@testable import LogService

@Suite struct PublisherRoundTests {
    // MARK: Without a quorum to reach

    @Test func withoutWitnessesEverythingIsShownAtOnce() throws {
        var rig = try PublisherRig(try RigSetup(witnessCount: 0, quorum: 0))
        try rig.pull()
        #expect(rig.shownSize == 10)
        try rig.commit(11)
        #expect(rig.shownSize == 11)
        // The next within minInterval waits for its end.
        try rig.commit(12)
        #expect(rig.shownSize == 11)
        try rig.advance(.milliseconds(999))
        #expect(rig.shownSize == 11)
        try rig.advance(.milliseconds(1))
        #expect(rig.shownSize == 12 && rig.signedSizes == [11, 12])
    }

    /// What is replicated does not go back, and is signed once.
    @Test func onlyMoreIsReplicated() throws {
        var rig = try PublisherRig(try RigSetup(witnessCount: 0, quorum: 0))
        try rig.pull()
        for size in [10, 9, 0] {
            rig.publisher.replicated(.of(size))
            try rig.advance(.seconds(30))
        }
        #expect(rig.signedSizes == [])
        try rig.commit(12)
        for size in [12, 11] {
            rig.publisher.replicated(.of(size))
            try rig.advance(.seconds(30))
        }
        #expect(rig.signedSizes == [12] && rig.shownSize == 12)
    }

    /// They are asked, and nobody waits for them.
    @Test func quorumNoneWithWitnesses() throws {
        var rig = try PublisherRig(try RigSetup(witnessCount: 2, quorum: 0))
        try rig.pull()
        #expect(rig.shownSize == 10 && rig.cosigners == [] && rig.asked == [0, 1])
        try rig.cosign(1)
        #expect(rig.cosigners == [1])
        try rig.cosign(0)
        try rig.commit(11)
        #expect(rig.shownSize == 11 && rig.cosigners == [])
        try rig.cosignAll()
        #expect(rig.cosigners == [0, 1])
    }

    // MARK: Quorum

    @Test func aHeadIsShownAtQuorumAndLateCosignaturesAreAdded() throws {
        var rig = try PublisherRig.running(witnessCount: 3, quorum: 2)
        #expect(rig.cosigners == [0, 1, 2])
        try rig.commit(11)
        #expect(rig.signedSizes == [11] && rig.asked == [0, 1, 2] && rig.shownSize == 10)
        try rig.cosign(2)
        #expect(rig.shownSize == 10)
        try rig.cosign(0)
        #expect(rig.shownSize == 11 && rig.cosigners == [0, 2])
        try rig.cosign(1)
        #expect(rig.shownSize == 11 && rig.cosigners == [0, 1, 2])
        // In the policy's order.
        let keyHashes = rig.setup.policy.witnesses.map(\.keyHash)
        #expect(rig.head?.cosignatures.map(\.keyHash) == keyHashes)
    }

    @Test func nothingIsShownBeforeItIsDurable() throws {
        var rig = try PublisherRig.running(witnessCount: 1, quorum: 1) { $0.published = nil }
        rig.isManual = true
        try rig.commit(11)
        #expect(rig.isSigning && rig.asked == [])
        try rig.finishSigning()
        try rig.pull()
        try rig.cosignAll()
        #expect(rig.recording.published?.head.signedTreeHead.treeHead.size.value == 11)
        #expect(rig.shownSize == 10)
        // Meanwhile the next is made; it is stored after this one, never instead of it.
        try rig.commit(12)
        try rig.advance(.seconds(1))
        try rig.finishSigning()
        try rig.pull()
        try rig.cosignAll()
        #expect(rig.recording.published?.head.signedTreeHead.treeHead.size.value == 11)
        rig.finishRecording()
        try rig.pull()
        #expect(rig.shownSize == 11)
        rig.finishRecording()
        try rig.pull()
        #expect(rig.shownSize == 12 && !rig.recording.isOn)
    }

    /// A cosignature over the shown head that comes when the next is signed already.
    @Test func aLateCosignatureIsAddedToTheShownHeadWhileTheNextIsOnItsWay() throws {
        var rig = try PublisherRig.running(witnessCount: 3, quorum: 1)
        try rig.commit(11)
        try rig.cosign(0)
        try rig.cosign(1)
        try rig.commit(12)
        // Witness 2 is waited for, but not for ever.
        #expect(rig.signedSizes == [11])
        try rig.advance(.seconds(10))
        #expect(rig.signedSizes == [11, 12] && rig.shownSize == 11)
        try rig.cosign(2)
        #expect(rig.shownSize == 11 && rig.cosigners == [0, 1, 2])
        // It is asked for the new one now.
        #expect(rig.asked == [0, 1, 2] && rig.inFlight[2]?.signed.treeHead.size.value == 12)
    }

    @Test func nestedGroups() throws {
        let policy = try Material.policy(
            witnessCount: 4,
            """
            group a any w0 w1
            group b all w2 w3
            group q all a b
            quorum q

            """)
        var rig = try PublisherRig(RigSetup(policy: policy))
        try rig.pull()
        for (witness, isMet) in [(3, false), (1, false), (2, true)] {
            try rig.cosign(witness)
            #expect((rig.shownSize == 10) == isMet)
        }
    }

    // MARK: Heartbeats

    @Test func aHeartbeatRefreshesAndLosesNothing() throws {
        var rig = try PublisherRig.running(witnessCount: 3, quorum: 2)
        #expect(rig.publisher.heartbeatInterval == .seconds(20))
        try rig.advance(.milliseconds(19_999))
        #expect(rig.asked == [])
        try rig.advance(.milliseconds(1))
        #expect(rig.asked == [0, 1, 2] && rig.signedSizes == [])
        let old = try #require(rig.head)
        try rig.answer(1, .failed(reason: "answered 500"))
        try rig.answer(2, .unsent(reason: "connection refused"))
        #expect(rig.head == old)
        try rig.cosign(0)
        #expect(rig.cosigners == [0, 1, 2])
        let new = try #require(rig.head)
        #expect(new.cosignatures[0].time == old.cosignatures[0].time + 20)
        #expect(new.cosignatures[1...] == old.cosignatures[1...])
    }

    @Test func intervalStretchesToWhatTheBudgetsBear() throws {
        for (requestsPerDay, seconds) in [(8640, 20), (86_400, 10), (24, 7200)] {
            let rig = try PublisherRig.running(witnessCount: 2, quorum: 1) {
                $0.requestsPerDay = requestsPerDay
            }
            #expect(rig.publisher.heartbeatInterval == .seconds(seconds))
        }
        let alone = try PublisherRig.running(witnessCount: 0, quorum: 0) { $0.requestsPerDay = 1 }
        #expect(alone.publisher.heartbeatInterval == .seconds(10))
    }

    /// A leaf does not wait for the end of a heartbeat, nor for its quorum.
    @Test func aHeartbeatGivesWay() throws {
        var rig = try PublisherRig.running(witnessCount: 2, quorum: 2)
        try rig.advance(.seconds(20))
        #expect(rig.asked == [0, 1])
        try rig.commit(11)
        #expect(rig.signedSizes == [11])
        // The cosignatures of the old head are not lost, and the new one is asked for at once.
        try rig.cosign(0)
        #expect(rig.head?.cosignatures.first?.time == rig.unixSecondsAtZero + 20)
        #expect(rig.inFlight[0]?.signed.treeHead.size.value == 11)
        try rig.cosign(1)
        try rig.cosignAll()
        #expect(rig.shownSize == 11 && rig.cosigners == [0, 1])
    }

    // MARK: No quorum

    @Test func withoutQuorumTheShownHeadStays() throws {
        var rig = try PublisherRig.running(witnessCount: 2, quorum: 2)
        _ = rig.takeNotices()
        try rig.commit(11)
        try rig.cosign(0)
        try rig.answer(1, .failed(reason: "answered 500"))
        #expect(rig.shownSize == 10)
        let lost = PublisherNotice.quorumLost(missing: [1], lostCount: 1)
        #expect(rig.takeNotices().contains(lost))
        #expect(rig.recordCount == 1)
        // Tried again, each time later; who cosigned is not asked again.
        for (milliseconds, lostCount) in [(1000, 2), (2000, 3), (4000, 4), (8000, 5)] {
            #expect(rig.asked == [])
            try rig.advance(.milliseconds(milliseconds - 1))
            #expect(rig.asked == [])
            try rig.advance(.milliseconds(1))
            #expect(rig.asked == [1])
            try rig.answer(1, .failed(reason: "answered 500"))
            let lost = PublisherNotice.quorumLost(missing: [1], lostCount: lostCount)
            #expect(rig.takeNotices().contains(lost))
        }
        try rig.advance(.seconds(10))
        try rig.cosign(1)
        // Until its cosignature is so old that a heartbeat would have renewed it.
        #expect(rig.asked == [0])
        try rig.cosign(0)
        #expect(rig.shownSize == 11 && rig.cosigners == [0, 1])
        #expect(rig.notices.contains { $0.isQuorumReached(lostCount: 5) })
    }

    /// What came in since is signed with the next try.
    @Test func aRetryHasTheLeavesThatCameSince() throws {
        var rig = try PublisherRig.running(witnessCount: 1, quorum: 1)
        try rig.commit(11)
        try rig.commit(13)
        try rig.answer(0, .failed(reason: "answered 500"))
        try rig.advance(.seconds(1))
        #expect(rig.signedSizes == [11, 13])
        try rig.cosign(0)
        #expect(rig.shownSize == 13)
    }

    // MARK: Signing

    @Test func signingIsTriedAgain() throws {
        var rig = try PublisherRig.running(witnessCount: 1, quorum: 1)
        rig.isManual = true
        try rig.commit(11)
        for _ in 0..<3 {
            #expect(rig.isSigning)
            rig.failSigning()
            try rig.pull()
            #expect(!rig.isSigning)
            try rig.advance(.milliseconds(999))
            #expect(!rig.isSigning)
            try rig.advance(.milliseconds(1))
        }
        try rig.finishSigning()
        try rig.pull()
        #expect(rig.asked == [0])
    }

    /// A signer that is gone does not make the cosignatures of what is shown grow old.
    @Test func heartbeatsGoOnWhileSigningFails() throws {
        var rig = try PublisherRig.running(witnessCount: 1, quorum: 1)
        rig.isManual = true
        try rig.commit(11)
        var heartbeatCount = 0
        for _ in 0..<100 {
            if rig.isSigning { rig.failSigning() }
            if rig.asked == [0] {
                heartbeatCount += 1
                try rig.cosign(0)
            }
            if rig.recording.isOn { rig.finishRecording() }
            try rig.pull()
            try rig.advance(.seconds(1))
        }
        #expect(rig.signedSizes == [] && rig.shownSize == 10)
        #expect((4...5).contains(heartbeatCount))
    }

    @Test func nothingHappensAfterAHalt() throws {
        var rig = try PublisherRig.running(witnessCount: 2, quorum: 1)
        try rig.commit(11)
        rig.publisher.halt()
        try rig.cosign(0)
        try rig.commit(12)
        try rig.advance(.seconds(1000))
        #expect(rig.publisher.isHalted && rig.deadline == nil)
        #expect(rig.shownSize == 10 && rig.signedSizes == [11] && rig.asked == [1])
    }
}

extension PublisherNotice {
    func isQuorumReached(lostCount: Int) -> Bool {
        guard case .quorumReached(_, lostCount) = self else { return false }
        return true
    }
}
