// SPDX-License-Identifier: BSD-2-Clause

// What can go wrong with stored state, sorted by who has to do something.

package import SystemPackage

/// A failure of the store or of a state file, with what was being done or what to do.
package enum StoreError: Error, CustomStringConvertible {
    /// The system refused: no space, no permission, a failed device.
    case system(Errno, doing: String)
    /// LMDB refused; its own words are in `reason`.
    case database(reason: String, doing: String)
    /// What is stored contradicts itself: a damaged device, or somebody's hand.
    case corrupt(String)
    /// What is stored is sound, but must not be used as it was asked; says what to do.
    case refused(String)

    /// One line.
    package var description: String {
        switch self {
        case .system(let errno, let doing): "\(doing): \(errno)"
        case .database(let reason, let doing): "\(doing): \(reason)"
        case .corrupt(let what): "the store is damaged: \(what)"
        case .refused(let why): why
        }
    }

    /// Runs `body`, saying what was being done when LMDB fails.
    static func wrap<Result: ~Copyable>(
        _ doing: @autoclosure () -> String, _ body: () throws(LMDBError) -> Result
    ) throws(StoreError) -> Result {
        do { return try body() } catch {
            throw .database(reason: error.description, doing: doing())
        }
    }
}
