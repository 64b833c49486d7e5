// SPDX-License-Identifier: BSD-2-Clause
//
// The path below which a log's endpoints lie: `url-prefix = "2026/log"` makes
// `/2026/log/get-tree-head`. log-go takes it without slashes at either end and misbehaves with
// them; here they make no difference.

/// Zero or more path segments.
struct URLPrefix: Sendable, Hashable {
    /// The segments joined by `/`, with none at either end; empty when there is no prefix.
    let path: String

    /// No prefix: the endpoints lie at the root.
    static let none = URLPrefix(path: "")

    private init(path: String) {
        self.path = path
    }
}

extension URLPrefix: TextSettingValue {
    static let expectation = "a URL path such as \"log\" or \"2026/log\""

    /// Segments are compared with decoded request paths, so they are written decoded, and only in
    /// characters that a URL needs no escape for (RFC 3986 section 3.3).
    init(parsing text: String) throws(SettingSyntaxError) {
        let trimmed = text.drop { $0 == "/" }
        let end = trimmed.lastIndex { $0 != "/" }.map(trimmed.index(after:)) ?? trimmed.startIndex
        let path = trimmed[..<end]
        if path.isEmpty {
            self = .none
            return
        }
        for segment in path.split(separator: "/", omittingEmptySubsequences: false) {
            switch segment {
            case "": throw SettingSyntaxError("empty segment")
            case ".", "..": throw SettingSyntaxError("segment \(quoted(String(segment)))")
            default: break
            }
            guard let bad = segment.unicodeScalars.first(where: { !$0.isPathCharacter }) else {
                continue
            }
            throw SettingSyntaxError("character \(quoted(String(bad)))")
        }
        self.init(path: String(path))
    }

    var description: String { path }
}

extension Unicode.Scalar {
    /// RFC 3986: unreserved / sub-delims / ":" / "@", that is pchar without percent-encoding.
    var isPathCharacter: Bool {
        switch self {
        case "a"..."z", "A"..."Z", "0"..."9", "-", ".", "_", "~": true
        case "!", "$", "&", "'", "(", ")", "*", "+", ",", ";", "=", ":", "@": true
        default: false
        }
    }
}
