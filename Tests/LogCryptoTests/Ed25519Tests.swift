// SPDX-License-Identifier: BSD-2-Clause

// Signatures: the vectors of RFC 8032, and the encodings that implementations disagree on.

import LogCrypto
import TestSupport
import Testing

@Suite struct Ed25519Tests {
    /// RFC 8032 section 7.1, tests 1 to 3.
    @Test(arguments: [
        (
            "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
            """
            e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b\
            46bd25bf5f0595bbe24655141438e7a100b
            """
        ),
        (
            "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
            "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
            """
            92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11\
            d8c387b2eaeb4302aeeb00d291612bb0c00
            """
        ),
        (
            "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
            "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
            """
            6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc\
            6594a7c15e9716ed28dc027beceea1ec40a
            """
        ),
    ])
    func vector(seed: String, publicKey: String, message: String, signature: String) throws {
        let seedDigest = try #require(Digest(hex: seed))
        let message = try #require(Hex.decode(text: message))
        let key = SigningKey(seed: seedDigest.bytes)
        #expect(key.publicKey.description == publicKey)
        let made = key.sign(message.span)
        #expect(made.description == signature)
        let known = key.publicKey
        #expect(known.verify(made, ofBytes: message))
        #expect(!known.verify(made, ofBytes: [1, 2, 3]))
        for position in 0..<64 {
            var changed = made
            changed.bytes.storage[position] ^= 0x40
            #expect(!known.verify(changed, ofBytes: message))
        }
    }

    /// The encodings that implementations disagree on: points of small order, and y >= p. With such
    /// a key A and R, S = 0, Go's crypto/ed25519 accepts exactly when the encoding of S*B - k*A
    /// equals R: when k*A is the neutral element (R then being its canonical encoding, 0100...00),
    /// and in cases like it that depend on k. What must hold whatever k is: R of a non-canonical
    /// encoding is refused, since R is compared as bytes; the neutral element as A with R =
    /// 0100...00 is accepted.
    static let neutral = "01" + String(repeating: "0", count: 62)
    static let neutralNonCanonical = "ee" + String(repeating: "f", count: 60) + "7f"
    static let neutralWithSign = "01" + String(repeating: "0", count: 60) + "80"
    static let orderTwo = "ec" + String(repeating: "f", count: 60) + "7f"
    static let orderFour = String(repeating: "0", count: 64)
    static let orderFourNonCanonical = "ed" + String(repeating: "f", count: 60) + "7f"

    @Test(arguments: [neutral, neutralNonCanonical])
    func neutralKeysVerifyTheNeutralR(key: String) throws {
        let key = try #require(PublicKey(hex: key))
        let zero = String(repeating: "0", count: 64)
        let good = try #require(Signature(hex: Self.neutral + zero))
        #expect(key.verify(good, ofBytes: [7]))
        for other in [
            Self.neutralNonCanonical, Self.neutralWithSign, Self.orderTwo, Self.orderFour,
        ] {
            let bad = try #require(Signature(hex: other + zero))
            #expect(!key.verify(bad, ofBytes: [7]))
        }
    }

    /// With A of order 2, k*A is the neutral element for half of all messages: both answers occur,
    /// and none of them with a non-canonical R.
    @Test(arguments: [orderTwo, orderFour, orderFourNonCanonical])
    func smallOrderKeysAreNotRefusedAsSuch(key: String) throws {
        let key = try #require(PublicKey(hex: key))
        let zero = String(repeating: "0", count: 64)
        let good = try #require(Signature(hex: Self.neutral + zero))
        let bad = try #require(Signature(hex: Self.neutralNonCanonical + zero))
        var accepted = 0
        for number in 0..<64 {
            let message = [UInt8(number)]
            if key.verify(good, ofBytes: message) { accepted += 1 }
            #expect(!key.verify(bad, ofBytes: message))
        }
        #expect(accepted > 0 && accepted < 64)
    }

    /// S and S + L stand for the same scalar; only the smaller is a signature.
    @Test func largeScalarsAreRefused() throws {
        let order: [UInt8] = [
            0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9,
            0xde,
            0x14, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
        ]
        let key = SigningKey(seed: FixedBytes())
        var signature = key.sign([1].span)
        #expect(key.publicKey.verify(signature, ofBytes: [1]))
        var carry = 0
        for position in 0..<32 {
            let sum = Int(signature.bytes.storage[32 + position]) + Int(order[position]) + carry
            signature.bytes.storage[32 + position] = UInt8(truncatingIfNeeded: sum)
            carry = sum >> 8
        }
        #expect(carry == 0)
        #expect(!key.publicKey.verify(signature, ofBytes: [1]))
    }

    @Test func aKeyThatIsNoPointVerifiesNothing() throws {
        // y = 2 is on no point of the curve.
        let key = try #require(PublicKey(hex: "02" + String(repeating: "0", count: 62)))
        let zero = try #require(Signature(hex: String(repeating: "0", count: 128)))
        #expect(!key.verify(zero, ofBytes: []))
    }

    /// What a verifier keeps for one key must not answer for another, nor after a refusal.
    @Test func oneVerifierForKeysInTurn() {
        let signed = (0..<3).map { number in
            let key = SigningKey(seed: FixedBytes(InlineArray(repeating: UInt8(number))))
            return (key: key.publicKey, signature: key.sign([UInt8(number)].span))
        }
        var verifier = SignatureVerifier()
        for (asked, by) in [(0, 0), (0, 0), (0, 1), (1, 1), (1, 1), (1, 2), (2, 2), (0, 2), (0, 0)]
        {
            let isValid = verifier.verify(
                signed[asked].signature, of: [UInt8(asked)].span, by: signed[by].key)
            #expect(isValid == (asked == by))
        }
    }
}
