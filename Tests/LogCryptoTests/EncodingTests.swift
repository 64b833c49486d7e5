// SPDX-License-Identifier: BSD-2-Clause

// Hexadecimal, base64 and SHA-256: vectors, round trips, and what must be refused.

import LogCrypto
import TestSupport
import Testing

@Suite struct HexTests {
    @Test(arguments: 0...70)
    func everyLengthComesBack(count: Int) {
        let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 37 &+ 11) }
        let text = Hex.string(bytes.span)
        let expected = bytes.map { byte in
            let digits = String(byte, radix: 16)
            return digits.count == 1 ? "0" + digits : digits
        }
        #expect(text == expected.joined())
        #expect(Hex.decode(text: text) == bytes)
        #expect(Hex.decode(text: text.uppercased()) == bytes)
    }

    @Test func everyByteIsWrittenAndRead() {
        let bytes = (0...255).map { UInt8($0) }
        #expect(Hex.decode(text: Hex.string(bytes: bytes)) == bytes)
    }

    @Test(arguments: ["0", "0g", "g0", " 00", "00 ", "0x00", "é0", "@0", "`0", "/0", ":0", "G0"])
    func refuses(text: String) {
        #expect(Hex.decode(text: text) == nil)
    }

    @Test func aValueNeedsItsExactLength() {
        let digits = String(repeating: "ab", count: 32)
        #expect(Digest(hex: digits)?.description == digits)
        #expect(Digest(hex: digits.uppercased())?.description == digits)
        #expect(Digest(hex: String(digits.dropLast(2))) == nil)
        #expect(Digest(hex: digits + "ab") == nil)
        #expect(Signature(hex: digits) == nil)
    }
}

@Suite struct Base64Tests {
    /// RFC 4648 section 10.
    @Test(arguments: [
        ("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="),
        ("fooba", "Zm9vYmE="), ("foobar", "Zm9vYmFy"),
    ])
    func vector(plain: String, text: String) {
        #expect(Base64.encode(bytes: Array(plain.utf8)) == Array(text.utf8))
        #expect(Base64.decode(text: text) == Array(plain.utf8))
    }

    @Test func zerosAtTheEndAreKept() {
        let bytes: [UInt8] = [0, 0, 0, 0]
        #expect(
            Base64.decode(text: String(decoding: Base64.encode(bytes: bytes), as: UTF8.self))
                == bytes)
    }

    @Test(arguments: [
        "Zg", "Zg=", "Zh==", "Zm9=", "Zg==\n", " Zg==", "Zg==Zg==", "====", "Z===", "Zm9v=",
        "Zm-v", "Zm_v", "Zg\n==", "A===AAAA", "\u{0}AAA",
    ])
    func refusesWhatIsNotCanonical(text: String) {
        #expect(Base64.decode(text: text) == nil)
    }
}

@Suite struct SHA256Tests {
    /// FIPS 180-4's examples.
    @Test(arguments: [
        ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        (
            "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
        ),
    ])
    func vector(text: String, digest: String) {
        #expect(Digest(sha256OfBytes: Array(text.utf8)).description == digest)
        var context = SHA256()
        context.begin()
        for byte in text.utf8 { context.update(byte) }
        let absorbed = context.finish()
        #expect(absorbed.description == digest)
        let hashed = context.hash(Array(text.utf8).span)
        #expect(hashed.description == digest)
    }
}
