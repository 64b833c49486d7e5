// SPDX-License-Identifier: BSD-2-Clause
//
// Signing with a private key that an ssh-agent keeps (draft-ietf-sshm-ssh-agent): one question, one
// answer, on a connection of its own, so that an agent may be restarted between two signatures.
//
//     uint32 length   13 SSH_AGENTC_SIGN_REQUEST   string key   string message   uint32 flags (0)
//     uint32 length   14 SSH_AGENT_SIGN_RESPONSE   string (string "ssh-ed25519"  string signature)
//     uint32 length    5 SSH_AGENT_FAILURE

import LogCrypto
import SigsumFormats
import TileStore

/// Signs tree heads through an ssh-agent. Blocks for as long as the agent takes, at most `timeout`:
/// never on a reactor.
struct AgentSigner: TreeHeadSigner {
    let publicKey: PublicKey
    /// The path of the agent's socket.
    let socket: String
    /// How long a signature may take, from connecting to the last byte of the answer.
    let timeout: Duration

    private enum MessageType {
        static let failure: UInt8 = 5
        static let signRequest: UInt8 = 13
        static let signResponse: UInt8 = 14
    }

    /// A signature takes 88 bytes; what is longer is none.
    private static let answerBytesMax = 1024

    /// The agent's signature, found to be one of `publicKey`.
    func sign(_ message: [UInt8]) throws(SigningError) -> Signature {
        let answer: [UInt8]
        do throws(AgentSocketError) {
            let connection = try AgentSocket.connected(to: socket, timeout: timeout)
            try connection.send(request(for: message))
            answer = try connection.receiveMessage(byteCountMax: Self.answerBytesMax)
        } catch {
            throw failure("\(error)")
        }
        let signature = try signature(in: answer)
        guard publicKey.verify(signature, of: message.span) else {
            throw failure("its signature is not one of the key \(keyName)")
        }
        return signature
    }

    private func request(for message: [UInt8]) -> [UInt8] {
        var body = SSHWriter()
        body.append(byte: MessageType.signRequest)
        body.append(string: publicKey.sshBlob)
        body.append(string: message)
        body.append(integer: 0)
        var framed = SSHWriter()
        framed.append(string: body.bytes)
        return framed.bytes
    }

    private func signature(in answer: [UInt8]) throws(SigningError) -> Signature {
        var reader = SSHReader(answer)
        switch reader.byte() {
        case MessageType.failure:
            throw failure("it refused to sign; ssh-add -L must list \(keyName)")
        case MessageType.signResponse:
            guard let blob = reader.string(), reader.isAtEnd else { break }
            var inner = SSHReader(blob)
            guard inner.string() == Array("ssh-ed25519".utf8), let bytes = inner.string(),
                inner.isAtEnd, bytes.count == Signature.byteCount
            else { throw failure("its signature is not of type ssh-ed25519, or damaged") }
            return Signature(copying: bytes.span)
        default: break
        }
        throw failure("its answer is not one to a request for a signature")
    }

    /// The key as `ssh-add -L` lists it.
    private var keyName: String {
        "ssh-ed25519 \(String(decoding: Base64.encode(publicKey.sshBlob.span), as: UTF8.self))"
    }

    private func failure(_ what: String) -> SigningError {
        SigningError(escapingControls("ssh-agent at \(socket): \(what)"))
    }
}
