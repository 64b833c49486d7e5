// SPDX-License-Identifier: BSD-2-Clause
//
// Reads the answer to a question for TXT records (RFC 1035 section 4, RFC 2308), with the C
// library's functions that take messages apart (ns_...). Who sent it is not known, so each thing in
// it is looked at before it is used.

internal import CResolver

/// A message that came for a question.
struct TXTResponse {
    private let message: [UInt8]

    /// - Parameters:
    ///   - message: what came, of any length.
    ///   - question: the message that was sent, which is one of ours.
    /// - Throws: `malformed` for what is no response, or one to another question's number.
    init(_ message: [UInt8], to question: [UInt8]) throws(TXTFailure) {
        let isResponse =
            message.count >= Int(NS_HFIXEDSZ) && message[0] == question[0]
            && message[1] == question[1] && message[2] & 0x80 != 0
        guard isResponse else { throw .malformed }
        self.message = message
    }

    /// Whether it has not all that it should have (TC). Then nothing in it is of use, and it may
    /// end anywhere.
    var isTruncated: Bool { message[2] & 0x02 != 0 }

    private var code: UInt8 { message[3] & 0x0f }

    /// What it is if it does not answer the question; nil if it does.
    var refusal: TXTFailure? {
        let isAnswer =
            code == UInt8(ns_r_noerror.rawValue) || code == UInt8(ns_r_nxdomain.rawValue)
        return isAnswer ? nil : .refused(code: code)
    }

    /// What the response says about `name`.
    func answer(for name: DNSName, recordCountMax: Int) throws(TXTFailure) -> TXTAnswer {
        if let refusal { throw refusal }
        // A stream's message has no more room than a datagram's that is cut.
        guard !isTruncated else { throw .truncated }
        return unsafe try message.withUnsafeBufferPointer { bytes throws(TXTFailure) in
            // The sections point into the message's bytes, and go before the closure ends.
            let sections = unsafe try MessageSections(of: message, at: bytes)
            try sections.expectQuestion(for: name)
            let answers = try sections.records(ns_s_an)
            let (owner, aliasTTL) = try sections.follow(name, through: answers)
            let found = answers.filter { $0.isText && $0.name == owner }.prefix(recordCountMax)
            if found.isEmpty {
                return .nonexistent(ttl: try sections.negativeTTL())
            }
            let ttl = min(aliasTTL, found.map(\.ttl).min() ?? 0)
            let texts = try found.map { record throws(TXTFailure) in try record.text() }
            return .records(texts, ttl: .seconds(ttl))
        }
    }
}

/// A message of which each record is known to lie within it.
@safe
private struct MessageSections {
    private let message: [UInt8]
    private var handle = unsafe ns_msg()

    /// - Parameter bytes: those of `message`, where they stay as long as this value lives.
    init(of message: [UInt8], at bytes: UnsafeBufferPointer<UInt8>) throws(TXTFailure) {
        self.message = message
        // The call reads within the length given and keeps the pointer.
        let status = unsafe ns_initparse(bytes.baseAddress, Int32(bytes.count), &handle)
        guard status == 0 else { throw .malformed }
    }

    /// All records of a section.
    func records(_ section: ns_sect) throws(TXTFailure) -> [Record] {
        var (handle, records) = unsafe (handle, [Record]())
        let counts = unsafe handle._counts
        let count = section == ns_s_qd ? counts.0 : section == ns_s_an ? counts.1 : counts.2
        var record = unsafe ns_rr()
        for index in 0..<Int32(count) {
            // The call reads within the message and writes the one record.
            let status = unsafe ns_parserr(&handle, section, index, &record)
            guard status == 0 else { throw .malformed }
            unsafe records.append(Record(record, data: data(of: record)))
        }
        return records
    }

    private func data(of record: ns_rr) -> ArraySlice<UInt8> {
        // Questions have none.
        guard unsafe record.rdlength > 0, let start = unsafe record.rdata else { return [] }
        // Both point into the message.
        let offset = unsafe start - handle._msg
        return message[offset..<offset + Int(unsafe record.rdlength)]
    }

    /// The message must repeat the question.
    func expectQuestion(for name: DNSName) throws(TXTFailure) {
        let questions = try records(ns_s_qd)
        guard questions.count == 1, questions[0].isText, questions[0].name == name.text else {
            throw .malformed
        }
    }

    /// The name that `name` is an alias of in the end, or itself, and the shortest TTL on the way
    /// there. RFC 1034 lets the aliases stand in any order, and some servers do.
    func follow(
        _ name: DNSName, through records: [Record]
    ) throws(TXTFailure) -> (owner: String, ttl: UInt32) {
        let hopCountMax = 16
        var (owner, ttl) = (name.text, UInt32.max)
        for _ in 0..<hopCountMax {
            guard let alias = records.first(where: { $0.isAlias && $0.name == owner }) else {
                return (owner, ttl)
            }
            owner = try target(of: alias)
            ttl = min(ttl, alias.ttl)
        }
        throw .malformed
    }

    private func target(of alias: Record) throws(TXTFailure) -> String {
        var name = [CChar](repeating: 0, count: Int(NS_MAXDNAME))
        // The data lies in the message, and the name may go on at an earlier place of it. It is
        // written within the length given and ends in a zero.
        let count = unsafe ns_name_uncompress(
            handle._msg, handle._eom, handle._msg + alias.data.startIndex, &name, name.count)
        guard count == alias.data.count else { throw .malformed }
        return Record.lowercased(name.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)))
    }

    /// How long it holds that there is nothing: what the zone's SOA says (RFC 2308 section 5), zero
    /// when there is none.
    ///
    /// - Throws: `referred` when the message only names other name servers.
    func negativeTTL() throws(TXTFailure) -> Duration {
        let authority = try records(ns_s_ns)
        guard let soa = authority.first(where: { $0.isOf(ns_t_soa) }) else {
            let isAnswer = unsafe ns_msg_getflag(handle, Int32(ns_f_aa.rawValue)) != 0
            let isReferral = authority.contains { $0.isOf(ns_t_ns) } && !isAnswer
            guard !isReferral else { throw .referred }
            return .zero
        }
        return .seconds(min(soa.ttl, try soa.minimum()))
    }
}

/// A record, or a question, of a message.
private struct Record {
    /// As the C library writes names: lower case here, with escapes for what is no letter.
    let name: String
    private let type: UInt16
    private let isInternet: Bool
    /// In seconds.
    let ttl: UInt32
    /// Its indices are places in the message.
    let data: ArraySlice<UInt8>

    init(_ record: ns_rr, data: ArraySlice<UInt8>) {
        // The name is written by the C library and ends in a zero.
        name = unsafe withUnsafeBytes(of: record.name) { name in
            unsafe Self.lowercased(name.prefix { $0 != 0 })
        }
        type = unsafe record.type
        isInternet = unsafe record.rr_class == UInt16(ns_c_in.rawValue)
        // RFC 2181 section 8: one with the highest bit set is none.
        ttl = unsafe record.ttl > UInt32(Int32.max) ? 0 : record.ttl
        self.data = data
    }

    var isText: Bool { isOf(ns_t_txt) }
    var isAlias: Bool { isOf(ns_t_cname) }

    func isOf(_ type: ns_type) -> Bool {
        isInternet && self.type == UInt16(type.rawValue)
    }

    /// The strings of a TXT record, joined (RFC 1035 section 3.3.14).
    func text() throws(TXTFailure) -> [UInt8] {
        var text: [UInt8] = []
        var rest = data
        while let length = rest.popFirst() {
            guard rest.count >= Int(length) else { throw .malformed }
            text += rest.prefix(Int(length))
            rest = rest.dropFirst(Int(length))
        }
        return text
    }

    /// The last field of an SOA record, which stands behind two names and four other numbers.
    func minimum() throws(TXTFailure) -> UInt32 {
        guard data.count >= 22 else { throw .malformed }
        return data.suffix(4).reduce(0) { $0 << 8 | UInt32($1) }
    }

    static func lowercased(_ name: some Sequence<UInt8>) -> String {
        String(decoding: name.map { 65...90 ~= $0 ? $0 | 0x20 : $0 }, as: UTF8.self)
    }
}
