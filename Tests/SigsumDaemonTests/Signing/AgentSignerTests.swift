// SPDX-License-Identifier: BSD-2-Clause
//
// Signing through an agent: a scripted one that does all that an agent should not, and the real
// one.

import Foundation
import Glibc
import LogCrypto
import SigsumFormats
import SystemPackage
import TestSupport
import Testing
import TileStore

@testable import SigsumDaemon

/// The key with a seed of one byte repeated.
func key(seed: UInt8) -> SigningKey {
    SigningKey(seed: FixedBytes(InlineArray(repeating: seed)))
}

@Suite struct AgentSignerTests {
    static let message = Array("sigsum.org/v1/tree/...\n".utf8)
    static let ours = key(seed: 1).publicKey

    /// A message of the agent protocol: `body` with its length.
    static func framed(_ body: [UInt8]) -> [UInt8] {
        var writer = SSHWriter()
        writer.append(string: body)
        return writer.bytes
    }

    static func answer(
        _ signature: [UInt8], type: String = "ssh-ed25519", inside: [UInt8] = [],
        after: [UInt8] = []
    ) -> [UInt8] {
        var inner = SSHWriter()
        inner.append(string: Array(type.utf8))
        inner.append(string: signature)
        var body = SSHWriter()
        body.append(byte: 14)
        body.append(string: inner.bytes + inside)
        return framed(body.bytes + after)
    }

    static func signature(seed: UInt8 = 1, _ message: [UInt8] = message) -> [UInt8] {
        key(seed: seed).sign(message.span).withSpan { bytes in bytes.indices.map { bytes[$0] } }
    }

    /// The error of signing through an agent that plays `script`; nil when it signed.
    static func error(
        _ script: FakeAgent.Script, timeout: Duration = .seconds(60)
    ) throws -> String? {
        let agent = try FakeAgent(script)
        defer { agent.stop() }
        let signer = AgentSigner(publicKey: ours, socket: agent.path, timeout: timeout)
        do throws(SigningError) {
            let signature = try signer.sign(message)
            #expect(ours.verify(signature, ofBytes: message))
            return nil
        } catch {
            #expect(error.description.hasPrefix("ssh-agent at \(agent.path): "))
            #expect(!error.description.contains("\n"))
            return String(error.description.dropFirst("ssh-agent at \(agent.path): ".count))
        }
    }

    @Test func theRequestAsTheProtocolHasIt() throws {
        let agent = try FakeAgent(.dribble(Self.answer(Self.signature())))
        defer { agent.stop() }
        let signer = AgentSigner(publicKey: Self.ours, socket: agent.path, timeout: .seconds(60))
        let signature = try signer.sign(Self.message)
        #expect(signature == key(seed: 1).sign(Self.message.span))
        var reader = SSHReader(agent.request)
        var body = SSHReader(reader.string() ?? [])
        #expect(reader.isAtEnd)
        #expect(body.byte() == 13)
        var blob = SSHReader(body.string() ?? [])
        #expect(blob.string() == Array("ssh-ed25519".utf8))
        #expect(blob.string() == Self.ours.withSpan { bytes in bytes.indices.map { bytes[$0] } })
        #expect(blob.isAtEnd)
        #expect(body.string() == Self.message)
        #expect(body.integer() == 0 && body.isAtEnd)
    }

    /// What an agent may answer, and what the line says.
    @Test func answersThatAreNone() throws {
        let good = Self.signature()
        let damaged = "its signature is not of type ssh-ed25519, or damaged"
        let nonsense = "its answer is not one to a request for a signature"
        let cut = "it closed the connection without a whole answer"
        for (bytes, expected) in [
            (Self.answer(good), nil),
            (Self.framed([5]), "it refused to sign; ssh-add -L must list ssh-ed25519 AAAAC3Nza"),
            (Self.framed([5, 1, 2]), "it refused to sign"),
            (Self.framed([6]), nonsense), (Self.framed([14]), nonsense),
            (Self.framed([14, 0, 0, 0]), nonsense), (Self.framed([14, 0, 0, 0, 9, 1]), nonsense),
            (Self.answer(good, after: [0]), nonsense),
            (Self.framed([14, 0, 0, 0, 0]), damaged),
            (Self.answer(good, inside: [0]), damaged),
            (Self.answer(good, type: "ssh-rsa"), damaged),
            (Self.answer(good, type: "ssh-ed25519\0"), damaged),
            (Self.answer(good, type: ""), damaged),
            (Self.answer(Array(good.dropLast())), damaged), (Self.answer(good + [0]), damaged),
            (Self.answer([]), damaged),
            (Self.answer(Self.signature(seed: 2)), "its signature is not one of the key"),
            (Self.answer(Self.signature([1, 2, 3])), "its signature is not one of the key"),
            (Self.answer([UInt8](repeating: 0, count: 64)), "its signature is not one of the key"),
            ([0, 0, 0, 0], "its answer has 0 bytes"),
            (Self.framed([UInt8](repeating: 14, count: 1025)), "its answer has 1025 bytes"),
            ([255, 255, 255, 255], "its answer has 4294967295 bytes"),
            (Array("HTTP/1.1 400 Bad Request\r\n".utf8), "its answer has 1213486160 bytes"),
            ([], cut), ([0, 0], cut), ([0, 0, 0, 9], cut),
            (Array(Self.answer(good).dropLast()), cut),
        ] as [([UInt8], String?)] {
            let error = try Self.error(.answer(bytes))
            guard let expected else {
                #expect(error == nil)
                continue
            }
            #expect(error?.hasPrefix(expected) == true, "\(error ?? "none"), not \(expected)")
        }
    }

    /// Any answer with one byte changed is refused, or was not needed to be as it was.
    @Test func mangledAnswers() throws {
        let good = Self.answer(Self.signature())
        for position in good.indices {
            var bytes = good
            bytes[position] ^= 1
            #expect(try Self.error(.answer(bytes)) != nil, "byte \(position)")
        }
    }

    /// Closed without reading, the request may also fail to be sent.
    @Test func closedAtOnce() throws {
        let error = try Self.error(.close)
        #expect(
            error?.hasPrefix("it closed the connection") == true
                || error?.hasPrefix("cannot ") == true, "\(error ?? "")")
    }

    @Test func noAnswerInTime() throws {
        for bytes in [[], [0, 0], Array(Self.answer(Self.signature()).dropLast())] {
            let error = try Self.error(.hang(bytes), timeout: .milliseconds(20))
            #expect(error == "no answer within 0.02 seconds")
        }
        // A limit too short for anything is one, too.
        #expect(try Self.error(.hang([]), timeout: .nanoseconds(1))?.hasPrefix("no answer") == true)
    }

    /// The connection ends with the call, whatever came of it: the agent reads the end of the
    /// stream.
    @Test(arguments: [[], [0, 0, 0, 1, 5]] as [[UInt8]])
    func theConnectionIsClosed(answer: [UInt8]) throws {
        let agent = try FakeAgent(.hang(answer))
        defer { agent.stop() }
        let signer = AgentSigner(
            publicKey: Self.ours, socket: agent.path, timeout: .milliseconds(20))
        #expect(throws: SigningError.self) { try signer.sign(Self.message) }
        #expect(agent.waitForEnd())
    }

    @Test func noAgent() throws {
        let folder = try TemporaryFolder()
        let file = try folder.write("", to: "file").string
        let long = folder.path.appending(String(repeating: "x", count: 108)).string
        for (path, expected) in [
            ("\(folder.path)/none", "cannot connect: No such file or directory"),
            (file, "cannot connect: Connection refused"),
            (long, "the path is longer than the 107 bytes that a socket's can have"),
        ] {
            let signer = AgentSigner(publicKey: Self.ours, socket: path, timeout: .seconds(60))
            let error = #expect(throws: SigningError.self) { try signer.sign(Self.message) }
            #expect(error?.description == "ssh-agent at \(path): \(expected)")
        }
    }
}

/// With OpenSSH's own programs.
@Suite(.enabled(if: RealAgent.isInstalled, "ssh-agent, ssh-add or ssh-keygen is not installed"))
struct RealAgentTests {
    @Test func signsOnlyWithTheKeysItHas() throws {
        let agent = try RealAgent()
        defer { agent.stop() }
        let (ours, other) = (try agent.makeKey("ours"), try agent.makeKey("other"))
        try agent.run("ssh-add", ["-q", ours])
        let message = AgentSignerTests.message
        let signer = try LoadedSigner.load(
            keyFile: FilePath(ours + ".pub"), agentSocket: agent.socket, timeout: .seconds(60))
        #expect(signer.warning == nil && signer.signer is AgentSigner)
        let atHand = try LoadedSigner.load(keyFile: FilePath(ours), timeout: .seconds(60))
        // Twice, since each signature has its own connection; and the same as the key's own.
        for _ in 0..<2 {
            #expect(try signer.signer.sign(message) == atHand.signer.sign(message))
        }
        let absent = try LoadedSigner.load(
            keyFile: FilePath(other + ".pub"), agentSocket: agent.socket, timeout: .seconds(60))
        let error = #expect(throws: SigningError.self) { try absent.signer.sign(message) }
        let line = try FileText.read(FilePath(other + ".pub")).split(separator: " ").prefix(2)
        #expect(
            error?.description.hasSuffix(
                "it refused to sign; ssh-add -L must list \(line.joined(separator: " "))") == true)

        try agent.run("ssh-add", ["-q", "-D"])
        #expect(throws: SigningError.self) { try signer.signer.sign(message) }
    }

    @Test func keysOfAnyKindButOurs() throws {
        let agent = try RealAgent()
        defer { agent.stop() }
        let ecdsa = try agent.makeKey("ecdsa", type: "ecdsa")
        let error = #expect(throws: SigningError.self) {
            try LoadedSigner.load(
                keyFile: FilePath(ecdsa + ".pub"), agentSocket: agent.socket, timeout: .seconds(1))
        }
        #expect(error?.description.hasPrefix("key-file: \(ecdsa).pub: expected ") == true)
    }
}

/// An ssh-agent that this process started, and a folder with keys.
struct RealAgent {
    static let isInstalled = ["ssh-agent", "ssh-add", "ssh-keygen"].allSatisfy { name in
        FileManager.default.isExecutableFile(atPath: "/usr/bin/\(name)")
    }

    let socket: String
    private let folder: TemporaryFolder
    private let agent: SpawnedProgram

    /// Returns when the agent listens: it says where only then.
    init() throws {
        folder = try TemporaryFolder()
        socket = folder.path.appending("agent").string
        agent = try SpawnedProgram(
            "/usr/bin/ssh-agent", ["-D", "-a", socket], readsFirstLine: true)
        try #require(agent.firstLine.contains(socket))
    }

    func stop() {
        agent.terminate()
        _ = agent.wait()
    }

    /// Makes an unencrypted key and returns its path.
    func makeKey(_ name: String, type: String = "ed25519") throws -> String {
        let path = folder.path.appending(name).string
        try run("ssh-keygen", ["-q", "-t", type, "-N", "", "-C", "", "-f", path])
        return path
    }

    func run(_ name: String, _ arguments: [String]) throws {
        let program = try SpawnedProgram(
            "/usr/bin/\(name)", arguments, environment: ["SSH_AUTH_SOCK=\(socket)"])
        #expect(program.wait() == 0, "\(name) \(arguments)")
    }
}
