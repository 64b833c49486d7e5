// SPDX-License-Identifier: BSD-2-Clause
//
// The bytes of one answer, collected until it is whole. A client has few connections, which are
// idle most of the time, and small answers: so the storage begins small, grows up to the limit, and
// goes with the answer.

import Reactor

/// What was received since the request was sent.
///
/// Invariant: `0 <= byteCount <= storage.count <= byteCountMax`.
struct ResponseBuffer: ~Copyable {
    private let byteCountMax: Int
    private var storage: [UInt8] = []
    private(set) var byteCount = 0

    /// Holds the answer of a witness.
    private static let firstBytes = 2_048

    init(byteCountMax: Int) {
        precondition(byteCountMax > 0)
        self.byteCountMax = byteCountMax
    }

    var isEmpty: Bool { byteCount == 0 }

    /// Something can be received.
    var hasRoom: Bool { byteCount < byteCountMax }

    /// Receives once from a socket.
    mutating func receive(from socket: borrowing OwnedDescriptor) -> IOOutcome {
        makeRoom()
        let outcome = socket.receive(into: &storage, from: byteCount)
        if case .moved(let count) = outcome { byteCount += count }
        return outcome
    }

    /// Reads once what was decrypted.
    mutating func read(
        from session: inout TLSSession
    ) throws(TLSError) -> TLSSession.ReadOutcome {
        makeRoom()
        let outcome = try session.read(into: &storage, from: byteCount)
        if case .bytes(let count) = outcome { byteCount += count }
        return outcome
    }

    /// Gives the bytes to a closure.
    func withBytes<Result>(_ use: (Span<UInt8>) -> Result) -> Result {
        use(storage.span.extracting(first: byteCount))
    }

    /// Hands over the first `count` bytes, and is empty and without storage.
    mutating func take(first count: Int) -> [UInt8] {
        precondition(count <= byteCount)
        var taken: [UInt8] = []
        swap(&taken, &storage)
        byteCount = 0
        taken.removeLast(taken.count - count)
        return taken
    }

    /// Is empty and without storage.
    mutating func removeAll() {
        storage = []
        byteCount = 0
    }

    private mutating func makeRoom() {
        precondition(hasRoom)
        guard byteCount == storage.count else { return }
        let count = min(byteCountMax, max(Self.firstBytes, 2 * storage.count))
        storage += [UInt8](repeating: 0, count: count - storage.count)
    }
}
