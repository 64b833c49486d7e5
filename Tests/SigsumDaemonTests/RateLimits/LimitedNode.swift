// SPDX-License-Identifier: BSD-2-Clause
//
// A primary of which only the public endpoint and the way of a leaf are there, under rate limits, on
// a socket and with name servers that the test plays.

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

/// A leaf that nobody else has, as a request.
struct TestLeaf: Sendable {
    let body: [UInt8]
    let keyHash: KeyHash

    /// The leaf with a message of that number, signed by a key; or not really.
    init(_ number: Int, seed: UInt8, isValid: Bool = true) {
        let signer = key(seed: seed)
        let message = Digest(sha256OfBytes: Array("message \(number)".utf8))
        var text = Array("sigsum.org/v1/tree-leaf\0".utf8)
        let checksum = message.withSpan { bytes in
            Digest(sha256OfBytes: bytes.indices.map { bytes[$0] })
        }
        checksum.withSpan { for position in $0.indices { text.append($0[position]) } }
        if !isValid { text.append(0) }
        keyHash = signer.publicKey.keyHash
        let signature = signer.sign(text.span)
        body = Array(
            "message=\(message)\nsignature=\(signature)\npublic_key=\(signer.publicKey)\n".utf8)
    }
}

/// A log whose leaves are committed, and never published.
final class LimitedNode: Sendable {
    let names: ScriptedNames
    let quotas: Quotas
    let limits = RateLimitMetrics { LookUpCounts() }
    let metrics: LogMetrics
    private let store: TileStore
    private let writer: LeafWriter
    private let resolver: TXTResolver
    /// Those with queues.
    private let executors: [ThreadExecutor]
    private let origin: HTTPOrigin
    private let clientReactor: Reactor
    private let threads: Mutex<[RunningReactor]>

    /// - Parameter limits: the text of a rate-limit file.
    init(_ limits: String, names: ScriptedNames = ScriptedNames()) throws {
        self.names = names
        let logKey = key(seed: 1).publicKey
        let store = try TileStore.create(
            .ephemeral, identity: StoreIdentity(role: .primary, logKeyHash: logKey.keyHash),
            release: "test")
        self.store = store
        quotas = Quotas(try RateLimits(limits), stored: nil, now: UnixTime.now())
        let metrics = LogMetrics(requestMetricsCount: 1, rateLimits: self.limits) {
            ConnectionCounts()
        }
        self.metrics = metrics
        resolver = TXTResolver(measure: { _ in }) { names.lookUp($0) }
        let tokens = try ThreadExecutor(name: "tokens")
        let gate = LeafGate(
            quotas: quotas,
            tokens: TokenChecker(
                logKey: logKey, resolver: resolver, thread: tokens, metrics: self.limits),
            metrics: self.limits)
        let writerThread = try ThreadExecutor(name: "writer")
        writer = try LeafWriter(
            store, executor: writerThread, gate: gate, metrics: metrics.server
        ) { _, _ in }
        let verifiers = try (1...2).map { try ThreadExecutor(name: "verify-\($0)") }
        let intake = LeafIntake(
            verifiers: verifiers, writer: writer, replicated: ReplicatedSize(nil),
            metrics: metrics, isPublished: true)
        executors = [tokens] + verifiers + [writerThread]

        let reactor = try Reactor()
        let empty = TreeSnapshot(
            treeHead: TreeHead(size: TreeSize.zero, rootHash: Digest(sha256OfBytes: [])),
            edge: RightEdge())
        let head = SignedTreeHead(signing: empty.treeHead, with: key(seed: 1))
        let board = PublicationBoard(
            Publication(PublishedTree(head: CosignedTreeHead(head), tree: empty)))
        let page = InfoPage(publicKey: logKey, prefix: "", version: "test")
        let front = PrimaryFront(
            on: reactor,
            answers: try PrimaryAnswers(
                routes: .external(prefix: ""), board: board, store: store, leafCountMax: 9,
                infoPage: page.render()),
            intake: intake, gate: gate, requestMetrics: metrics.server.requests[0],
            metrics: metrics, addLeafWait: .zero)
        let listeners = try Listener.bind(host: "127.0.0.1", port: 0, count: 1)[0]
        origin = try #require(
            HTTPOrigin(isSecure: false, host: "127.0.0.1", port: listeners[0].port))
        try HTTPServer(on: reactor, listeners: listeners, handler: front)
        clientReactor = try Reactor()
        threads = Mutex([try RunningReactor(reactor), try RunningReactor(clientReactor)])
    }

    /// Ends its threads, as a primary does: first those that take requests.
    func stop() {
        threads.withLock { for thread in $0 { thread.stop() } }
        resolver.stop()
        for executor in executors { executor.stop() }
    }

    /// The leaves that the tree has.
    var size: UInt64 {
        get async { await writer.snapshot().treeHead.size.value }
    }

    /// What the store says was charged to `account`.
    func stored(_ account: Account) throws -> Int {
        let bytes = try StoreReader(store).read { view throws(StoreError) in try view.ledger() }
        guard let bytes else { return 0 }
        return try QuotaTable(parsing: bytes.span).count(of: account, at: UnixTime.now())
    }

    /// Sends a leaf on a connection of its own; the status that it is answered with.
    func add(_ leaf: TestLeaf, _ token: SubmitToken? = nil) async throws -> Int {
        let fields = token.map { token in
            let domain = String(decoding: token.domain, as: UTF8.self)
            return [RequestField("sigsum-token", "\(domain) \(token.signature)")]
        }
        return try await send(
            ClientRequest(.post, "/add-leaf", fields: fields ?? [], body: leaf.body))
    }

    /// Sends all at the same time; how often each status came.
    func addAll(_ leaves: [TestLeaf], _ token: SubmitToken? = nil) async throws -> [Int: Int] {
        try await withThrowingTaskGroup(of: Int.self) { group in
            for leaf in leaves { group.addTask { try await self.add(leaf, token) } }
            return try await group.reduce(into: [:]) { $0[$1, default: 0] += 1 }
        }
    }

    /// Sends a leaf, which is to be answered with `status`.
    func expect(
        _ status: Int, for leaf: TestLeaf, _ token: SubmitToken? = nil,
        sourceLocation: SourceLocation = #_sourceLocation
    ) async throws {
        let found = try await add(leaf, token)
        #expect(found == status, sourceLocation: sourceLocation)
    }

    /// Sends all at the same time, for so many of each status.
    func expect(
        _ statuses: [Int: Int], forAll leaves: [TestLeaf],
        sourceLocation: SourceLocation = #_sourceLocation
    ) async throws {
        let found = try await addAll(leaves)
        #expect(found == statuses, sourceLocation: sourceLocation)
    }

    /// The status of a get-tree-head.
    func read() async throws -> Int {
        try await send(ClientRequest(.get, "/get-tree-head"))
    }

    private func send(_ request: ClientRequest) async throws -> Int {
        try await withCheckedThrowingContinuation { continuation in
            clientReactor.post { [clientReactor, origin] in
                let client = HTTPClient(
                    on: clientReactor, origin: origin, tls: nil, timeouts: .patient,
                    userAgent: "test")
                client.send(request) { result in
                    client.close()
                    continuation.resume(with: result.map(\.statusCode))
                }
            }
        }
    }
}

/// A reactor's thread, in a form that arrays can hold.
private final class RunningReactor: @unchecked Sendable {
    // Taken by the one who ends the node.
    private var thread: ReactorThread?

    init(_ reactor: Reactor) throws {
        thread = try ReactorThread(name: "test-reactor", running: reactor)
    }

    func stop() { thread.take()?.stopAndJoin() }
}
