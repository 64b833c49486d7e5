// SPDX-License-Identifier: BSD-2-Clause
//
// Answers of a name server, written byte by byte (RFC 1035 section 4), right or wrong as a test
// wants them.

/// A resource record.
struct DNSRecord {
    /// Nil: the question's name, as a pointer to it.
    var name: String?
    var type: UInt16
    var `class`: UInt16 = 1
    var ttl: UInt32
    var data: [UInt8]

    /// A TXT record of strings.
    static func text(
        _ strings: String..., name: String? = nil, ttl: UInt32 = 300
    ) -> DNSRecord {
        let data = strings.flatMap { [UInt8($0.utf8.count)] + Array($0.utf8) }
        return DNSRecord(name: name, type: 16, ttl: ttl, data: data)
    }

    static func alias(
        _ name: String? = nil, of target: String, ttl: UInt32 = 300
    ) -> DNSRecord {
        DNSRecord(name: name, type: 5, ttl: ttl, data: DNSMessage.encode(target))
    }

    static func startOfAuthority(ttl: UInt32, minimum: UInt32) -> DNSRecord {
        let names = DNSMessage.encode("ns.example") + DNSMessage.encode("root.example")
        let numbers = [1, 2, 3, 4, minimum].flatMap { DNSMessage.bytes($0) }
        return DNSRecord(name: "example", type: 6, ttl: ttl, data: names + numbers)
    }

    static func nameServer(_ name: String) -> DNSRecord {
        DNSRecord(name: "example", type: 2, ttl: 300, data: DNSMessage.encode(name))
    }

    var bytes: [UInt8] {
        (name.map(DNSMessage.encode) ?? [0xc0, 12]) + DNSMessage.bytes(type)
            + DNSMessage.bytes(self.class) + DNSMessage.bytes(ttl)
            + DNSMessage.bytes(UInt16(data.count)) + data
    }
}

/// A response to a question.
struct DNSMessage {
    var isResponse = true
    var isAuthoritative = false
    var isTruncated = false
    var code: UInt8 = 0
    var answers: [DNSRecord] = []
    var authority: [DNSRecord] = []
    var additional: [DNSRecord] = []

    /// The response's bytes, for the number and the question of `question`.
    func bytes(to question: [UInt8]) -> [UInt8] {
        var flags: UInt16 = 0x0180 | UInt16(code)
        if isResponse { flags |= 0x8000 }
        if isAuthoritative { flags |= 0x0400 }
        if isTruncated { flags |= 0x0200 }
        let counts = [1, answers.count, authority.count, additional.count]
        return Array(question.prefix(2)) + Self.bytes(flags)
            + counts.flatMap { Self.bytes(UInt16($0)) } + question.dropFirst(12)
            + (answers + authority + additional).flatMap(\.bytes)
    }

    /// What a client sends.
    static func question(
        _ name: String, number: UInt16 = 0x1234, type: UInt16 = 16, class: UInt16 = 1
    ) -> [UInt8] {
        bytes(number) + [1, 0, 0, 1, 0, 0, 0, 0, 0, 0] + encode(name) + bytes(type)
            + bytes(`class`)
    }

    /// A name as labels behind their lengths.
    static func encode(_ name: String) -> [UInt8] {
        name.split(separator: ".").flatMap { [UInt8($0.utf8.count)] + Array($0.utf8) } + [0]
    }

    /// A number, the highest byte first.
    static func bytes(_ number: some FixedWidthInteger) -> [UInt8] {
        // The number's bytes are copied.
        unsafe withUnsafeBytes(of: number.bigEndian) { unsafe Array($0) }
    }
}
