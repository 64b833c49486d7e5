// SPDX-License-Identifier: BSD-2-Clause

// Simulations out of many seeds. A failure names its seed; `SIGSUM_FUZZ_SEED` begins there, and
// `SIGSUM_FUZZ_ITERATIONS` says how many are tried.

import TestSupport
import Testing

@testable import LogService

@Suite struct ReplicatorSimulationTests {
    private func simulate(
        quick: Int, isReplaced: Bool = false, _ check: (inout ReplicatorSimulation) -> Void
    ) {
        for iteration in 0..<Fuzzing.iterationCount(quick: quick) {
            let seed = Fuzzing.seed &+ UInt64(iteration)
            var simulation = ReplicatorSimulation(seed: seed, isReplaced: isReplaced)
            check(&simulation)
            if let violation = simulation.violation {
                Issue.record("seed \(seed): \(violation)")
                return
            }
        }
    }

    /// A secondary that is down starts, a request that hangs ends, and the rest is fetched.
    private func settle(_ simulation: inout ReplicatorSimulation) {
        simulation.calmDown()
        simulation.run(for: .seconds(4) + simulation.timeout + simulation.interval * 2)
        // One answer may have no more than one leaf, and every other one only the leaf before.
        let size = simulation.primary.size
        let missing = size - min(size, simulation.storedCount)
        simulation.run(for: .milliseconds(500) * Int(missing))
    }

    /// Whatever happens, what is stored is the primary's tree; and when it is over, all of it is, and
    /// then the primary is asked seldom.
    @Test func everythingThatMayHappen() {
        var storedCount: UInt64 = 0
        var noticeCount = 0
        var parallelCount = 0
        simulate(quick: 40) { simulation in
            simulation.run(for: .seconds(Int.random(in: 1...60, using: &simulation.random)))
            settle(&simulation)
            storedCount += simulation.storedCount
            noticeCount += simulation.notices.count
            if simulation.inFlightMax == 4 { parallelCount += 1 }
            simulation.expect(!simulation.isHalted, "halted: \(simulation.notices.suffix(1))")
            simulation.expect(
                simulation.isCaughtUp,
                "\(simulation.primary.size) leaves, \(simulation.storedCount) of them stored")
            let requestCount = simulation.requestCount
            let pause = simulation.interval * 10
            simulation.run(for: pause)
            let spacing = simulation.primary.isWaiting ? simulation.wait : simulation.interval
            // With the leaf before, and at the end.
            simulation.expect(
                simulation.requestCount - requestCount <= 2 * Int(pause / spacing) + 6,
                "\(simulation.requestCount - requestCount) requests in \(pause)")
            simulation.expect(
                simulation.notices.contains { if case .caughtUp = $0 { true } else { false } },
                "nobody heard that it has caught up")
        }
        #expect(storedCount > 50_000 && noticeCount > 400 && parallelCount > 10)
    }

    /// Another primary, whose tree is shorter or differs from some leaf on that is here: nothing of
    /// it is stored.
    @Test func anotherPrimary() {
        var haltCount = 0
        simulate(quick: 40) { simulation in
            simulation.run(for: .seconds(Int.random(in: 1...40, using: &simulation.random)))
            guard simulation.storedCount > 0 else { return }
            let stored = simulation.storedCount
            let place = UInt64.random(in: 0..<stored, using: &simulation.random)
            let isShorter = Bool.random(using: &simulation.random)
            simulation.calmDown()
            simulation.replacePrimary(
                size: isShorter ? place : stored + 5000, fork: isShorter ? nil : place)
            simulation.run(for: .seconds(20) + (simulation.timeout + simulation.interval) * 3)
            haltCount += 1
            simulation.expect(
                simulation.isHalted, "not halted, \(stored) leaves, place \(place)")
            let requestCount = simulation.requestCount
            simulation.run(for: .seconds(100))
            simulation.expect(simulation.requestCount == requestCount, "asks after a halt")
        }
        #expect(haltCount > 20)
    }

    /// Primaries with other trees take each other's place between any two requests, and the old ones
    /// still answer on some connections. What is stored is the beginning of one of their trees; and it
    /// is that of the last one, or it is said not to be.
    @Test func manyPrimaries() {
        var haltCount = 0
        var followedCount = 0
        simulate(quick: 100, isReplaced: true) { simulation in
            simulation.run(for: .seconds(Int.random(in: 1...100, using: &simulation.random)))
            settle(&simulation)
            simulation.expect(
                simulation.isHalted || simulation.isOfPrimary && simulation.isCaughtUp,
                "goes on with \(simulation.storedCount) leaves, not those of the primary")
            if simulation.isHalted {
                haltCount += 1
            } else if simulation.storedTree > 0 {
                followedCount += 1
            }
        }
        #expect(haltCount > 10 && followedCount > 10)
    }
}
