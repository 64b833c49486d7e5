// SPDX-License-Identifier: BSD-2-Clause
//
// From a key file to a signer: which kind, and how each wrong file is named.

import Foundation
import Glibc
import LogCrypto
import SystemPackage
import TestSupport
import Testing
import TileStore

@testable import SigsumDaemon

@Suite struct LoadedSignerTests {
    let folder: TemporaryFolder
    let keys: Vectors.Keys

    init() throws {
        folder = try TemporaryFolder()
        keys = try Vectors.keys()
    }

    private func file(_ text: String, mode: mode_t = 0o600) throws -> FilePath {
        let path = try folder.write(text, to: "key-\(UUID().uuidString)")
        // A C string for the call's time.
        #expect(unsafe chmod(path.string, mode) == 0)
        return path
    }

    private func error(_ path: FilePath, agentSocket: String? = "/agent") -> String? {
        let error = #expect(throws: SigningError.self) {
            try LoadedSigner.load(keyFile: path, agentSocket: agentSocket, timeout: .seconds(1))
        }
        return error?.description
    }

    /// A private key signs at once, whatever agent there is, and as log-go did.
    @Test(arguments: [nil, "", "/agent"] as [String?]) func aPrivateKey(agentSocket: String?) throws
    {
        let loaded = try LoadedSigner.load(
            keyFile: try file(keys.log.openssh_private), agentSocket: agentSocket,
            timeout: .seconds(1))
        #expect(loaded.signer is KeySigner && loaded.warning == nil)
        #expect(loaded.signer.publicKey.description == keys.log.public_key)
        let copy = loaded.signer
        let message: [UInt8] = [1, 2, 3]
        let signature = try copy.sign(message)
        #expect(copy.publicKey.verify(signature, ofBytes: message))
    }

    @Test func aPublicKey() throws {
        let path = try file(keys.log.openssh_public, mode: 0o644)
        let loaded = try LoadedSigner.load(
            keyFile: path, agentSocket: "/agent", timeout: .seconds(3))
        let signer = try #require(loaded.signer as? AgentSigner)
        #expect(signer.publicKey.description == keys.log.public_key && loaded.warning == nil)
        #expect(signer.socket == "/agent" && signer.timeout == .seconds(3))
        for none in [nil, ""] as [String?] {
            #expect(
                error(path, agentSocket: none)
                    == "key-file: \(path): a public key, to sign with by an ssh-agent, "
                    + "but SSH_AUTH_SOCK is not set")
        }
    }

    /// Only what all users may do is worth a word; a public key is for all.
    @Test(
        arguments: [
            (0o600, false), (0o400, false), (0o640, false), (0o660, false), (0o601, false),
            (0o604, true), (0o644, true), (0o602, true), (0o666, true),
        ] as [(mode_t, Bool)])
    func permissions(mode: mode_t, isWarned: Bool) throws {
        let path = try file(keys.log.openssh_private, mode: mode)
        let warning = try LoadedSigner.load(keyFile: path, timeout: .seconds(1)).warning
        #expect((warning != nil) == isWarned)
        if let warning {
            #expect(warning.hasPrefix("key-file: \(path): ") && !warning.contains("\n"))
        }
    }

    @Test func filesThatAreNone() throws {
        for (text, reason) in [
            (keys.must_be_refused.encrypted_private, "an encrypted private key"),
            (keys.must_be_refused.rsa_private, "a key of type ssh-rsa"),
            (keys.log.seed, "64 hex digits"), ("", "an empty file"), ("hello\n", "\"hello\""),
            (String(repeating: "x", count: 16 * 1024 + 1), "too large for a key file"),
        ] {
            let path = try file(text)
            let line = error(path) ?? ""
            #expect(line.hasPrefix("key-file: \(path): ") && line.contains(reason), "\(line)")
            #expect(!line.contains("\n"))
        }
        let absent = folder.path.appending("absent")
        #expect(error(absent) == "key-file: \(absent): No such file or directory")
        #expect(error(folder.path) == "key-file: \(folder.path): Is a directory")
    }

    @Test func oneThatMayNotBeRead() throws {
        let path = try file(keys.log.openssh_private, mode: 0)
        // The superuser may read it all the same.
        guard geteuid() != 0 else { return }
        #expect(error(path) == "key-file: \(path): Permission denied")
    }
}
