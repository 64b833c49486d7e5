// SPDX-License-Identifier: BSD-2-Clause
//
// The few fields of a head that the connection itself acts on: Content-Length, Transfer-Encoding and
// Connection, and of a request Host and Expect. They are gathered in one walk over the field lines,
// so that a repeated one is seen; BodyFraming and the parsers draw the conclusions.

/// What a head says about the connection and the body to come.
struct FramingFields {
    private(set) var contentLength = FieldOccurrence.absent
    private(set) var transferEncoding = FieldOccurrence.absent
    /// Connection options (RFC 9110 section 7.6.1); options of other names are not ours to act on.
    private(set) var asksToClose = false
    private(set) var asksToKeepAlive = false
    /// A request's Host; nobody looks at a response's.
    private(set) var host = FieldOccurrence.absent
    /// A request's expectations (RFC 9110 section 10.1.1).
    private(set) var expectsContinue = false
    private(set) var expectsOther = false

    init(gathering fields: [FieldLine], in bytes: Span<UInt8>) {
        for field in fields {
            // The length of the name alone rules most fields out.
            switch field.name.count {
            case 4 where bytes.matches("host", in: field.name):
                host.add(field.value)
            case 14 where bytes.matches("content-length", in: field.name):
                contentLength.add(field.value)
            case 17 where bytes.matches("transfer-encoding", in: field.name):
                transferEncoding.add(field.value)
            case 10 where bytes.matches("connection", in: field.name):
                bytes.forEachElement(ofList: field.value) { option in
                    if bytes.matches("close", in: option) { asksToClose = true }
                    if bytes.matches("keep-alive", in: option) { asksToKeepAlive = true }
                }
            case 6 where bytes.matches("expect", in: field.name):
                if bytes.matches("100-continue", in: field.value) {
                    expectsContinue = true
                } else {
                    expectsOther = true
                }
            default:
                break
            }
        }
    }

    /// RFC 9112 section 3.2: exactly one Host, which HTTP/1.0 may lack. Its value may be empty.
    func checkHost(isHTTP10: Bool, in bytes: Span<UInt8>) throws(RequestError) {
        switch host {
        case .absent:
            guard isHTTP10 else { throw .hostMissing }
        case .repeated:
            throw .hostRepeated
        case .once(let value):
            guard bytes.endOfRun(of: .authority, in: value) == value.upperBound else {
                throw .hostMalformed
            }
        }
    }

    /// RFC 9112 section 9.3.
    func persistence(isHTTP10: Bool) -> Persistence {
        if asksToClose { return .close }
        guard isHTTP10 else { return .implied }
        return asksToKeepAlive ? .keepAlive : .close
    }
}
