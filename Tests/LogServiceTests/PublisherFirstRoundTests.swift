// SPDX-License-Identifier: BSD-2-Clause

// After a start: nothing new is signed before the stored head has its quorum again, and a witness
// that knows better stops everything.

import MerkleLog
import SigsumFormats
import Testing
import TileStore

@testable import LogService

@Suite struct PublisherFirstRoundTests {
    private func size(_ value: UInt64) throws -> TreeSize { try #require(TreeSize(value)) }

    private func record(_ setup: RigSetup, witness: Int, size: UInt64) throws -> WitnessRecord {
        WitnessRecord(
            keyHash: setup.policy.witnesses[witness].keyHash, size: try self.size(size),
            savedMilliseconds: 86_400_000, seenMilliseconds: 1_795_000_000_000, keyName: nil)
    }

    /// Setups in which the stored head was shown, and in which it was not.
    static let publications: [Int?] = [nil, 4, 10]

    @Test(arguments: publications) func nothingNewIsSignedBeforeTheQuorum(published: Int?) throws {
        var setup = try RigSetup(witnessCount: 3, quorum: 2)
        setup.committed = 15
        setup.published = try published.map { try Material.published($0) }
        var rig = try PublisherRig(setup)
        try rig.pull()
        #expect(rig.asked == [0, 1, 2] && rig.shownSize == published)
        try rig.commit(16)
        try rig.cosign(0)
        try rig.answer(1, .failed(reason: "answered 500"))
        try rig.advance(.seconds(1000))
        #expect(rig.signedSizes == [])
        if published != 10 { #expect(rig.shownSize == published) }
        try rig.cosign(2)
        #expect(rig.signedSizes == [16] && rig.shownSize == 10)
        try rig.cosignAll()
        #expect(rig.shownSize == 16)
    }

    /// The stored cosignatures, be they ever so many, are no quorum of today.
    @Test func storedCosignaturesDoNotCount() throws {
        var setup = try RigSetup(witnessCount: 2, quorum: 2)
        let treeHead = try Material.tree(10).treeHead
        let cosignatures = (0..<2).map { number in
            Cosignature(
                keyHash: setup.policy.witnesses[number].keyHash, time: 1,
                signature: Material.mark(treeHead, by: UInt8(number), time: 1))
        }
        setup.published = try Material.published(10, cosignatures: cosignatures)
        setup.committed = 11
        var rig = try PublisherRig(setup)
        try rig.pull()
        #expect(rig.cosigners == [0, 1] && rig.signedSizes == [])
        try rig.cosign(1)
        // Renewed one by one: this head was shown before.
        #expect(rig.head?.cosignatures.map { $0.time == 1 } == [true, false])
        #expect(rig.signedSizes == [])
        try rig.cosign(0)
        #expect(rig.signedSizes == [11] && rig.shownSize == 10)
    }

    /// A head with cosignatures of witnesses that are not in the policy any more.
    @Test func afterAChangeOfPolicy() throws {
        var setup = try RigSetup(witnessCount: 1, quorum: 1)
        let other = try Material.policy(witnessCount: 3, quorum: 1).witnesses[2]
        let treeHead = try Material.tree(10).treeHead
        let cosignature = Cosignature(
            keyHash: other.keyHash, time: 7,
            signature: Material.mark(treeHead, by: 2, time: 7))
        setup.published = try Material.published(10, cosignatures: [cosignature])
        // This head was signed, and shown to nobody.
        setup.signed = 12
        setup.committed = 12
        var rig = try PublisherRig(setup)
        try rig.pull()
        try rig.advance(.seconds(100))
        #expect(rig.shownSize == 10 && rig.head?.cosignatures == [cosignature])
        try rig.cosign(0)
        #expect(rig.shownSize == 12 && rig.cosigners == [0] && rig.head?.cosignatures.count == 1)
    }

    /// Its cosignatures stay with a head for as long as that is shown.
    @Test func cosignaturesOfFormerWitnessesStay() throws {
        var setup = try RigSetup(witnessCount: 1, quorum: 1)
        let former = try Material.policy(witnessCount: 3, quorum: 1).witnesses[2]
        let signature = Material.mark(try Material.tree(10).treeHead, by: 2, time: 7)
        let cosignature = Cosignature(keyHash: former.keyHash, time: 7, signature: signature)
        setup.published = try Material.published(10, cosignatures: [cosignature])
        var rig = try PublisherRig(setup)
        try rig.pull()
        try rig.cosign(0)
        let keyHashes = [setup.policy.witnesses[0].keyHash, former.keyHash]
        #expect(rig.head?.cosignatures.map(\.keyHash) == keyHashes)
    }

    // MARK: Contradictions

    enum Contradiction: CaseIterable {
        case larger, largest, inconsistent, anotherTreeOfThatSize, withoutSize

        func answer() throws -> WitnessAnswer {
            switch self {
            case .larger: .size(try #require(TreeSize(11)))
            case .largest: .size(.max)
            case .inconsistent: .inconsistent
            case .anotherTreeOfThatSize: .size(try #require(TreeSize(10)))
            // As tlog-witness 1.0.0 has it for another root hash at the size asked for.
            case .withoutSize: .conflict(reason: "answered 409 with content type none")
            }
        }
    }

    @Test(arguments: Contradiction.allCases)
    func anyWitnessStopsTheLog(contradiction: Contradiction) throws {
        var setup = try RigSetup(witnessCount: 3, quorum: 1)
        setup.published = try Material.published(10)
        setup.records = try (0..<3).map { try record(setup, witness: $0, size: 10) }
        setup.committed = 12
        var rig = try PublisherRig(setup)
        try rig.pull()
        #expect(rig.inFlight[2]?.oldSize.value == 10)
        try rig.answer(2, contradiction.answer())
        #expect(rig.publisher.isHalted)
        let notices = rig.takeNotices()
        #expect(
            notices.contains {
                guard case .halted(2, _) = $0 else { return false }
                return true
            })
        try rig.cosignAll()
        try rig.commit(13)
        try rig.advance(.seconds(1000))
        #expect(rig.signedSizes == [] && rig.deadline == nil && rig.asked == [])
        #expect(rig.shownSize == 10)
    }

    /// Also when the others made a quorum, and also when it comes after the round.
    @Test(arguments: [false, true])
    func aSlowWitnessMayStopTheLogLater(isInTheStoredHead: Bool) throws {
        var setup = try RigSetup(witnessCount: 2, quorum: 1)
        setup.committed = 12
        if isInTheStoredHead {
            let cosignature = Cosignature(
                keyHash: setup.policy.witnesses[1].keyHash, time: 1,
                signature: Material.mark(try Material.tree(10).treeHead, by: 1, time: 1))
            setup.published = try Material.published(10, cosignatures: [cosignature])
        }
        var rig = try PublisherRig(setup)
        try rig.pull()
        try rig.cosign(0)
        if isInTheStoredHead {
            // It is waited for, though only so long.
            #expect(rig.signedSizes == [] && rig.shownSize == 10)
            try rig.advance(.seconds(10))
        }
        #expect(rig.signedSizes == [12])
        try rig.answer(1, .size(size(11)))
        #expect(rig.publisher.isHalted)
    }

    /// After a start a log that has lost its end asks with what the record says, which may be more
    /// than it has.
    @Test func aRecordAheadOfTheStore() throws {
        var setup = try RigSetup(witnessCount: 1, quorum: 1)
        setup.records = [try record(setup, witness: 0, size: 20)]
        var rig = try PublisherRig(setup)
        try rig.pull()
        #expect(rig.inFlight[0]?.oldSize.value == 10)
        try rig.answer(0, .size(size(20)))
        #expect(rig.publisher.isHalted)
    }

    /// The first round lasts, in as many tries as it takes, until the quorum.
    @Test func aFirstRoundThatIsTriedAgain() throws {
        var rig = try PublisherRig(try RigSetup(witnessCount: 2, quorum: 2))
        try rig.pull()
        try rig.cosign(0)
        try rig.answer(1, .unsent(reason: "connection refused"))
        try rig.advance(.seconds(1))
        #expect(rig.asked == [1])
        try rig.answer(1, .size(size(11)))
        #expect(rig.publisher.isHalted)
    }

    /// A 422 to a request without a proof says nothing about the tree.
    @Test func inconsistentWithNothing() throws {
        var rig = try PublisherRig(try RigSetup(witnessCount: 2, quorum: 1))
        try rig.pull()
        #expect(rig.inFlight[0]?.oldSize == .zero)
        try rig.answer(0, .inconsistent)
        #expect(!rig.publisher.isHalted)
        try rig.cosign(1)
        #expect(rig.shownSize == 10)
    }

    @Test(arguments: Contradiction.allCases)
    func laterItOnlyGivesNothing(contradiction: Contradiction) throws {
        var setup = try RigSetup(witnessCount: 2, quorum: 1)
        setup.published = try Material.published(10)
        var rig = try PublisherRig(setup)
        try rig.pull()
        try rig.cosignAll()
        _ = rig.takeNotices()
        for isFirst in [true, false] {
            try rig.advance(.seconds(20))
            #expect(rig.asked == [0, 1])
            try rig.cosign(0)
            try rig.answer(1, contradiction.answer())
            #expect(!rig.publisher.isHalted)
            let contradictions = rig.takeNotices().compactMap { notice -> Bool? in
                guard case .witnessContradicts(1, _, let isFirst) = notice else { return nil }
                return isFirst
            }
            #expect(contradictions == [isFirst])
        }
        try rig.commit(11)
        try rig.cosign(0)
        #expect(rig.shownSize == 11)
    }

    // MARK: Pace

    /// New leaves wait for the first round, so it does not wait for the pace of heartbeats.
    @Test func aFirstRoundIsTriedAgainAtThePaceOfLeaves() throws {
        var setup = try RigSetup(witnessCount: 2, quorum: 2)
        setup.published = try Material.published(10)
        setup.committed = 11
        var rig = try PublisherRig(setup)
        try rig.pull()
        try rig.cosign(0)
        try rig.answer(1, .failed(reason: "answered 500"))
        try rig.advance(.seconds(1))
        #expect(rig.asked == [1])
        try rig.cosign(1)
        try rig.advance(.seconds(1))
        #expect(rig.signedSizes == [11])
    }
}
