// SPDX-License-Identifier: BSD-2-Clause

// A log of golden leaves in an ephemeral store, published at a chosen size, and one exchange with
// it as a connection would make it: request bytes through the parser, response bytes out of the
// writer.

import HTTPWire
import LogCrypto
import LogService
import MerkleLog
import SigsumFormats
import TestSupport
import TileStore

/// Thrown by the helpers here: the test's own material is wrong, or what came is no response.
struct Unexpected: Error {
    let what: String
}

/// The golden leaves, parsed and verified once.
enum Golden {
    static let leaves = Result { try Vectors.leaves() }

    static let hashed = Result {
        try leaves.get().map { vector in
            HashedLeaf(
                try UnverifiedLeaf(parsing: vector.body.span).verified(),
                leafHash: vector.leafHash)
        }
    }

    /// The trees of the first 0...600 leaves, of which the next needs only one leaf more.
    static let snapshots = Result {
        var hasher = TreeHasher()
        var edge = RightEdge()
        var snapshots: [TreeSnapshot] = []
        for (size, root) in try Vectors.roots().enumerated() {
            if size > 0 {
                let leaf = try leaves.get()[size - 1]
                edge.append(leaf.leafHash, hasher: &hasher) { _, _ in }
            }
            let treeHead = TreeHead(size: edge.size, rootHash: root)
            snapshots.append(TreeSnapshot(treeHead: treeHead, edge: edge))
        }
        return snapshots
    }

    /// `leaf=` lines as get-leaves has them, made from the golden text alone.
    static func lines(_ range: Range<Int>) throws -> String {
        try leaves.get()[range].map { leaf in
            let message = Hex.decode(text: leaf.message) ?? []
            let key = Hex.decode(text: leaf.publicKey) ?? []
            return "leaf=\(Digest(sha256OfBytes: message)) \(leaf.signature) "
                + "\(Digest(sha256OfBytes: key))\n"
        }.joined()
    }

    /// The key that signed the golden tree heads.
    static func logKey() throws -> SigningKey {
        guard let seed = Hex.decode(text: try Vectors.keys().log.seed) else {
            throw Unexpected(what: "log.seed")
        }
        return SigningKey(seed: FixedBytes(copying: seed.span))
    }

    /// The tree of the first `count` leaves, as a publisher hands it on.
    static func published(
        _ count: Int, cosignatures: [Cosignature] = []
    ) throws -> PublishedTree {
        let tree = try snapshots.get()[count]
        let signed = SignedTreeHead(signing: tree.treeHead, with: try logKey())
        return PublishedTree(
            head: CosignedTreeHead(signed, cosignatures: cosignatures),
            tree: tree)
    }
}

/// A store with `committed` leaves and the two faces of its primary, and what a secondary with the
/// same leaves has inside.
struct LogFixture {
    let store: TileStore
    let writer: StoreWriter
    let board: PublicationBoard
    let primary: PrimaryAnswers
    let inside: InternalAnswers
    let secondary: InternalAnswers

    /// - Parameter published: the size of the published tree; nil before the first publication. It
    ///   may
    ///   be larger than the store, to see what a damaged store does.
    init(
        committed: Int, published: Int?, leafCountMax: Int = 512, prefix: String = ""
    ) throws {
        store = try TileStore.create(
            .ephemeral,
            identity: StoreIdentity(
                role: .primary, logKeyHash: try Golden.logKey().publicKey.keyHash),
            release: "test")
        writer = try StoreWriter(store)
        _ = try writer.append(Array(Golden.hashed.get()[..<committed]))
        let publication = try published.map { Publication(try Golden.published($0)) }
        board = PublicationBoard(publication)
        let page = InfoPage(
            publicKey: try Golden.logKey().publicKey, prefix: prefix, version: "sigsum test")
        primary = try PrimaryAnswers(
            routes: .external(prefix: prefix), board: board, store: store,
            leafCountMax: leafCountMax, infoPage: page.render())
        inside = try InternalAnswers(
            routes: .primaryInternal(prefix: prefix), store: store, leafCountMax: leafCountMax,
            metrics: { Array("metric 1\n".utf8) })
        secondary = try InternalAnswers(
            routes: .secondaryInternal(prefix: prefix), store: store, leafCountMax: leafCountMax,
            metrics: { Array("metric 2\n".utf8) })
    }

    /// What the public face does with `request`.
    func exchange(_ request: Request) throws -> Exchange<Answer> {
        try request.exchange { head, bytes, body, response throws(StoreError) in
            try primary.answer(head, bytes: bytes, body: body, response: &response)
        }
    }

    /// What the internal face does with `request`.
    func exchangeInside(_ request: Request) throws -> Exchange<InternalAnswer> {
        try request.exchange { head, bytes, _, response throws(StoreError) in
            try inside.answer(head, bytes: bytes, response: &response)
        }
    }

    /// What the internal face of a secondary does with `request`.
    func exchangeWithSecondary(_ request: Request) throws -> Exchange<InternalAnswer> {
        try request.exchange { head, bytes, _, response throws(StoreError) in
            try secondary.answer(head, bytes: bytes, response: &response)
        }
    }
}

/// The bytes of a request.
struct Request {
    let bytes: [UInt8]

    /// A GET of `path`, or another `method`.
    init(_ path: String, method: String = "GET", fields: String = "", body: [UInt8]? = nil) {
        let length = body.map { "Content-Length: \($0.count)\r\n" } ?? ""
        let head = "\(method) \(path) HTTP/1.1\r\nHost: log.example\r\n\(fields)\(length)\r\n"
        bytes = Array(head.utf8) + (body ?? [])
    }

    /// An add-leaf with `body` and perhaps field lines, each with its CR LF.
    static func addLeaf(_ body: [UInt8], fields: String = "") -> Request {
        Request("/add-leaf", method: "POST", fields: fields, body: body)
    }

    typealias Answering<Answer> =
        (RequestHead, Span<UInt8>, Span<UInt8>, inout ResponseWriter) throws(StoreError) -> Answer

    /// Parses the request, answers it and takes the response apart. What was in the output before
    /// must stay, also after a throw.
    func exchange<Answer>(_ answering: Answering<Answer>) throws -> Exchange<Answer> {
        var parser = RequestParser(limits: RequestLimits())
        guard case .complete(bytes.count) = parser.parse(bytes.span) else {
            throw Unexpected(what: "not one request: \(String(decoding: bytes, as: UTF8.self))")
        }
        let earlier = Array("earlier response".utf8)
        var response = ResponseWriter(output: earlier, date: DateField(unixSeconds: 784_111_777))
        response.framing = ResponseFraming(answering: parser.head)
        let head = parser.head
        let answer: Result<Answer, StoreError>
        do throws(StoreError) {
            answer = .success(
                try parser.withBody(of: bytes.span) { body throws(StoreError) in
                    try answering(head, bytes.span, body, &response)
                })
        } catch {
            answer = .failure(error)
        }
        let grantedWait = response.framing.grantedWait
        let output = response.finish()
        guard output.starts(with: earlier) else { throw Unexpected(what: "output was lost") }
        return Exchange(
            answer: answer, response: try Response(parsing: Array(output[earlier.count...])),
            grantedWait: grantedWait)
    }
}

/// What came of a request.
struct Exchange<Answer> {
    let answer: Result<Answer, StoreError>
    /// nil when nothing was written.
    let response: Response?
    /// How long it may be held, as its response would say.
    let grantedWait: UInt32?

    var status: UInt16? { response?.status }
    var body: String? { response?.body }
}

extension Exchange<Answer> {
    private var written: (endpoint: Endpoint, status: Status)? {
        guard case .success(.written(let endpoint, let status)) = answer else { return nil }
        return (endpoint, status)
    }
    /// The status that metrics count, which must be the one sent.
    var counted: Status? { written?.status }
    var endpoint: Endpoint? { written?.endpoint }
}

extension Exchange<InternalAnswer> {
    /// The status that metrics count, which must be the one sent.
    var counted: Status? {
        guard case .success(.written(_, let status)) = answer else { return nil }
        return status
    }
}

/// A response taken apart.
struct Response {
    let status: UInt16
    let fields: [String: String]
    let body: String

    /// nil for no bytes; throws unless they are exactly one response.
    init?(parsing bytes: [UInt8]) throws {
        guard !bytes.isEmpty else { return nil }
        let text = String(decoding: bytes, as: UTF8.self)
        guard let end = text.firstRange(of: "\r\n\r\n") else { throw Unexpected(what: text) }
        let lines = text[..<end.lowerBound].split(separator: "\r\n")
        guard let statusLine = lines.first, statusLine.hasPrefix("HTTP/1.1 "),
            let code = UInt16(statusLine.dropFirst(9).prefix(3))
        else { throw Unexpected(what: text) }
        var fields: [String: String] = [:]
        for line in lines.dropFirst() {
            let parts = line.split(separator: ":", maxSplits: 1)
            guard parts.count == 2 else { throw Unexpected(what: String(line)) }
            let name = parts[0].lowercased()
            guard fields[name] == nil else { throw Unexpected(what: "\(name) twice") }
            fields[name] = String(parts[1].drop { $0 == " " })
        }
        status = code
        self.fields = fields
        body = String(text[end.upperBound...])
    }

    /// Whether the length announced is that of the body.
    var isWhole: Bool { fields["content-length"] == String(body.utf8.count) }
}
