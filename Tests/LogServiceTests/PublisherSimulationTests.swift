// SPDX-License-Identifier: BSD-2-Clause

// Simulations out of many seeds. A failure names its seed; `SIGSUM_FUZZ_SEED` begins there, and
// `SIGSUM_FUZZ_ITERATIONS` says how many are tried.

import MerkleLog
import SigsumFormats
import TestSupport
import Testing
import TileStore

@testable import LogService

@Suite struct PublisherSimulationTests {
    private func simulate(
        quick: Int, _ check: (inout Simulation) throws -> Void
    ) throws {
        for iteration in 0..<Fuzzing.iterationCount(quick: quick) {
            let seed = Fuzzing.seed &+ UInt64(iteration)
            var simulation = try Simulation(seed: seed)
            try check(&simulation)
            if let violation = simulation.violation {
                Issue.record("seed \(seed): \(violation)")
                return
            }
        }
    }

    /// Whatever happens, nothing wrong is shown or signed; and when it is over, all leaves are
    /// published in good time.
    @Test func everythingThatMayHappen() throws {
        var signedCount = 0
        var publicationCount = 0
        try simulate(quick: 100) { simulation in
            try simulation.run(for: .seconds(Int.random(in: 1...60, using: &simulation.random)))
            simulation.calmDown()
            // A log that is down starts; the requests on their way end; the round ends; the next
            // one needs a request that is granted.
            let cost = Duration.seconds(2 * 86_400) / simulation.requestsPerDay
            try simulation.run(
                for: .seconds(6) + simulation.timeout + simulation.interval * 2 + cost * 2)
            signedCount += simulation.signedSizes.count
            publicationCount += simulation.publicationCount
            guard simulation.violation == nil else { return }
            let shown = simulation.process?.shown
            #expect(!simulation.isHalted)
            simulation.expect(
                shown?.tree.treeHead.size.value == UInt64(simulation.stored.committed),
                "\(simulation.stored.committed) committed, \(simulation.stored.signed) signed, "
                    + "shown is \(shown.map { "\($0.tree.treeHead.size)" } ?? "nothing")")
            // A little later every witness has cosigned it.
            try simulation.run(for: cost * 2 + simulation.interval * 2)
            simulation.expect(
                simulation.process?.shown?.head.cosignatures.count == simulation.witnesses.count,
                "not every witness has cosigned")
        }
        #expect(signedCount > 300 && publicationCount > signedCount)
    }

    /// Witnesses that contradict may stop a log, and that only right after a start.
    @Test func contradictions() throws {
        var haltCount = 0
        try simulate(quick: 50) { simulation in
            simulation.manners.append(.contradicts)
            try simulation.run(for: .seconds(40))
            if simulation.isHalted { haltCount += 1 }
        }
        #expect(haltCount > 0)
    }

    /// A log that goes on from an older copy of everything it had, while all witnesses are well:
    /// it notices before it signs anything.
    @Test func anOlderCopy() throws {
        var count = 0
        try simulate(quick: 50) { simulation in
            simulation.manners = [.good]
            try simulation.run(for: .seconds(15))
            let copy = simulation.stored
            try simulation.run(for: .seconds(20))
            let isNoticeable = simulation.witnesses.contains { $0.size.value > copy.signed }
            guard isNoticeable, !simulation.policy.quorum.isNone, simulation.violation == nil else {
                return
            }
            count += 1
            simulation.restart(from: copy)
            let signedCount = simulation.signedSizes.count
            try simulation.run(for: .seconds(120))
            simulation.expect(simulation.isHalted, "not halted")
            simulation.expect(simulation.signedSizes.count == signedCount, "it signed")
        }
        #expect(count > 5)
    }
}
