// SPDX-License-Identifier: BSD-2-Clause
//
// Received bytes that are not dealt with yet. The storage is borrowed from a pool while there are
// such bytes, and given back: an idle connection has none, and a busy server uses the same few
// again and again, which stay in the processor's cache.

import Reactor

/// The bytes of one connection between the socket and the parser.
///
/// Invariant: `0 <= consumed <= received <= storage.count`.
struct InputBuffer: ~Copyable {
    /// Empty, or the whole capacity.
    private var storage: [UInt8] = []
    private var consumed = 0
    private var received = 0

    /// Received and not consumed.
    var byteCount: Int { received - consumed }

    var isEmpty: Bool { consumed == received }

    /// Something can be received.
    var hasRoom: Bool { storage.isEmpty || byteCount < storage.count }

    /// Receives once from a socket, into storage from `pool` if it has none.
    mutating func receive(
        from socket: borrowing OwnedDescriptor, pool: inout BufferPool
    ) -> IOOutcome {
        precondition(hasRoom)
        if storage.isEmpty { storage = pool.take() }
        moveToFront()
        let outcome = socket.receive(into: &storage, from: received)
        if case .moved(let count) = outcome { received += count }
        return outcome
    }

    /// Gives the unconsumed bytes to a closure.
    func withBytes<Result>(_ use: (Span<UInt8>) -> Result) -> Result {
        use(storage.span.extracting(consumed..<received))
    }

    /// Drops bytes from the front.
    mutating func consume(_ count: Int) {
        precondition(count <= byteCount)
        consumed += count
    }

    /// Drops everything.
    mutating func consumeAll() {
        consumed = received
    }

    /// Gives the storage back if nothing is in it.
    mutating func recycle(into pool: inout BufferPool) {
        guard isEmpty, !storage.isEmpty else { return }
        (consumed, received) = (0, 0)
        var emptied: [UInt8] = []
        swap(&emptied, &storage)
        pool.give(emptied)
    }

    /// What is left of a pipelined batch is short, so moving it at each receive costs little.
    private mutating func moveToFront() {
        guard consumed > 0 else { return }
        for offset in 0..<byteCount {
            storage[offset] = storage[consumed + offset]
        }
        (consumed, received) = (0, byteCount)
    }
}

/// Buffers between two uses, all of one capacity.
struct BufferPool {
    /// Few are in use at a time: each belongs to a connection in the middle of something.
    private static let idleMax = 16

    private let bufferBytes: Int
    private var idle: [[UInt8]] = []

    init(bufferBytes: Int) {
        self.bufferBytes = bufferBytes
    }

    /// A buffer of the full count, with anything in it.
    mutating func take() -> [UInt8] {
        idle.popLast() ?? [UInt8](repeating: 0, count: bufferBytes)
    }

    mutating func give(_ buffer: consuming [UInt8]) {
        assert(buffer.count == bufferBytes)
        if idle.count < Self.idleMax { idle.append(buffer) }
    }
}
