// SPDX-License-Identifier: BSD-2-Clause
//
// What a key of the configuration is: its name, its place in the file, the roles that use it, its
// type. The list of them is in SettingKeys.swift.

/// One key, which is a key in the file and, by the same name, an option on the command line.
struct SettingKey: Sendable {
    /// The table of the file that the key stands in.
    enum Section: String, Sendable {
        case top = ""
        case primary
        case secondary
    }

    let name: String
    let section: Section
    /// The roles that have the option. A file may have the keys of all roles.
    let roles: [Role]
    /// What `--help` calls the value.
    let placeholder: String
    /// One phrase for `--help`.
    let summary: String
    /// As TOML writes it; nil when there is no default, or none that a constant could express.
    let defaultValue: String?
    /// Parses the value and stores it.
    let assign: @Sendable (inout Settings, RawSetting) throws(SettingMismatch) -> Void

    /// `interval`, `primary.max-range`.
    var fullName: String { section == .top ? name : "\(section.rawValue).\(name)" }

    /// A key that always has a value.
    init<Value: SettingValue>(
        _ name: String, in section: Section = .top, for roles: [Role],
        _ path: any WritableKeyPath<Settings, Value> & Sendable, _ placeholder: String,
        where allowed: Allowed<Value> = .all, _ summary: String
    ) {
        self.name = name
        self.section = section
        self.roles = roles
        self.placeholder = placeholder
        self.summary = summary
        defaultValue = Settings()[keyPath: path].toml
        assign = { (settings, raw) throws(SettingMismatch) in
            settings[keyPath: path] = try allowed.parse(raw)
        }
    }

    /// A key that may be absent. For a text, empty means absent: log-go's example has such lines.
    init<Value: SettingValue>(
        _ name: String, in section: Section = .top, for roles: [Role],
        optional path: any WritableKeyPath<Settings, Value?> & Sendable, _ placeholder: String,
        where allowed: Allowed<Value> = .all, _ summary: String
    ) {
        self.name = name
        self.section = section
        self.roles = roles
        self.placeholder = placeholder
        self.summary = summary
        defaultValue = Value.self is any TextSettingValue.Type ? "\"\"" : nil
        assign = { (settings, raw) throws(SettingMismatch) in
            let isAbsent = raw.text == "" && Value.self is any TextSettingValue.Type
            settings[keyPath: path] = isAbsent ? nil : try allowed.parse(raw)
        }
    }

    /// `[[section.name]]`, which is assigned by whoever reads the tables; whatever else stands
    /// under the name is a mistake.
    init(_ name: String, in section: Section, arrayOfTables summary: String) {
        self.name = name
        self.section = section
        self.summary = summary
        roles = []
        placeholder = ""
        defaultValue = nil
        let header = "[[\(section.rawValue).\(name)]]"
        assign = { (_, raw) throws(SettingMismatch) in
            throw SettingMismatch(expected: "\(header) tables", found: raw.found)
        }
    }
}

/// The values of a type that a key takes.
struct Allowed<Value: SettingValue>: Sendable {
    let expectation: String
    let contains: @Sendable (Value) -> Bool

    static var all: Allowed { Allowed(expectation: Value.expectation) { _ in true } }

    func parse(_ raw: RawSetting) throws(SettingMismatch) -> Value {
        let value: Value
        do throws(SettingSyntaxError) {
            value = try Value(raw)
        } catch {
            throw SettingMismatch(expected: expectation, found: raw.found, reason: error.reason)
        }
        guard contains(value) else {
            throw SettingMismatch(expected: expectation, found: raw.found)
        }
        return value
    }
}

extension Allowed where Value == Int {
    static func range(_ range: ClosedRange<Int>) -> Allowed {
        Allowed(expectation: "an integer from \(range.lowerBound) to \(range.upperBound)") {
            range.contains($0)
        }
    }
}

extension Allowed where Value == GoDuration {
    static func atLeast(_ shortest: GoDuration) -> Allowed {
        Allowed(expectation: "\(GoDuration.expectation), at least \(shortest)") { $0 >= shortest }
    }
}
