// SPDX-License-Identifier: BSD-2-Clause

// Leaves on their way from the primary to the store. Several requests are out at once, their answers
// come in any order and may be shorter than was asked for; the store takes leaves in order only.
//
//          start                                                            end
//     last | received | received | asked (lane 2) | received | asked (lane 0) |
//         o---------            o---------------            o---------------
//                    o---------                  o---------
//
// Two requests may reach two primaries, which have two trees. So an answer (o--) begins one leaf before
// its piece, and that has to be the last leaf of the piece before, or the last one that was taken:
// where pieces meet they are of one tree. An answer may come without it only when the caller knows
// otherwise that its leaves follow on the one before.
//
// The last piece's length is a guess until its answer is there: nothing lies behind it.

internal import SigsumFormats

/// Consecutive pieces of the tree from the first leaf that the store was not given yet.
struct LeafWindow: Sendable {
    private enum State {
        /// An answer was shorter than its piece: the rest is to be asked for again.
        case wanted
        case asked(lane: Int)
        /// With the leaf before them, if that came with them.
        case received([Leaf], after: Leaf?)

        var isReceived: Bool {
            if case .received = self { true } else { false }
        }
    }

    /// What became of an answer.
    enum Receipt: Hashable {
        /// There is no such piece any more.
        case unasked
        case fits
        /// The leaf at that index is another one than in the answer that it meets.
        case differs(at: UInt64)
    }

    private struct Piece {
        let start: UInt64
        var end: UInt64
        var state: State
    }

    /// The index of the first leaf that was not taken yet.
    private(set) var start: UInt64
    /// The leaf before that; nil exactly at the tree's beginning.
    private var last: Leaf?
    private var pieces: [Piece] = []

    /// An empty window after that leaf.
    init(start: UInt64, after last: Leaf?) {
        precondition((last == nil) == (start == 0))
        self.start = start
        self.last = last
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
            guard case .received(let leaves, _) = piece.state else { return count }
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

    /// Puts in what was answered on `lane`: leaves from the start of its piece, and the leaf before
    /// them, if that came with them. Of more than the piece has room for, the rest is dropped, as it
    /// is another piece's. No leaf but the one before: the piece is given up, and all behind it.
    mutating func receive(_ leaves: [Leaf], after previous: Leaf?, on lane: Int) -> Receipt {
        guard let index = index(of: lane) else { return .unasked }
        let piece = pieces[index]
        if let previous, let known = lastLeaf(before: index), previous != known {
            return .differs(at: piece.start - 1)
        }
        guard !leaves.isEmpty else {
            cut(lane: lane)
            return .fits
        }
        let room = piece.end - piece.start
        let isLast = index == pieces.count - 1
        let kept = isLast || leaves.count <= room ? leaves : Array(leaves.prefix(Int(room)))
        pieces[index].end = piece.start + UInt64(kept.count)
        pieces[index].state = .received(kept, after: previous)
        guard !isLast else { return .fits }
        if kept.count < room {
            let rest = Piece(start: pieces[index].end, end: piece.end, state: .wanted)
            pieces.insert(rest, at: index + 1)
        } else if case .received(_, let shared?) = pieces[index + 1].state, shared != kept.last {
            return .differs(at: piece.end - 1)
        }
        return .fits
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
            guard case .received(let leaves, _) = piece.state,
                taken.isEmpty || taken.count + leaves.count <= countMax
            else { break }
            if taken.isEmpty { taken = leaves } else { taken += leaves }
            count += 1
        }
        pieces.removeFirst(count)
        start += UInt64(taken.count)
        last = taken.last ?? last
        return taken
    }

    /// Puts back what was taken last, which followed `last`.
    mutating func putBack(_ leaves: [Leaf], after last: Leaf?) {
        let end = start
        start -= UInt64(leaves.count)
        self.last = last
        pieces.insert(Piece(start: start, end: end, state: .received(leaves, after: nil)), at: 0)
    }

    /// The leaf before that piece, if it is known.
    private func lastLeaf(before index: Int) -> Leaf? {
        guard index > 0 else { return last }
        guard case .received(let leaves, _) = pieces[index - 1].state else { return nil }
        return leaves.last
    }

    /// Which piece is asked for on `lane`. There is one at most.
    private func index(of lane: Int) -> Int? {
        pieces.firstIndex {
            if case .asked(lane) = $0.state { true } else { false }
        }
    }
}
