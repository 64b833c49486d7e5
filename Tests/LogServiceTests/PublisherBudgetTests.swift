// SPDX-License-Identifier: BSD-2-Clause

// A publisher within the requests that its witnesses grant.

import MerkleLog
import SigsumFormats
import Testing
import TileStore

@testable import LogService

@Suite struct PublisherBudgetTests {
    /// A day of heartbeats leaves what is for leaves alone.
    @Test func heartbeatsUseHalf() throws {
        var rig = try PublisherRig.running()
        for _ in 0..<4320 {
            try rig.advance(.seconds(20))
            try rig.cosign(0)
        }
        #expect(rig.requests.count == 4321)
        #expect(rig.publisher.requestsLeft(0, now: rig.now) == 4320)
    }

    /// A leaf now and then is published at once, day after day.
    @Test func aQuietLogPublishesAtOnce() throws {
        var rig = try PublisherRig.running()
        for leaf in 0..<500 {
            for _ in 0..<(leaf % 4) {
                try rig.advance(.seconds(20))
                try rig.settle()
            }
            try rig.advance(.milliseconds(1_000 + 37 * (leaf % 100)))
            try rig.settle()
            try rig.commit(11 + leaf)
            try rig.cosign(0)
            #expect(rig.shownSize == 11 + leaf)
        }
    }

    /// One that is always busy: at the pace of minInterval while something is saved up, then at
    /// what is granted.
    @Test func aBusyLogSettlesAtTheGrant() throws {
        var rig = try PublisherRig.running { $0.requestsPerDay = 864 }
        // 432 are saved up; a request each 100 s.
        var leaf = 10
        while rig.now < .milliseconds(500_000) {
            if leaf < 590 { leaf += 1 }
            try rig.commit(leaf)
            try rig.settle()
            try rig.advance(.seconds(1))
            try rig.settle()
        }
        #expect((430...440).contains(rig.requests.count))
        #expect(rig.publisher.requestsLeft(0, now: rig.now) == 0)
        let count = rig.requests.count
        for size in 590..<600 {
            try rig.commit(size)
            try rig.advance(.seconds(1_000))
            try rig.settle()
        }
        #expect((10...100).contains(rig.requests.count - count))
        #expect(rig.shownSize == 599)
    }

    /// With nothing left a new leaf is signed when it can be asked for, with those that came since.
    @Test func nothingIsSignedThatNobodyCanBeAskedFor() throws {
        var rig = try PublisherRig.running { setup in
            setup.requestsPerDay = 864
            setup.records = setup.policy.witnesses.map {
                WitnessRecord(
                    keyHash: $0.keyHash, size: .zero, savedMilliseconds: 200_000,
                    seenMilliseconds: 1_795_000_000_000, keyName: nil)
            }
        }
        try rig.commit(11)
        try rig.settle()
        try rig.advance(.seconds(1))
        try rig.commit(12)
        let size = rig.signedSizes.last
        #expect(rig.deadline != nil)
        try rig.advance(.seconds(90))
        try rig.commit(13)
        #expect(rig.signedSizes.last == size && rig.asked == [])
        try rig.advance(.seconds(200))
        #expect(rig.signedSizes.last == 13 && rig.asked == [0])
    }

    @Test func whatIsLeftIsKeptOverARestart() throws {
        var rig = try PublisherRig.running()
        for size in 11..<111 {
            try rig.commit(size)
            try rig.settle()
            try rig.advance(.seconds(1))
        }
        let left = rig.publisher.requestsLeft(0, now: rig.now)
        #expect((4210...4240).contains(left))
        let again = try PublisherRig(
            rig.setup.restarted(rig), now: FakeInstant(),
            unixSecondsAtZero: rig.unixMilliseconds / 1000)
        #expect(again.publisher.requestsLeft(0, now: again.now) == left)
        // What was granted meanwhile is added.
        let later = try PublisherRig(
            rig.setup.restarted(rig), now: FakeInstant(),
            unixSecondsAtZero: rig.unixMilliseconds / 1000 + 1000)
        #expect(later.publisher.requestsLeft(0, now: later.now) == left + 50)
        let unknown = try PublisherRig(rig.setup, now: FakeInstant())
        #expect(unknown.publisher.requestsLeft(0, now: unknown.now) == 4320)
    }

    /// A log that is started again and again gets nothing that is not granted.
    @Test func restartsGrantNothing() throws {
        var rig = try PublisherRig.running { $0.requestsPerDay = 864 }
        var count = rig.requests.count
        var unixSeconds = rig.unixSecondsAtZero
        for _ in 0..<1000 {
            try rig.advance(.seconds(1))
            unixSeconds += 1
            rig = try PublisherRig(
                rig.setup.restarted(rig), now: FakeInstant(), unixSecondsAtZero: unixSeconds)
            try rig.pull()
            count += rig.asked.count
            try rig.settle()
        }
        #expect(count <= 432 + 1 + 20)
    }

    /// Corrected requests count, those that never left do not.
    @Test func whatCounts() throws {
        var rig = try PublisherRig.running()
        let left = rig.publisher.requestsLeft(0, now: rig.now)
        try rig.commit(11)
        try rig.answer(0, .size(Material.tree(3).treeHead.size))
        try rig.cosign(0)
        #expect(rig.publisher.requestsLeft(0, now: rig.now) == left - 2)
        try rig.advance(.seconds(1))
        try rig.commit(12)
        try rig.answer(0, .unsent(reason: "connection refused"))
        #expect(rig.publisher.requestsLeft(0, now: rig.now) == left - 2)
    }

    /// A witness that has nothing left is asked when it has, and holds up nobody who needs it not.
    @Test func oneWitnessWithNothingLeft() throws {
        var rig = try PublisherRig.running(witnessCount: 3, quorum: 2) { setup in
            let keyHash = setup.policy.witnesses[1].keyHash
            setup.records = [
                WitnessRecord(
                    keyHash: keyHash, size: .zero, savedMilliseconds: 0,
                    seenMilliseconds: 1_795_000_000_000, keyName: nil)
            ]
        }
        try rig.advance(.seconds(100))
        try rig.settle()
        for size in [11, 12] {
            try rig.commit(size)
            try rig.settle()
            #expect(rig.shownSize == size)
            try rig.advance(.seconds(10))
            try rig.settle()
        }
    }
}
