// SPDX-License-Identifier: BSD-2-Clause

// A replication driven as control would drive it, but on a clock that a test sets: requests are taken
// until there are none to make now, and wait for the test to answer them.

import LogCrypto
import MerkleLog
import SigsumFormats
import TestSupport
import Testing

@testable import LogService

extension TreeSize {
    /// The size `count`, as tests write it.
    static func of(_ count: Int) -> TreeSize { .zero.advanced(by: count) }
}

extension SecondaryAnswer {
    /// A good answer. Replication never looks at the root hash: it was compared before.
    static func holds(_ count: Int, waits: Bool = true) -> SecondaryAnswer {
        .holds(
            TreeHead(size: .of(count), rootHash: Digest(sha256OfBytes: [])), isWaitHonored: waits)
    }
}

/// Drives a replication.
struct ReplicationRig {
    var replication: Replication<FakeInstant>
    private(set) var now = FakeInstant()
    /// Requests that were not answered yet, one for each secondary at most.
    private(set) var inFlight: [Int: SecondaryRequest] = [:]
    /// Every request ever made.
    private(set) var requests: [(at: FakeInstant, request: SecondaryRequest)] = []
    private var notices: [ReplicationNotice] = []
    /// When the replication wants to be asked again.
    private(set) var deadline: FakeInstant?

    init(
        _ secondaryCount: Int, quorum: Int, committed: Int = 0, signed: Int = 0,
        interval: Duration = .seconds(10), patience: Duration = .seconds(30)
    ) {
        replication = Replication(
            Replication.Settings(quorum: quorum, interval: interval, patience: patience),
            secondaryCount: secondaryCount, committedSize: .of(committed), signedSize: .of(signed),
            now: now)
        pull()
    }

    /// The leaves that count as logged.
    var size: Int { Int(replication.size.value) }
    /// The secondaries that are being asked, in order.
    var asked: [Int] { inFlight.keys.sorted() }
    /// The milliseconds at which `secondary` was asked.
    func requestTimes(_ secondary: Int) -> [Int] {
        requests.filter { $0.request.secondary == secondary }.map {
            Int($0.at.offset / .milliseconds(1))
        }
    }

    // MARK: Driving

    private mutating func pull() {
        for _ in 0..<100 {
            let step = replication.next(now: now)
            notices += replication.notices
            replication.notices = []
            switch step {
            case .ask(let request):
                #expect(inFlight[request.secondary] == nil, "two requests at once")
                inFlight[request.secondary] = request
                requests.append((now, request))
            case .wait(let until):
                if let until { #expect(until > now, "waits for the past") }
                deadline = until
                return
            }
        }
        Issue.record("a hundred steps at one instant")
    }

    mutating func commit(_ count: Int) {
        replication.committed(.of(count), now: now)
        pull()
    }

    /// Answers a secondary's request, or the one that follows directly on the last answer.
    mutating func answer(_ answer: SecondaryAnswer, from secondary: Int = 0) throws {
        if inFlight[secondary] == nil { advance(.milliseconds(2)) }
        guard let request = inFlight.removeValue(forKey: secondary) else {
            throw Unexpected(what: "secondary \(secondary) is not asked")
        }
        replication.answered(request, answer, now: now)
        pull()
    }

    mutating func halt() {
        replication.halt()
        pull()
    }

    /// Moves the clock, and stops wherever the replication wants to be asked.
    mutating func advance(_ duration: Duration) {
        let end = now.advanced(by: duration)
        while let deadline, deadline <= end {
            now = deadline
            pull()
        }
        now = end
        pull()
    }

    /// Moves the clock to when the next request to `secondary` is made.
    mutating func advanceToRequest(_ secondary: Int = 0) {
        while inFlight[secondary] == nil, let deadline {
            now = deadline
            pull()
        }
    }

    /// Takes the notices so far.
    mutating func takeNotices() -> [ReplicationNotice] {
        defer { notices = [] }
        return notices
    }
}
