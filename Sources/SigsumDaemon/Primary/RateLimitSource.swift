// SPDX-License-Identifier: BSD-2-Clause
//
// The rate-limit file, and the public suffix list that it names: read at the start, and again when
// the operator says that they have changed.

import LogService
import SigsumFormats
import SystemPackage

/// Where a primary's rate limits come from.
struct RateLimitSource: Sendable {
    let file: FilePath
    let allowsTestDomain: Bool

    /// A line for each of a hundred thousand keys.
    private static let fileBytesMax = 16 << 20
    /// The list has 300 KB.
    private static let suffixFileBytesMax = 16 << 20

    /// nil without a `rate-limit-file`: nothing is limited.
    init?(_ configuration: PrimaryConfiguration) {
        guard let file = configuration.rateLimitFile else { return nil }
        self.file = file
        allowsTestDomain = configuration.allowsTestDomain
    }

    /// Reads both files. The error is one line that names the one that is wrong, and its line.
    func load() throws(ConfigurationError) -> RateLimits {
        let limits = try parse(file, bytesMax: Self.fileBytesMax, kind: "a rate-limit file") {
            bytes throws(FormatError) in try RateLimitFile(parsing: bytes)
        }
        return try RateLimits(limits, allowsTestDomain: allowsTestDomain) {
            name throws(ConfigurationError) in
            try parse(
                FilePath(name), bytesMax: Self.suffixFileBytesMax, kind: "a public suffix list"
            ) { bytes throws(FormatError) in try PublicSuffixList(parsing: bytes) }
        }
    }

    private func parse<Value>(
        _ path: FilePath, bytesMax: Int, kind: String,
        _ parse: (Span<UInt8>) throws(FormatError) -> Value
    ) throws(ConfigurationError) -> Value {
        do {
            let contents = try SmallFile(path, bytesMax: bytesMax, kind: kind).contents
            return try parse(contents.span)
        } catch let error as SmallFile.Failure {
            throw failure(path, error.reason)
        } catch {
            throw failure(path, "\(error)")
        }
    }

    private func failure(_ path: FilePath, _ what: String) -> ConfigurationError {
        ConfigurationError("\(SettingKey.rateLimitFile.name): \(path): \(what)")
    }
}
