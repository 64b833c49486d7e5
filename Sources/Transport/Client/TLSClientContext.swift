// SPDX-License-Identifier: BSD-2-Clause
//
// What all TLS connections of the process share: which versions are spoken, and which authorities
// are believed. With TLSSession.swift the only file that names libssl's symbols.

internal import COpenSSL

/// The client's side of TLS, made once: reading the system's certificates takes a while.
///
/// `@unchecked Sendable`: an SSL_CTX that is not changed any more may make sessions on any thread
/// (openssl-threads(7)); it counts its references atomically.
@safe
package final class TLSClientContext: @unchecked Sendable {
    let handle: OpaquePointer

    /// A context that believes the system's store. The environment variables SSL_CERT_FILE and
    /// SSL_CERT_DIR stand for another one.
    ///
    /// - Throws: `TLSError.setUp`.
    package convenience init() throws(TLSError) {
        try unsafe self.init { context in
            // Files that do not exist are no error here: then no certificate will be accepted.
            unsafe SSL_CTX_set_default_verify_paths(context)
        }
    }

    /// A context that believes the certificates in a PEM file, and no others.
    ///
    /// - Throws: `TLSError.setUp`.
    convenience init(believing path: String) throws(TLSError) {
        try unsafe self.init { context in
            // The string lives for the call.
            unsafe SSL_CTX_load_verify_file(context, path)
        }
    }

    /// - Parameter loadStore: answers 1 when the context's store is what it should be.
    private init(loadStore: (OpaquePointer) -> Int32) throws(TLSError) {
        ERR_clear_error()
        guard let context = unsafe SSL_CTX_new(TLS_client_method()) else {
            throw .setUp(Self.takeReason())
        }
        unsafe handle = context
        // The peer is verified, by whatever store there is; no callback has a say. TLS 1.2 at
        // least, whatever openssl.cnf says.
        unsafe SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nil)
        let isSetUp = unsafe copenssl_require_tls12(context) == 1 && loadStore(context) == 1
        // Renegotiation is a feature of TLS 1.2 that nobody needs who never asks for it. An idle
        // session gives libssl's buffers for records back.
        unsafe copenssl_refuse_renegotiation(context)
        unsafe copenssl_release_buffers(context)
        guard isSetUp, unsafe Self.offerHTTP11(context) else { throw .setUp(Self.takeReason()) }
        ERR_clear_error()
    }

    deinit {
        // Made in init; sessions that are left have references of their own.
        unsafe SSL_CTX_free(handle)
    }

    /// ALPN (RFC 7301): a server that speaks HTTP/2 as well must not choose it, and one that speaks
    /// no HTTP at all may say so before it is sent a request.
    private static func offerHTTP11(_ context: OpaquePointer) -> Bool {
        let name = Array("http/1.1".utf8)
        let list = [UInt8(name.count)] + name
        // The list is read within its length and copied. This call answers 0 for success.
        return unsafe list.withUnsafeBufferPointer { list in
            unsafe SSL_CTX_set_alpn_protos(context, list.baseAddress, UInt32(list.count)) == 0
        }
    }

    /// The reason of the oldest entry in the thread's error queue, which is emptied: the oldest is
    /// where it began, those after it say what failed in consequence.
    static func takeReason() -> String {
        let code = ERR_peek_error()
        defer { ERR_clear_error() }
        guard code != 0 else { return "unknown reason" }
        if let reason = unsafe ERR_reason_error_string(code) {
            // A constant string that ends in a zero.
            return unsafe String(cString: reason)
        }
        return "OpenSSL error " + String(code, radix: 16)
    }
}
