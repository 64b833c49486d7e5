// SPDX-License-Identifier: BSD-2-Clause
//
// How one value is read, whether it stands in the file or on the command line. Each type of value
// says what it expects and why it refuses; where the value stood is added by whoever read it.

import SystemPackage

/// A value as it was written, before anybody looked at what it means.
enum RawSetting: Sendable, Equatable {
    /// The argument of a command line option: text, whatever the type.
    case argument(String)
    case string(String)
    case integer(Int)
    case boolean(Bool)
    /// A TOML type that no key has, with its article: `an array`.
    case other(String)

    /// As error messages name it.
    var found: String {
        switch self {
        case .argument(let text), .string(let text): quoted(text)
        case .integer(let number): "the integer \(number)"
        case .boolean(let truth): "the boolean \(truth)"
        case .other(let type): type
        }
    }

    /// The text of an argument or a TOML string.
    var text: String? {
        switch self {
        case .argument(let text), .string(let text): text
        default: nil
        }
    }
}

/// Why a text is not a value of a type; nil when the expectation says it all.
struct SettingSyntaxError: Error, Equatable {
    let reason: String?

    init(_ reason: String? = nil) {
        self.reason = reason
    }
}

/// A type that a key of the configuration can have.
protocol SettingValue: Sendable, Equatable {
    /// Completes `expected ...` in an error message.
    static var expectation: String { get }

    init(_ raw: RawSetting) throws(SettingSyntaxError)

    /// As TOML writes the value.
    var toml: String { get }
}

/// A value written as text: a string in TOML.
protocol TextSettingValue: SettingValue, CustomStringConvertible {
    /// Parses the whole text; `description` is its canonical form.
    init(parsing text: String) throws(SettingSyntaxError)
}

extension TextSettingValue {
    init(_ raw: RawSetting) throws(SettingSyntaxError) {
        guard let text = raw.text else { throw SettingSyntaxError() }
        try self.init(parsing: text)
    }

    var toml: String { quoted(description) }
}

extension Bool: SettingValue {
    static let expectation = "true or false"

    init(_ raw: RawSetting) throws(SettingSyntaxError) {
        switch raw {
        case .boolean(let truth): self = truth
        case .argument("true"): self = true
        case .argument("false"): self = false
        default: throw SettingSyntaxError()
        }
    }

    var toml: String { String(self) }
}

extension Int: SettingValue {
    static let expectation = "an integer"

    init(_ raw: RawSetting) throws(SettingSyntaxError) {
        switch raw {
        case .integer(let number):
            self = number
        case .argument(let text):
            guard !text.hasPrefix("+"), let number = Int(text) else { throw SettingSyntaxError() }
            self = number
        default:
            throw SettingSyntaxError()
        }
    }

    var toml: String { String(self) }
}

extension FilePath: TextSettingValue {
    static let expectation = "the path of a file or folder"

    /// Any text but the empty one; relative paths are relative to the working directory.
    init(parsing text: String) throws(SettingSyntaxError) {
        // A NUL cannot come from the command line, and ConfigurationFile refuses it.
        guard !text.isEmpty, !text.utf8.contains(0) else { throw SettingSyntaxError() }
        self.init(text)
    }
}

/// The text in double quotes, on one line, cut where it is too long for an error message.
func quoted(_ text: String, scalarsMax: Int = 80) -> String {
    let shown = text.unicodeScalars.prefix(scalarsMax)
    var result = "\""
    for scalar in shown {
        if scalar == "\"" || scalar == "\\" { result += "\\" }
        result += escapingControls(scalar)
    }
    return result + (shown.count < text.unicodeScalars.count ? "...\"" : "\"")
}

/// The text with control characters escaped, so that it stays on one line and does a terminal no
/// harm.
func escapingControls(_ text: String) -> String {
    guard text.unicodeScalars.contains(where: \.isControl) else { return text }
    return text.unicodeScalars.reduce(into: "") { $0 += escapingControls($1) }
}

private func escapingControls(_ scalar: Unicode.Scalar) -> String {
    switch scalar {
    case "\n": return "\\n"
    case "\r": return "\\r"
    case "\t": return "\\t"
    default:
        guard scalar.isControl else { return String(scalar) }
        return (scalar.value < 16 ? "\\x0" : "\\x") + String(scalar.value, radix: 16)
    }
}

extension Unicode.Scalar {
    /// C0, DEL and C1.
    fileprivate var isControl: Bool { value < 0x20 || (0x7F...0x9F).contains(value) }
}
