// SPDX-License-Identifier: BSD-2-Clause

// A publisher driven as control would drive it, but on a clock that a test sets: steps are pulled
// until there is nothing to do, what is to be signed or stored is done at once, and requests wait
// for the test to answer them. Signatures are fakes that name what they are over; a publisher never
// looks at them.

import LogCrypto
import MerkleLog
import SigsumFormats
import TestSupport
import Testing
import TileStore

@testable import LogService

typealias TestRequest = WitnessRequest<FakeInstant>

/// What a publisher's tests are made of.
enum Material {
    /// The tree of the first `size` golden leaves.
    static func tree(_ size: Int) throws -> TreeSnapshot { try Golden.snapshots.get()[size] }

    static func signed(_ treeHead: TreeHead) -> SignedTreeHead {
        SignedTreeHead(treeHead: treeHead, signature: mark(treeHead, by: 255, time: 0))
    }

    static func published(
        _ size: Int, cosignatures: [Cosignature] = []
    ) throws -> PublishedTree {
        let tree = try tree(size)
        let head = CosignedTreeHead(signed(tree.treeHead), cosignatures: cosignatures)
        return PublishedTree(head: head, tree: tree)
    }

    /// A signature that says who made it when over what.
    static func mark(_ treeHead: TreeHead, by number: UInt8, time: UInt64) -> Signature {
        var bytes: [UInt8] = treeHead.rootHash.withSpan { root in root.indices.map { root[$0] } }
        for value in [treeHead.size.value, time] {
            for shift in 0..<8 { bytes.append(UInt8(truncatingIfNeeded: value >> (8 * shift))) }
        }
        bytes += [UInt8](repeating: number, count: Signature.byteCount - bytes.count)
        return Signature(copying: bytes.span, at: 0)
    }

    /// A policy with witnesses w0, w1 and so on, and the lines that end in the quorum.
    static func policy(witnessCount: Int, _ lines: String) throws -> Policy {
        var text = ""
        for number in 0..<witnessCount {
            let key = String(repeating: Hex.string([UInt8(number + 1)].span), count: 32)
            text += "witness w\(number) \(key) https://w\(number).example\n"
        }
        return try Policy(parsing: Array((text + lines).utf8).span)
    }

    /// One in which any `count` of the witnesses are a quorum; 0 for none.
    static func policy(witnessCount: Int, quorum count: Int) throws -> Policy {
        let names = (0..<witnessCount).map { "w\($0)" }.joined(separator: " ")
        let group = count == 0 ? "" : "group q \(count) \(names)\n"
        return try policy(
            witnessCount: witnessCount, group + "quorum \(count == 0 ? "none" : "q")\n")
    }
}

/// How a rig begins.
struct RigSetup {
    var policy: Policy
    var interval = Duration.seconds(10)
    var minInterval = Duration.seconds(1)
    var requestsPerDay = 8640
    var signed = 10
    var published: PublishedTree?
    var committed = 10
    var records: [WitnessRecord] = []

    init(witnessCount: Int, quorum: Int) throws {
        policy = try Material.policy(witnessCount: witnessCount, quorum: quorum)
    }

    init(policy: Policy) { self.policy = policy }
}

/// Drives a publisher.
struct PublisherRig {
    var publisher: Publisher<FakeInstant>
    let setup: RigSetup
    var now = FakeInstant()
    /// The time of day when the clock was at zero.
    let unixSecondsAtZero: UInt64
    /// The number of committed leaves.
    private(set) var committed: Int

    /// Whether signing and storing wait for the test to finish them.
    var isManual = false
    private(set) var isSigning = false
    private(set) var recording: (published: PublishedTree?, isOn: Bool) = (nil, false)

    /// Requests that were not answered yet, one for each witness at most.
    private(set) var inFlight: [Int: TestRequest] = [:]
    /// Every request ever made.
    private(set) var requests: [(at: FakeInstant, request: TestRequest)] = []
    /// The sizes signed.
    private(set) var signedSizes: [Int] = []
    /// Everything shown since the start.
    private(set) var shown: [PublishedTree] = []
    /// How often only the witnesses' records were stored.
    private(set) var recordCount = 0
    private(set) var notices: [PublisherNotice] = []
    /// When the publisher wants to be asked again.
    private(set) var deadline: FakeInstant?

    init(
        _ setup: RigSetup, now: FakeInstant = FakeInstant(),
        unixSecondsAtZero: UInt64 = 1_795_000_000
    )
        throws
    {
        self.setup = setup
        self.now = now
        self.unixSecondsAtZero = unixSecondsAtZero
        committed = setup.committed
        publisher = Publisher(
            Publisher.Settings(
                quorum: setup.policy.quorum, interval: setup.interval,
                minInterval: setup.minInterval, requestsPerDay: setup.requestsPerDay),
            witnesses: setup.policy.witnesses, records: setup.records,
            signed: try Material.published(setup.signed), published: setup.published,
            replicatedSize: try Material.tree(setup.committed).treeHead.size, now: now,
            unixMilliseconds: 1000 * unixSecondsAtZero)
    }

    var unixMilliseconds: UInt64 {
        1000 * unixSecondsAtZero + UInt64(now.offset / .milliseconds(1))
    }

    /// The head that is shown.
    var head: CosignedTreeHead? { shown.last?.head ?? setup.published?.head }
    var shownSize: Int? { head.map { Int($0.signedTreeHead.treeHead.size.value) } }
    /// The witnesses whose cosignatures are shown.
    var cosigners: [Int] {
        setup.policy.witnesses.indices.filter { number in
            head?.cosignatures.contains { $0.keyHash == setup.policy.witnesses[number].keyHash }
                ?? false
        }
    }
    /// The witnesses that are being asked, in order.
    var asked: [Int] { inFlight.keys.sorted() }

    // MARK: Driving

    /// Pulls steps and does them until there is nothing to do now.
    mutating func pull() throws {
        for _ in 0..<1000 {
            let step = publisher.next(now: now)
            notices += publisher.notices
            publisher.notices = []
            switch step {
            case .sign:
                #expect(!isSigning, "two signings at once")
                isSigning = true
                if !isManual { try finishSigning() }
            case .ask(let request):
                #expect(inFlight[request.witness] == nil, "two requests at once")
                inFlight[request.witness] = request
                requests.append((now, request))
            case .record(let published):
                #expect(!recording.isOn, "two recordings at once")
                recording = (published, true)
                if !isManual { finishRecording() }
            case .wait(let until):
                if let until { #expect(until > now, "waits for the past") }
                deadline = until
                return
            }
        }
        Issue.record("a thousand steps at one instant")
    }

    /// Signs the committed tree.
    mutating func finishSigning() throws {
        isSigning = false
        let tree = try Material.tree(committed)
        signedSizes.append(committed)
        publisher.signed(Material.signed(tree.treeHead), tree: tree, now: now)
    }

    mutating func failSigning() {
        isSigning = false
        publisher.signingFailed(now: now)
    }

    /// What was to be stored is durable, and shown.
    mutating func finishRecording() {
        if let published = recording.published { shown.append(published) } else { recordCount += 1 }
        recording = (nil, false)
        publisher.recorded()
    }

    mutating func commit(_ size: Int) throws {
        committed = size
        publisher.replicated(try Material.tree(size).treeHead.size)
        try pull()
    }

    mutating func answer(_ witness: Int, _ answer: WitnessAnswer) throws {
        guard let request = inFlight.removeValue(forKey: witness) else {
            throw Unexpected(what: "witness \(witness) is not asked")
        }
        publisher.answered(request, answer, now: now, unixSeconds: unixMilliseconds / 1000)
        try pull()
    }

    /// The witness cosigns what it was asked for.
    mutating func cosign(_ witness: Int, time: UInt64? = nil, keyName: String? = nil) throws {
        try answer(witness, cosignature(witness, time: time, keyName: keyName))
    }

    /// All that are asked cosign.
    mutating func cosignAll() throws {
        for witness in asked { try cosign(witness) }
    }

    /// All cosign until nobody is asked.
    mutating func settle() throws {
        for _ in 0..<100 where !inFlight.isEmpty { try cosignAll() }
        #expect(inFlight.isEmpty, "asks for ever")
    }

    func cosignature(
        _ witness: Int, time: UInt64? = nil, keyName: String? = nil
    ) throws -> WitnessAnswer {
        guard let treeHead = inFlight[witness]?.signed.treeHead else {
            throw Unexpected(what: "witness \(witness) is not asked")
        }
        let time = time ?? unixMilliseconds / 1000
        let cosignature = Cosignature(
            keyHash: setup.policy.witnesses[witness].keyHash, time: time,
            signature: Material.mark(treeHead, by: UInt8(witness), time: time))
        return .cosigned(
            NamedCosignature(cosignature: cosignature, keyName: keyName ?? "w\(witness).example"))
    }

    /// Moves the clock, and stops wherever the publisher wants to be asked.
    mutating func advance(_ duration: Duration) throws {
        let end = now.advanced(by: duration)
        while let deadline, deadline <= end {
            now = deadline
            try pull()
        }
        now = end
        try pull()
    }

    /// Takes the notices so far.
    mutating func takeNotices() -> [PublisherNotice] {
        defer { notices = [] }
        return notices
    }
}

extension RigSetup {
    /// The setup of a process that goes on where `rig` is, its clock kept.
    func restarted(_ rig: PublisherRig) -> RigSetup {
        var setup = self
        setup.signed = rig.signedSizes.last ?? rig.setup.signed
        setup.published = rig.shown.last ?? rig.setup.published
        setup.committed = rig.committed
        setup.records = rig.publisher.witnessRecords(
            now: rig.now, unixMilliseconds: rig.unixMilliseconds)
        return setup
    }
}

extension PublisherRig {
    /// A log whose stored head of 10 leaves was published and has its quorum again.
    static func running(
        witnessCount: Int = 1, quorum: Int = 1, _ change: (inout RigSetup) -> Void = { _ in }
    ) throws -> PublisherRig {
        var setup = try RigSetup(witnessCount: witnessCount, quorum: quorum)
        setup.published = try Material.published(10)
        change(&setup)
        var rig = try PublisherRig(setup)
        try rig.pull()
        try rig.settle()
        return rig
    }
}
