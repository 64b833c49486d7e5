// SPDX-License-Identifier: BSD-2-Clause

// Array and string forms of calls that take spans: the testing macros cannot capture a span.

package import LogCrypto

extension Hex {
    package static func decode(text: String) -> [UInt8]? { decode(Array(text.utf8).span) }
    package static func string(bytes: [UInt8]) -> String { string(bytes.span) }
}

extension Base64 {
    package static func encode(bytes: [UInt8]) -> [UInt8] { encode(bytes.span) }
    package static func decode(text: String) -> [UInt8]? { decode(Array(text.utf8).span) }
}

extension Digest {
    package init(sha256OfBytes bytes: [UInt8]) { self.init(sha256: bytes.span) }
}

extension PublicKey {
    package func verify(_ signature: Signature, ofBytes message: [UInt8]) -> Bool {
        verify(signature, of: message.span)
    }
}
