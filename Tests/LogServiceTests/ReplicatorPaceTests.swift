// SPDX-License-Identifier: BSD-2-Clause

// A way to the primary that is too slow for its usual answers: less is asked for, until it fits, and
// more again when it is quick.

import MerkleLog
import Testing

@testable import LogService

@Suite struct ReplicatorPaceTests {
    /// What is asked for on the lane that asks alone.
    private static func askedCount(_ rig: ReplicatorRig) throws -> UInt64 {
        let request = try #require(rig.inFlight.values.first)
        return request.end - request.start
    }

    @Test func lessIsAskedForUntilItFits() throws {
        var rig = try ReplicatorRig(stored: 0)
        var counts: [UInt64] = []
        for _ in 0..<8 {
            try rig.answer(0, .late(reason: "time is up"))
            rig.advance(.seconds(1))
            counts.append(try Self.askedCount(rig))
        }
        #expect(counts == [2048, 1024, 512, 256, 128, 64, 64, 64])
        // Each is a failure like others.
        #expect(rig.takeNotices().first == .failed(reason: "time is up", count: 1))
    }

    /// Half of what the primary gives, where that is known.
    @Test func halfABatch() throws {
        var rig = try ReplicatorRig(stored: 0)
        try rig.serve(count: 40, size: 100_000, countMax: 512)
        let lane = try #require(rig.inFlight.keys.first)
        try rig.answer(lane, .late(reason: "time is up"))
        for lane in rig.inFlight.keys.sorted() { try rig.answer(lane, .late(reason: "time is up")) }
        rig.advance(.seconds(1))
        #expect(try Self.askedCount(rig) == 255)
    }

    /// An answer that took a quarter of the timeout or more leaves it as it is.
    @Test func moreIsAskedForWhenItIsQuick() throws {
        var rig = try ReplicatorRig(stored: 0)
        for _ in 0..<4 {
            try rig.answer(0, .late(reason: "time is up"))
            rig.advance(.seconds(1))
        }
        #expect(try Self.askedCount(rig) == 256)
        rig.advance(.milliseconds(2500))
        try rig.serve(0, size: 1_000_000, countMax: 4096)
        #expect(rig.inFlight.values.map(\.leafCount).max() == 256)
        for _ in 0..<20 { try rig.serve(count: 1, size: 1_000_000, countMax: 4096) }
        #expect(rig.inFlight.values.map(\.leafCount).max() ?? 0 > 4096)
        try rig.catchUp(size: 1_000_000, countMax: 4096)
        #expect(rig.stored.count == 1_000_000)
    }

    /// One that is held until its time is over says that nothing came, not that it was too much.
    @Test func heldRequestsDoNotCount() throws {
        var rig = try ReplicatorRig.atEnd(10)
        rig.advance(.seconds(10))
        #expect(rig.inFlight[0]?.waits == true)
        try rig.answer(0, .late(reason: "time is up"))
        rig.advance(.seconds(1))
        #expect(try Self.askedCount(rig) == LeafRequest.leafCountMax)
    }
}
