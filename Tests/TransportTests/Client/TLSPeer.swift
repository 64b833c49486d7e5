// SPDX-License-Identifier: BSD-2-Clause
//
// The server's end of a TLS connection, with libssl on a blocking socket, and what a server may do
// there that a client has to bear.

import COpenSSL
import Reactor
import Synchronization
import Testing

@testable import Transport

/// How a server is set up.
struct TLSServerOptions: Sendable {
    var versionMin = TLS1_2_VERSION
    var versionMax = TLS1_3_VERSION
}

/// Makes the server's ends.
@safe
final class TLSServerContext: @unchecked Sendable {
    fileprivate let handle: OpaquePointer

    init(_ certificate: Certificate, options: TLSServerOptions = TLSServerOptions()) throws {
        // Owned by this object; certificate and key get references of its own.
        let context = try unsafe #require(SSL_CTX_new(TLS_server_method()))
        unsafe handle = context
        unsafe SSL_CTX_set_security_level(context, 0)
        unsafe SSL_CTX_ctrl(
            context, SSL_CTRL_SET_MIN_PROTO_VERSION, Int(options.versionMin), nil)
        unsafe SSL_CTX_ctrl(
            context, SSL_CTRL_SET_MAX_PROTO_VERSION, Int(options.versionMax), nil)
        try #require(unsafe SSL_CTX_use_certificate(context, certificate.certificate) == 1)
        try #require(unsafe SSL_CTX_use_PrivateKey(context, certificate.key) == 1)
    }

    deinit {
        unsafe SSL_CTX_free(handle)
    }
}

/// A peer that speaks TLS. All calls are on its script's thread.
@safe
final class TLSPeer: Peer {
    private let handle: OpaquePointer
    /// Whether the handshake was complete, as far as the server knows.
    private(set) var isAccepted = false

    init(_ socket: consuming OwnedDescriptor, _ context: TLSServerContext) {
        let number = socket.rawValue
        // Freed in deinit; the descriptor is open as long as it is read and written.
        guard let handle = unsafe SSL_new(context.handle) else { fatalError("out of memory") }
        unsafe self.handle = handle
        unsafe SSL_set_fd(handle, number)
        super.init(socket)
        isAccepted = unsafe SSL_accept(handle) == 1
        ERR_clear_error()
    }

    deinit {
        unsafe SSL_free(handle)
    }

    /// The name that the client asked for (SNI).
    var serverName: String? {
        // A string of the session's, which is copied.
        unsafe SSL_get_servername(handle, TLSEXT_NAMETYPE_host_name).map {
            unsafe String(cString: $0)
        }
    }

    var version: Int32 { unsafe SSL_version(handle) }

    override func read(into buffer: inout [UInt8]) -> Int {
        // Written within the array's length.
        defer { ERR_clear_error() }
        return Int(unsafe SSL_read(handle, &buffer, Int32(buffer.count)))
    }

    override func write(_ bytes: [UInt8]) -> Bool {
        defer { ERR_clear_error() }
        return unsafe SSL_write(handle, bytes, Int32(bytes.count)) == Int32(bytes.count)
    }

    /// close_notify.
    func sayGoodbye() {
        unsafe SSL_shutdown(handle)
    }

    /// TLS 1.3: another session ticket.
    func sendTicket() {
        #expect(unsafe SSL_new_session_ticket(handle) == 1)
        #expect(unsafe SSL_do_handshake(handle) == 1)
    }

    /// TLS 1.3: new keys, for both directions.
    func updateKeys() {
        #expect(unsafe SSL_key_update(handle, SSL_KEY_UPDATE_REQUESTED) == 1)
        #expect(unsafe SSL_do_handshake(handle) == 1)
    }

    /// TLS 1.2: asks for another handshake.
    func renegotiate() {
        #expect(unsafe SSL_renegotiate(handle) == 1)
        #expect(unsafe SSL_do_handshake(handle) == 1)
    }
}

extension ScriptedServer {
    /// A server that speaks TLS.
    convenience init(
        _ certificate: Certificate, options: TLSServerOptions = TLSServerOptions(),
        _ scripts: (@Sendable (TLSPeer) throws -> Void)...
    ) throws {
        let context = try TLSServerContext(certificate, options: options)
        try self.init(
            wrap: { TLSPeer($0, context) },
            scripts.map { script in { try script(#require($0 as? TLSPeer)) } })
    }
}
