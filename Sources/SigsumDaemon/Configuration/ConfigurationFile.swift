// SPDX-License-Identifier: BSD-2-Clause
//
// The configuration file: which one, its bytes, and its keys poured into Settings. What a key means
// is SettingKey's business.

import SystemPackage
import TOMLKit

/// A parsed file.
struct ConfigurationFile {
    /// The variable that names the file.
    static let variable = "SIGSUM_LOGSERVER_CONFIG"

    /// The file that is read when the variable is not set; it need not exist.
    static let defaultPath: FilePath = "/etc/sigsum/config.toml"

    /// More is not a configuration.
    static let bytesMax = 65_536

    private let source: ConfigurationText
    private let table: TOMLTable

    /// The file that the environment asks for; nil when there is only the default one, and it does
    /// not exist.
    static func find(
        variable value: String?, defaultPath: FilePath = defaultPath
    ) throws(ConfigurationError) -> ConfigurationFile? {
        guard let value else {
            guard let bytes = try read(defaultPath, orNil: .noSuchFileOrDirectory) else {
                return nil
            }
            return try ConfigurationFile(defaultPath, bytes: bytes)
        }
        guard !value.isEmpty else {
            throw ConfigurationError("\(variable): expected the path of a file, found \"\"")
        }
        let path = FilePath(value)
        guard let bytes = try read(path, orNil: nil, note: ", named by \(variable)") else {
            return nil
        }
        return try ConfigurationFile(path, bytes: bytes)
    }

    init(_ file: FilePath, bytes: [UInt8]) throws(ConfigurationError) {
        guard bytes.count <= Self.bytesMax else {
            throw ConfigurationError("\(file): longer than \(Self.bytesMax) bytes")
        }
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw ConfigurationError("\(file): not UTF-8")
        }
        // The parser takes and gives C strings, so a NUL, even as an escape, would cut a value.
        for nul in ["\0", "\\u0000", "\\U00000000"] where text.contains(nul) {
            throw ConfigurationError("\(file): contains a NUL")
        }
        source = ConfigurationText(file: file, text: text)
        if let (line, column) = source.namelessHeader {
            throw ConfigurationError(
                "\(file):\(line):\(column): expected the name of a table after '['")
        }
        do {
            table = try TOMLTable(string: text)
        } catch let error as TOMLParseError {
            let begin = error.source.begin
            throw ConfigurationError("\(file):\(begin.line):\(begin.column): \(error.description)")
        } catch {
            throw ConfigurationError("\(file): \(error)")
        }
    }

    /// At most one byte more than allowed; nil on the one error that is none.
    private static func read(
        _ path: FilePath, orNil accepted: Errno?, note: String = ""
    ) throws(ConfigurationError) -> [UInt8]? {
        do {
            let descriptor = try FileDescriptor.open(path, .readOnly, options: .closeOnExec)
            return try descriptor.closeAfter {
                var bytes = [UInt8](repeating: 0, count: bytesMax + 1)
                var count = 0
                while count < bytes.count {
                    // The array's own bytes from `count` on, for the length of the call.
                    let added = try unsafe bytes.withUnsafeMutableBytes { buffer in
                        try unsafe descriptor.read(into: .init(rebasing: buffer[count...]))
                    }
                    if added == 0 { break }
                    count += added
                }
                return Array(bytes[..<count])
            }
        } catch let error as Errno where error == accepted {
            return nil
        } catch {
            throw ConfigurationError("\(path): \(error)\(note)")
        }
    }

    /// Sets what the file has.
    func apply(to settings: inout Settings) throws(ConfigurationError) {
        settings.file = source.file
        try apply(table, .top, to: &settings)
    }

    private func apply(
        _ table: TOMLTable, _ section: SettingKey.Section, to settings: inout Settings
    ) throws(ConfigurationError) {
        let prefix: TOMLPath = section == .top ? [] : [.key(section.rawValue)]
        for (name, value) in entries(of: table) {
            let path = prefix + [.key(name)]
            if section == .top, let subsection = SettingKey.Section(rawValue: name), name != "" {
                guard let subtable = value.table else {
                    let message = "expected the table [\(name)], found \(raw(value).found)"
                    throw error(path, "\(name): \(message)")
                }
                try apply(subtable, subsection, to: &settings)
                continue
            }
            let known = SettingKey.all.first { $0.section == section && $0.name == name }
            guard let known else { throw unknown(name, path) }
            if known.name == SettingKey.secondaries.name, section == .primary,
                let array = value.array
            {
                settings.set(secondaries: try peers(array, path), at: .file(source, path))
            } else {
                try settings.set(known, to: raw(value), at: .file(source, path))
            }
        }
    }

    /// `[[primary.secondary]]`, each with both keys and no other.
    private func peers(
        _ array: TOMLArray, _ path: TOMLPath
    ) throws(ConfigurationError) -> [SecondaryPeer] {
        var peers: [SecondaryPeer] = []
        for index in 0..<array.count {
            let path = path + [.index(index)]
            guard let table = array[index].table else {
                throw error(path, "expected [[primary.secondary]] tables")
            }
            var url: HTTPURL?
            var publicKeyFile: FilePath?
            for (name, value) in entries(of: table) {
                let path = path + [.key(name)]
                switch name {
                case "url": url = try parse(value, name, path)
                case "pubkey-file": publicKeyFile = try parse(value, name, path)
                default: throw unknown(name, path)
                }
            }
            guard let url, let publicKeyFile else {
                let missing = url == nil ? "url" : "pubkey-file"
                throw error(path, "[[primary.secondary]] without \(missing)")
            }
            peers.append(SecondaryPeer(url: url, publicKeyFile: publicKeyFile))
        }
        return peers
    }

    private func parse<Value: SettingValue>(
        _ value: any TOMLValueConvertible, _ name: String, _ path: TOMLPath
    ) throws(ConfigurationError) -> Value {
        do throws(SettingMismatch) {
            return try Allowed.all.parse(raw(value))
        } catch {
            throw self.error(path, "primary.secondary.\(name): \(error.message)")
        }
    }

    private func entries(of table: TOMLTable) -> [(String, any TOMLValueConvertible)] {
        table.keys.compactMap { key in table[key].map { (key, $0) } }
    }

    private func raw(_ value: any TOMLValueConvertible) -> RawSetting {
        switch value.type {
        case .string: value.string.map(RawSetting.string) ?? .other("a string")
        case .int: value.int.map(RawSetting.integer) ?? .other("an integer")
        case .bool: value.bool.map(RawSetting.boolean) ?? .other("a boolean")
        case .double: .other("a floating-point number")
        case .table: .other("a table")
        case .array: .other("an array")
        case .date, .time, .dateTime: .other("a date or time")
        }
    }

    private func unknown(_ name: String, _ path: TOMLPath) -> ConfigurationError {
        if let retired = RetiredKey.named(name) {
            return error(path, "\(name): \(retired.advice)")
        }
        let table = path.dropLast().compactMap { step in
            if case .key(let key) = step { key } else { nil }
        }
        let place = table.isEmpty ? "" : " in [\(table.joined(separator: "."))]"
        return error(path, "unknown key \(quoted(name))\(place)" + hint(for: name))
    }

    /// Where a key that stands in the wrong table belongs.
    private func hint(for name: String) -> String {
        guard let key = SettingKey.all.first(where: { $0.name == name }) else { return "" }
        return key.section == .top
            ? "; it belongs above the first table" : "; it belongs in [\(key.section.rawValue)]"
    }

    private func error(_ path: TOMLPath, _ message: String) -> ConfigurationError {
        ConfigurationError("\(source.location(of: path)): \(message)")
    }
}
