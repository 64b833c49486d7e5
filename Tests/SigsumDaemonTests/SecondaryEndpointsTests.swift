// SPDX-License-Identifier: BSD-2-Clause
//
// Whom a primary takes for a secondary: the files with their keys.

import LogCrypto
import SystemPackage
import TestSupport
import Testing

@testable import SigsumDaemon

@Suite struct SecondaryEndpointsTests {
    /// Two public key lines, made by ssh-keygen.
    private static let lines = [
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f b",
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAICAhIiMkJSYnKCkqKywtLi8wMTIzNDU2Nzg5Ojs8PT4/ c",
    ]

    private static func key(_ first: UInt8) -> PublicKey {
        let bytes = [UInt8](first..<first + 32)
        return PublicKey(copying: bytes.span)
    }

    /// A configuration with these key files, one for each secondary.
    private static func load(
        _ files: [String], quorum: Int? = nil, logKey: PublicKey = key(0x40)
    ) throws -> SecondaryEndpoints {
        let folder = try TemporaryFolder()
        var settings = Settings()
        settings.keyFile = "k"
        settings.secondaryQuorum = quorum
        for (number, text) in files.enumerated() {
            settings.secondaries.append(
                SecondaryPeer(
                    url: try HTTPURL(parsing: "http://b\(number):6967"),
                    publicKeyFile: try folder.write(text, to: "\(number).pub")))
        }
        return try SecondaryEndpoints(PrimaryConfiguration(settings), logKey: logKey)
    }

    @Test func keysAreRead() throws {
        let endpoints = try Self.load(Self.lines, quorum: 1)
        #expect(endpoints.all.map(\.publicKey) == [Self.key(0), Self.key(0x20)])
        #expect(endpoints.quorum == 1 && !endpoints.needsTLS)
        #expect(try Self.load([]).quorum == 0)
        #expect(try Self.load(Self.lines).quorum == 2)
    }

    @Test(
        "Each mistake is one line that names the file",
        arguments: [
            (["nonsense"], "0.pub: expected "),
            ([""], "0.pub: expected "),
            ([lines[0], lines[0]], "1.pub: another secondary has the same key"),
            ([String(repeating: "x", count: 20_000)], "0.pub: too large for a public key file"),
        ])
    func mistakes(files: [String], message: String) throws {
        let error = #expect(throws: ConfigurationError.self) { try Self.load(files) }
        let line = error?.description ?? ""
        #expect(line.hasPrefix("secondary-pubkey-file: ") && line.contains(message), "\(line)")
        #expect(!line.contains("\n"))
    }

    @Test func theLogsOwnKey() {
        let error = #expect(throws: ConfigurationError.self) {
            try Self.load(Self.lines, logKey: Self.key(0x20))
        }
        #expect(error?.description.hasSuffix("a secondary has another one") == true)
    }

    @Test func aPrivateKey() throws {
        let text = try Vectors.keys().log.openssh_private
        let error = #expect(throws: ConfigurationError.self) { try Self.load([text]) }
        #expect(
            error?.description.hasSuffix(
                "expected an OpenSSH public key line, found a private key") == true)
    }
}
