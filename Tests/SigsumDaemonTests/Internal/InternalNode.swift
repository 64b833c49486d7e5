// SPDX-License-Identifier: BSD-2-Clause
//
// An internal endpoint on a socket, over a store of a few golden leaves, with a clock and a signer
// that do what the test says.

import Foundation
import HTTPWire
import LogCrypto
import LogService
import MerkleLog
import Reactor
import SigsumFormats
import Synchronization
import TestSupport
import Testing
import TileStore
import Transport

@testable import SigsumDaemon

/// A key that signs when it is let, and says how often it was asked.
final class ScriptedSigner: TreeHeadSigner {
    enum Script {
        case sign
        /// Waits for `open()`, then signs.
        case wait
        case fail
        /// Gives the signature of another key.
        case cheat
    }

    private let keyPair = KeySigner(key(seed: 1))
    private let other = KeySigner(key(seed: 2))
    private let gate = DispatchSemaphore(value: 0)
    private let state = Mutex((script: Script.sign, callCount: 0))

    var publicKey: PublicKey { keyPair.publicKey }
    var callCount: Int { state.withLock(\.callCount) }

    func play(_ script: Script) { state.withLock { $0.script = script } }
    func open() { gate.signal() }

    func sign(_ message: [UInt8]) throws(SigningError) -> Signature {
        let script = state.withLock { state in
            state.callCount += 1
            return state.script
        }
        switch script {
        case .sign: break
        case .wait: gate.wait()
        case .fail: throw SigningError("the agent is away")
        case .cheat: return try other.sign(message)
        }
        return try keyPair.sign(message)
    }
}

/// What a client got.
struct NodeAnswer: Equatable {
    let status: Int
    let body: String
    /// The value of Preference-Applied.
    let applied: String?

    /// Made from the golden text alone.
    static func leaves(_ range: Range<Int>, applied: String? = nil) throws -> NodeAnswer {
        let body = try Vectors.leaves()[range].map { leaf in
            let message = Hex.decode(text: leaf.message) ?? []
            let key = Hex.decode(text: leaf.publicKey) ?? []
            return "leaf=\(Digest(sha256OfBytes: message)) \(leaf.signature) "
                + "\(Digest(sha256OfBytes: key))\n"
        }.joined()
        return NodeAnswer(status: 200, body: body, applied: applied)
    }

    static func end(applied: String) -> NodeAnswer {
        NodeAnswer(status: 404, body: "at end of tree\n", applied: applied)
    }
}

extension ClientTimeouts {
    /// Longer than any test: each step of one may have to wait until hundreds of others have run.
    static let patient = ClientTimeouts(
        connect: .seconds(1_000), request: .seconds(1_000), overall: .seconds(1_000))
}

/// A node of which only the internal endpoint is there.
final class InternalNode: @unchecked Sendable {
    static let leaves = Result {
        try Vectors.leaves()[..<20].map { vector in
            HashedLeaf(
                try UnverifiedLeaf(parsing: vector.body.span).verified(),
                leafHash: vector.leafHash)
        }
    }

    let signer = ScriptedSigner()
    let metrics: ReplicaMetrics
    let front: InternalFront
    private let store: TileStore
    private let writer: StoreWriter
    private let signerThread: ThreadExecutor
    private let origin: HTTPOrigin
    private let reactor: Reactor
    private let clientReactor: Reactor
    /// Taken when it ends.
    private var threads: [RunningReactor]
    private let milliseconds: Clock

    private final class Clock: Sendable {
        let value = Atomic<Int64>(1_000)
    }

    /// - Parameter routes: the endpoint's paths; a secondary's if nothing is said.
    init(
        size: Int, routes: RouteTable = .secondaryInternal(prefix: "/log")
    ) throws {
        store = try TileStore.create(
            .ephemeral, identity: StoreIdentity(role: .secondary, logKeyHash: nil),
            release: "test")
        writer = try StoreWriter(store)
        _ = try writer.append(Array(Self.leaves.get()[..<size]))
        let clock = Clock()
        milliseconds = clock
        reactor = try Reactor(clock: {
            MonotonicInstant(
                nanoseconds: 1_000_000 * clock.value.load(ordering: .sequentiallyConsistent))
        })
        clientReactor = try Reactor()
        signerThread = try ThreadExecutor(name: "signer")
        let metrics = ReplicaMetrics(requestMetricsCount: 1) { ConnectionCounts() }
        self.metrics = metrics
        let answers = try InternalAnswers(
            routes: routes, store: store, leafCountMax: 10,
            metrics: { metrics.render(version: "test") })
        front = InternalFront(
            on: reactor, answers: answers,
            signer: try SecondaryHeadSigner(store, signer: signer, executor: signerThread),
            requestMetrics: metrics.server.requests[0])
        let listeners = try Listener.bind(host: "127.0.0.1", port: 0, count: 1)[0]
        origin = try #require(
            HTTPOrigin(isSecure: false, host: "127.0.0.1", port: listeners[0].port))
        try HTTPServer(on: reactor, listeners: listeners, handler: front)
        threads = [try RunningReactor(reactor), try RunningReactor(clientReactor)]
    }

    /// Ends its threads.
    func stop() {
        for thread in threads { thread.stop() }
        signerThread.stop()
    }

    /// Commits leaves up to `size`, and says so to the endpoint.
    func grow(to size: Int) throws {
        _ = try writer.append(Array(Self.leaves.get()[..<size]))
        front.committed(writer.treeHead.size)
    }

    var treeHead: TreeHead { writer.treeHead }

    /// Moves the clock of the endpoint, and returns when every timer that is due has rung.
    func advance(byMilliseconds count: Int64) async {
        milliseconds.value.add(count, ordering: .sequentiallyConsistent)
        // The first job may run in an iteration that began before; the next one begins with timers
        // by the clock of the first's, the third with those by the clock of the second's.
        for _ in 0..<3 { await wait { _ in true } }
    }

    /// Returns when `condition` holds on the endpoint's reactor, or with an issue when it does not
    /// come to hold.
    func wait(until condition: @escaping @Sendable (InternalFront) -> Bool) async {
        let deadline = ContinuousClock.now.advanced(by: .seconds(300))
        // Time alone says nothing: between two looks hundreds of other tests may run.
        var lookCount = 0
        while !(await look(condition)) {
            lookCount += 1
            guard lookCount < 1_000 || ContinuousClock.now < deadline else {
                Issue.record("what was waited for does not come")
                return
            }
        }
    }

    /// The number of requests that are held now.
    var heldCount: Int { get async { await look { $0.held.count } } }

    private func look<Result: Sendable>(
        _ body: @escaping @Sendable (InternalFront) -> Result
    ) async -> Result {
        await withCheckedContinuation { continuation in
            reactor.post { [front] in continuation.resume(returning: body(front)) }
        }
    }

    /// Asks on a connection of its own.
    func get(_ target: String, prefer: String? = nil) async throws -> NodeAnswer {
        let fields = prefer.map { [RequestField("Prefer", $0)] } ?? []
        let response = try await withCheckedThrowingContinuation { continuation in
            clientReactor.post { [clientReactor, origin] in
                let client = HTTPClient(
                    on: clientReactor, origin: origin, tls: nil, timeouts: .patient,
                    userAgent: "test")
                client.send(ClientRequest(.get, target, fields: fields)) { result in
                    client.close()
                    continuation.resume(with: result)
                }
            }
        }
        return NodeAnswer(
            status: response.statusCode, body: String(decoding: response.body, as: UTF8.self),
            applied: response.value(of: "preference-applied"))
    }

    /// How many requests the metrics count, by endpoint and status.
    func counted(_ endpoint: String, _ status: Int) -> Int? {
        let page = String(decoding: metrics.render(version: "test"), as: UTF8.self)
        let name = "sigsum_log_http_request_duration_seconds_count"
        let prefix = "\(name){endpoint=\"\(endpoint)\",status=\"\(status)\"} "
        return page.split(separator: "\n").first { $0.hasPrefix(prefix) }
            .flatMap { Int($0.dropFirst(prefix.count)) }
    }
}

/// A reactor's thread, in a form that arrays can hold.
private final class RunningReactor {
    private var thread: ReactorThread?

    init(_ reactor: Reactor) throws {
        thread = try ReactorThread(name: "test-reactor", running: reactor)
    }

    func stop() { thread.take()?.stopAndJoin() }
}
