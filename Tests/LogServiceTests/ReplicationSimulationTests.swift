// SPDX-License-Identifier: BSD-2-Clause

// Simulations out of many seeds. A failure names its seed; `SIGSUM_FUZZ_SEED` begins there, and
// `SIGSUM_FUZZ_ITERATIONS` says how many are tried.

import MerkleLog
import TestSupport
import Testing

@testable import LogService

@Suite struct ReplicationSimulationTests {
    /// Whatever happens, no leaf counts that was not held, none that counted is left out of what is
    /// signed later, nobody is asked in a loop, and what is told is what happened. When it is over, all
    /// leaves count in good time, whatever the secondaries do that are not required.
    @Test func everythingThatMayHappen() throws {
        var (signingCount, stallCount) = (0, 0)
        for iteration in 0..<Fuzzing.iterationCount(quick: 100) {
            let seed = Fuzzing.seed &+ UInt64(iteration)
            var simulation = ReplicationSimulation(seed: seed)
            simulation.run(
                for: .seconds(Int.random(in: 1...60, using: &simulation.random)))
            simulation.calmDown()
            simulation.run(for: simulation.calmDuration)
            let size = simulation.process?.replication.size
            simulation.expect(
                size == .of(simulation.committed),
                "\(size.map { "\($0)" } ?? "none") of \(simulation.committed) leaves are replicated"
            )
            signingCount += simulation.signingCount
            stallCount += simulation.stallCount
            if let violation = simulation.violation {
                Issue.record("seed \(seed): \(violation)")
                return
            }
        }
        #expect(signingCount > 500 && stallCount > 25, "\(signingCount), \(stallCount)")
    }
}
