// SPDX-License-Identifier: BSD-2-Clause

// The table of leaves on their way, against a model that keeps one list of facts and searches it.

import LogCrypto
import LogService
import SigsumFormats
import TestSupport
import Testing
import TileStore

@Suite struct SubmissionTableTests {
    /// What a model knows of one leaf: its stage and who waits.
    struct Entry {
        enum Stage { case waiting, verifying, verified, committing }
        let number: Int
        /// What it was submitted on; later requests have another.
        let account: Account?
        var stage: Stage
        var waiters: [Int]
    }

    let unverified: [UnverifiedLeaf]
    let hashed: [HashedLeaf]

    init() throws {
        hashed = Array(try Golden.hashed.get().prefix(24))
        unverified = try Golden.leaves.get().prefix(24).map {
            try UnverifiedLeaf(parsing: $0.body.span)
        }
    }

    @Test func theWayOfOneLeaf() {
        var table = SubmissionTable<String>(countMax: 2)
        let hash = hashed[0].leafHash
        #expect(
            table.submit(unverified[0], leafHash: hash, waiter: "a", finishedCount: 0) == .queued)
        #expect(
            table.submit(unverified[0], leafHash: hash, waiter: "b", finishedCount: 0) == .joined)
        #expect(table.waitingCount == 1 && table.count == 1)
        #expect(table.takeForVerification()?.leafHash == hash)
        #expect(table.takeForVerification() == nil)
        #expect(
            table.submit(unverified[0], leafHash: hash, waiter: "c", finishedCount: 0) == .joined)
        let early = table.callWriter()
        table.accept(hashed[0])
        let calls = [early, table.callWriter(), table.callWriter()]
        #expect(calls == [false, true, false])
        #expect(table.takeBatch(countMax: 9) == [hashed[0]])
        let late = table.callWriter()
        #expect(table.count == 1 && !late)
        #expect(
            table.submit(unverified[0], leafHash: hash, waiter: "d", finishedCount: 0) == .joined)
        #expect(table.finish([hashed[0]]) == [["a", "b", "c", "d"]])
        #expect(table.count == 0)
        // Gone: whoever looked before that has to look again, the next is a new one.
        #expect(table.finishedCount == 1)
        #expect(
            table.submit(unverified[0], leafHash: hash, waiter: "e", finishedCount: 0) == .outdated)
        #expect(table.count == 0)
        #expect(
            table.submit(unverified[0], leafHash: hash, waiter: "e", finishedCount: 1) == .queued)
        #expect(table.takeForVerification()?.leaf == unverified[0])
        #expect(table.reject(hash) == ["e"])
        #expect(table.reject(hash) == [])
    }

    /// The counts at which more are refused, and that a refused one leaves nothing behind.
    @Test func bounds() {
        var table = SubmissionTable<Int>(countMax: 2, waitersMax: 3)
        func submit(_ number: Int, _ waiter: Int) -> SubmissionTable<Int>.Admission {
            table.submit(
                unverified[number], leafHash: hashed[number].leafHash, waiter: waiter,
                finishedCount: table.finishedCount)
        }
        #expect([submit(0, 1), submit(1, 2), submit(2, 3)] == [.queued, .queued, .overloaded])
        #expect([submit(0, 4), submit(0, 5), submit(0, 6)] == [.joined, .joined, .overloaded])
        #expect(table.count == 2 && table.waitingCount == 2)
        // One that is being verified still counts; one that was refused does not.
        _ = table.takeForVerification()
        #expect(submit(2, 7) == .overloaded)
        #expect(table.reject(hashed[0].leafHash) == [1, 4, 5])
        #expect(submit(2, 7) == .queued)
        #expect(table.reject(hashed[2].leafHash) == [7])
    }

    /// Whoever comes later waits with the first, and the leaf goes on the first's account.
    @Test func accounts() {
        var table = SubmissionTable<Int>(countMax: 4, waitersMax: 2)
        let keys = hashed.map { Account.key(KeyHash(bytes: $0.leafHash.bytes)) }
        for (number, account) in [(0, keys[0]), (1, nil), (2, keys[2]), (0, keys[1])] {
            _ = table.submit(
                unverified[number], leafHash: hashed[number].leafHash, account: account,
                waiter: number, finishedCount: 0)
        }
        for number in 0..<3 {
            _ = table.takeForVerification()
            table.accept(hashed[number])
        }
        let batch = table.takeBatch(countMax: 9)
        #expect(table.accounts(of: batch) == [keys[0], nil, keys[2]])
        #expect(table.accounts(of: [hashed[3], hashed[2]]) == [nil, keys[2]])
        _ = table.finish(batch)
        #expect(table.accounts(of: batch) == [nil, nil, nil])
    }

    /// Joining is for what is on its way, at every stage, and tells when it has left.
    @Test func joining() {
        var table = SubmissionTable<String>(countMax: 2, waitersMax: 4)
        let hash = hashed[0].leafHash
        func join(
            _ waiter: String, finishedCount: Int = 0
        ) -> SubmissionTable<String>.Admission? {
            table.join(hash, waiter: waiter, finishedCount: finishedCount)
        }
        #expect(join("a") == nil)
        #expect(table.count == 0)
        _ = table.submit(unverified[0], leafHash: hash, waiter: "b", finishedCount: 0)
        #expect(join("c") == .joined)
        _ = table.takeForVerification()
        #expect(join("d") == .joined)
        table.accept(hashed[0])
        #expect(table.takeBatch(countMax: 1) == [hashed[0]])
        #expect(join("e") == .joined)
        #expect(join("f") == .overloaded)
        #expect(table.finish([hashed[0]]) == [["b", "c", "d", "e"]])
        #expect(join("g") == .outdated)
        #expect(join("g", finishedCount: 1) == nil)
        #expect(table.count == 0 && table.waitingCount == 0)
    }

    /// Random steps in any legal order do what the model says.
    @Test(arguments: 0..<20 as Range<UInt64>) func asTheModelSays(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        let countMax = Int.random(in: 1...12, using: &random)
        let waitersMax = Int.random(in: 1...4, using: &random)
        var table = SubmissionTable<Int>(countMax: countMax, waitersMax: waitersMax)
        /// In the order in which they entered their stage.
        var model: [Entry] = []
        var batches: [[HashedLeaf]] = []
        var isWriterCalled = false

        func numbers(_ stage: Entry.Stage) -> [Int] {
            model.filter { $0.stage == stage }.map(\.number)
        }
        /// Moves a leaf to the end, in a new stage.
        func move(_ number: Int, to stage: Entry.Stage) {
            guard let place = model.firstIndex(where: { $0.number == number }) else { return }
            var entry = model.remove(at: place)
            entry.stage = stage
            model.append(entry)
        }
        func end(_ number: Int) -> [Int] {
            guard let place = model.firstIndex(where: { $0.number == number }) else { return [] }
            return model.remove(at: place).waiters
        }

        for waiter in 0..<3_000 {
            switch Int.random(in: 0..<10, using: &random) {
            case 0:
                let number = Int.random(in: 0..<hashed.count, using: &random)
                var expected: SubmissionTable<Int>.Admission?
                if let place = model.firstIndex(where: { $0.number == number }) {
                    let isFull = model[place].waiters.count == waitersMax
                    expected = isFull ? .overloaded : .joined
                    if !isFull { model[place].waiters.append(waiter) }
                }
                let admission = table.join(
                    hashed[number].leafHash, waiter: waiter, finishedCount: table.finishedCount)
                #expect(admission == expected)
            case 1..<5:
                let number = Int.random(in: 0..<hashed.count, using: &random)
                let account = [nil, Account.key(KeyHash(bytes: hashed[waiter % 9].leafHash.bytes))]
                    .randomElement(using: &random)?.flatMap { $0 }
                let expected: SubmissionTable<Int>.Admission
                if let place = model.firstIndex(where: { $0.number == number }) {
                    let isFull = model[place].waiters.count == waitersMax
                    expected = isFull ? .overloaded : .joined
                    if !isFull { model[place].waiters.append(waiter) }
                } else if model.count == countMax {
                    expected = .overloaded
                } else {
                    expected = .queued
                    model.append(
                        Entry(
                            number: number, account: account, stage: .waiting, waiters: [waiter]))
                }
                let admission = table.submit(
                    unverified[number], leafHash: hashed[number].leafHash, account: account,
                    waiter: waiter, finishedCount: table.finishedCount)
                #expect(admission == expected)
            case 5, 6:
                let taken = table.takeForVerification()
                let expected = numbers(.waiting).first
                #expect(taken?.leafHash == expected.map { hashed[$0].leafHash })
                #expect(taken?.leaf == expected.map { unverified[$0] })
                if let expected { move(expected, to: .verifying) }
            case 7:
                guard let number = numbers(.verifying).randomElement(using: &random) else {
                    continue
                }
                if Bool.random(using: &random) {
                    table.accept(hashed[number])
                    move(number, to: .verified)
                } else {
                    #expect(table.reject(hashed[number].leafHash) == end(number))
                }
            case 8:
                let countMax = Int.random(in: 1...4, using: &random)
                let expected = numbers(.verified).prefix(countMax)
                let batch = table.takeBatch(countMax: countMax)
                isWriterCalled = false
                #expect(batch == expected.map { hashed[$0] })
                let accounts = expected.map { number in
                    model.first { $0.number == number }?.account
                }
                #expect(table.accounts(of: batch) == accounts)
                for number in expected { move(number, to: .committing) }
                if !batch.isEmpty { batches.append(batch) }
            default:
                guard !batches.isEmpty else { continue }
                let batch = batches.removeFirst()
                let expected = batch.map { leaf in
                    hashed.firstIndex(of: leaf).map { end($0) } ?? []
                }
                #expect(table.finish(batch) == expected)
            }
            #expect(table.count == model.count)
            #expect(table.waitingCount == numbers(.waiting).count)
            let unverifiedCount = numbers(.waiting).count + numbers(.verifying).count
            let verifiedCount = numbers(.verified).count
            let isCallDue =
                !isWriterCalled && verifiedCount > 0 && verifiedCount >= unverifiedCount
            let isCalled = table.callWriter()
            #expect(isCalled == isCallDue)
            isWriterCalled = isWriterCalled || isCallDue
        }
    }
}
