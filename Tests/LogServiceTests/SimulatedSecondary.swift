// SPDX-License-Identifier: BSD-2-Clause

// A secondary in a simulation: what it holds, how it treats requests, and what it would answer.

import MerkleLog
import SigsumFormats
import TestSupport

@testable import LogService

/// What a secondary does with requests for a while.
enum SecondaryManner: CaseIterable {
    /// As ours: holds requests.
    case waits
    /// As log-go's: answers at once, and says nothing of waiting.
    case polled
    /// Says that it holds requests, and never does.
    case eager
    case slow, hangs, refuses, answers500, closes
    /// Its tree head is not one of this log.
    case otherTree, ahead
    /// Answers with what it had at some time, as several nodes behind one address would.
    case older
}

/// A secondary that keeps its own state.
struct SimulatedSecondary {
    /// The leaves that it has now, and the most that it ever had.
    private(set) var size = 0
    private(set) var sizeMax = 0
    var manner = SecondaryManner.waits
    /// A request that it holds, and its number.
    var held: (request: SecondaryRequest, number: Int)?
    /// Whether the connection of the request before is open.
    var isConnected = false

    // What the process that asks was told, and what it may have done for it.

    /// Of its last good answer; nil when there was none, or a wrong one after it.
    var toldSize: Int?
    /// The same, if it was the last answer of all.
    var lastSize: Int?
    /// The most that it was told.
    var toldSizeMax = -1
    var failureCount = 0
    /// What was wrong with its last answer, without the numbers.
    var trouble = ""
    /// Requests; and those that need no reason in time, since each has one that is bounded: something
    /// new, a closed connection.
    var requestCount = 0
    var promptCount = 0

    /// It has copied up to `newSize` leaves.
    mutating func copy(_ newSize: Int) {
        size = newSize
        sizeMax = max(sizeMax, newSize)
    }

    /// All but the first `newSize` leaves are lost.
    mutating func lose(downTo newSize: Int) { size = min(size, newSize) }

    /// A process that knows nothing of it begins to ask.
    mutating func forget() {
        held = nil
        isConnected = false
        toldSize = nil
        lastSize = nil
        toldSizeMax = -1
        failureCount = 0
        trouble = ""
        requestCount = 0
        promptCount = 0
    }

    /// Whether it would hold `request` now.
    func holds(_ request: SecondaryRequest) -> Bool {
        guard manner == .waits, let knownSize = request.knownSize else { return false }
        return UInt64(size) <= knownSize.value
    }

    /// Its answer now.
    mutating func answer(_ random: inout SeededGenerator) -> SecondaryAnswer {
        let wasConnected = isConnected
        isConnected = ![.hangs, .refuses, .closes].contains(manner)
        switch manner {
        case .waits, .eager: return .holds(size)
        case .polled, .slow: return .holds(size, waits: false)
        case .hangs: return .failed(reason: "timeout")
        case .refuses: return .failed(reason: "refused")
        case .answers500: return .failed(reason: "answered 500")
        case .closes:
            // A client reports this only of a connection on which something was answered.
            return wasConnected ? .connectionGone : .failed(reason: "closed")
        case .otherTree: return .rejected(.different(.of(size)))
        case .ahead: return .rejected(.ahead(.of(size + 1), committedSize: .of(size)))
        case .older:
            return .holds(
                Int.random(in: 0...size, using: &random), waits: Bool.random(using: &random))
        }
    }

    /// Takes note of an answer that the process gets, and returns what it has to say of it.
    mutating func told(_ number: Int, _ answer: SecondaryAnswer) -> [ReplicationNotice] {
        var notices: [ReplicationNotice] = []
        lastSize = nil
        switch answer {
        case .holds(let treeHead, _):
            let newSize = Int(treeHead.size.value)
            if failureCount > 0 { notices.append(.recovered(number, failureCount: failureCount)) }
            if let toldSize, newSize < toldSize {
                notices.append(.shrank(number, from: .of(toldSize), to: .of(newSize)))
            }
            if newSize > toldSizeMax { promptCount += 1 }
            toldSize = newSize
            lastSize = newSize
            toldSizeMax = max(toldSizeMax, newSize)
            failureCount = 0
            trouble = ""
        case .rejected(let rejection):
            let words = rejection.description.filter { !$0.isNumber }
            notices.append(.rejected(number, rejection, isFirst: trouble != words))
            toldSize = nil
            failureCount += 1
            trouble = words
        case .failed(let reason):
            failureCount += 1
            notices.append(.failed(number, reason: reason, isFirst: trouble != "failed"))
            trouble = "failed"
        case .connectionGone:
            promptCount += 1
        }
        return notices
    }
}
