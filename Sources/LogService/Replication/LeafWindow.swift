// SPDX-License-Identifier: BSD-2-Clause

// Leaves on their way from the primary to the store. Several requests are out at once, their answers
// come in any order and may be shorter than was asked for; the store takes leaves in order only.
//
//     start                                                    end
//     | received | received | asked (lane 2) | received | asked (lane 0) |
//
// The last piece's length is a guess until its answer is there: nothing lies behind it.

internal import SigsumFormats

/// Consecutive pieces of the tree from the first leaf that the store was not given yet.
struct LeafWindow: Sendable {
    private enum State {
        /// An answer was shorter than its piece: the rest is to be asked for again.
        case wanted
        case asked(lane: Int)
        case received([Leaf])

        var isReceived: Bool {
            if case .received = self { true } else { false }
        }
    }

    private struct Piece {
        let start: UInt64
        var end: UInt64
        var state: State
    }

    /// The index of the first leaf that was not taken yet.
    private(set) var start: UInt64
    private var pieces: [Piece] = []

    /// An empty window.
    init(start: UInt64) {
        self.start = start
    }

    /// Where the next piece begins.
    var end: UInt64 { pieces.last?.end ?? start }
    /// The end of what was received without a gap.
    var receivedEnd: UInt64 { pieces.first { !$0.state.isReceived }?.start ?? end }
    /// Whether no answer is missing.
    var isReceived: Bool { pieces.allSatisfy { $0.state.isReceived } }
    /// The number of leaves here.
    var receivedCount: Int {
        pieces.reduce(0) { count, piece in
            guard case .received(let leaves) = piece.state else { return count }
            return count + leaves.count
        }
    }
    /// The number of pieces, those that are asked for included.
    var pieceCount: Int { pieces.count }
    /// Whether ``take(countMax:)`` has something to give.
    var hasLeaves: Bool { receivedEnd > start }

    /// The first rest of a piece that is to be asked for again, now asked for on `lane`.
    mutating func askAgain(on lane: Int) -> Range<UInt64>? {
        let wanted = pieces.firstIndex {
            if case .wanted = $0.state { true } else { false }
        }
        guard let wanted else { return nil }
        pieces[wanted].state = .asked(lane: lane)
        return pieces[wanted].start..<pieces[wanted].end
    }

    /// Adds a piece of `count` leaves at the end, asked for on `lane`.
    mutating func extend(by count: UInt64, on lane: Int) {
        pieces.append(Piece(start: end, end: end + count, state: .asked(lane: lane)))
    }

    /// Puts in what was answered on `lane`: leaves from the start of its piece. Of more than the
    /// piece has room for, the rest is dropped, as it is another piece's. Returns whether there was
    /// such a piece.
    mutating func receive(_ leaves: [Leaf], on lane: Int) -> Bool {
        guard let index = index(of: lane) else { return false }
        let piece = pieces[index]
        let room = piece.end - piece.start
        let isLast = index == pieces.count - 1
        let kept = isLast || leaves.count <= room ? leaves : Array(leaves.prefix(Int(room)))
        pieces[index].end = piece.start + UInt64(kept.count)
        pieces[index].state = .received(kept)
        if !isLast, kept.count < room {
            let rest = Piece(start: pieces[index].end, end: piece.end, state: .wanted)
            pieces.insert(rest, at: index + 1)
        }
        return true
    }

    /// There is nothing to be had where the piece of `lane` begins: gives it up, and all behind it.
    mutating func cut(lane: Int) {
        guard let index = index(of: lane) else { return }
        pieces.removeSubrange(index...)
    }

    /// Removes pieces from the front, at least one and then as long as they are no more than
    /// `countMax` leaves together.
    mutating func take(countMax: Int) -> [Leaf] {
        var taken: [Leaf] = []
        var count = 0
        for piece in pieces {
            guard case .received(let leaves) = piece.state,
                taken.isEmpty || taken.count + leaves.count <= countMax
            else { break }
            if taken.isEmpty { taken = leaves } else { taken += leaves }
            count += 1
        }
        pieces.removeFirst(count)
        start += UInt64(taken.count)
        return taken
    }

    /// Puts back what was taken last.
    mutating func putBack(_ leaves: [Leaf]) {
        let end = start
        start -= UInt64(leaves.count)
        pieces.insert(Piece(start: start, end: end, state: .received(leaves)), at: 0)
    }

    /// Which piece is asked for on `lane`. There is one at most.
    private func index(of lane: Int) -> Int? {
        pieces.firstIndex {
            if case .asked(lane) = $0.state { true } else { false }
        }
    }
}
