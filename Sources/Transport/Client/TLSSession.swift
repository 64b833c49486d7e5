// SPDX-License-Identifier: BSD-2-Clause
//
// TLS over nothing: ciphertext in, plaintext out, and the other way round, by way of libssl's memory
// BIOs. The socket is ClientStream's, so that there is one way of waiting for it, with TLS or
// without. With TLSClientContext.swift the only file that names libssl's symbols.

internal import COpenSSL

/// A client's end of one TLS connection.
///
/// What comes in is taken whole, and what it makes is bounded by it, so the BIO for incoming bytes
/// holds no more than one call of `receive` gave: libssl empties it into its record buffer.
@safe
struct TLSSession: ~Copyable {
    /// What `read` came to.
    enum ReadOutcome: Equatable {
        /// So many bytes of plaintext, at least one.
        case bytes(Int)
        /// All that was received is dealt with; there may be something to send because of it.
        case needMore
        /// The peer has said that it sends no more (close_notify).
        case ended
    }

    /// An SSL, with a reference to its context.
    private let handle: OpaquePointer
    /// What the peer sent and libssl has not taken yet. Belongs to `handle`, as does `outgoing`.
    private let incoming: OpaquePointer
    /// What libssl made for the peer and nobody has taken yet.
    private let outgoing: OpaquePointer
    /// libssl found an error that ends the session; it must not be asked to end it orderly.
    private var isBroken = false

    /// A session whose peer must prove that it is `host`.
    ///
    /// - Parameters:
    ///   - host: a name, or a literal address.
    ///   - isAddress: which of them. A name is told to the peer (SNI) and looked for among the
    ///     certificate's DNS names; an address is not told (RFC 6066 section 3) and looked for
    ///     among the IP addresses.
    init(
        _ context: TLSClientContext, host: String, isAddress: Bool
    ) throws(TLSError) {
        ERR_clear_error()
        guard let handle = unsafe SSL_new(context.handle),
            let incoming = unsafe BIO_new(BIO_s_mem()), let outgoing = unsafe BIO_new(BIO_s_mem())
        else {
            // As everywhere else: without memory there is no going on.
            fatalError("out of memory")
        }
        unsafe SSL_set_bio(handle, incoming, outgoing)
        unsafe SSL_set_connect_state(handle)
        guard unsafe Self.expect(host, isAddress: isAddress, of: handle) else {
            // Frees the BIOs as well.
            unsafe SSL_free(handle)
            throw .setUp(TLSClientContext.takeReason())
        }
        unsafe self.handle = handle
        unsafe self.incoming = incoming
        unsafe self.outgoing = outgoing
    }

    deinit {
        // Made in init, freed nowhere else, and the BIOs with it.
        unsafe SSL_free(handle)
    }

    private static func expect(
        _ host: String, isAddress: Bool, of handle: OpaquePointer
    ) -> Bool {
        // The strings live for the calls, which copy them. The parameters are the session's.
        guard !isAddress else {
            return unsafe X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(handle), host) == 1
        }
        // RFC 9525: no wildcards for a part of a label, and names only where names belong, not in
        // the subject.
        let flags =
            UInt32(X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS)
            | UInt32(X509_CHECK_FLAG_NEVER_CHECK_SUBJECT)
        unsafe SSL_set_hostflags(handle, flags)
        // The dot of a name that is complete belongs neither into SNI nor into certificates.
        let name = host.hasSuffix(".") ? String(host.dropLast()) : host
        return unsafe copenssl_set_server_name(handle, name) == 1
            && SSL_set1_host(handle, name) == 1
    }

    /// Takes bytes that the peer sent.
    mutating func receive(_ ciphertext: Span<UInt8>) {
        // Bytes of the span are copied, as many as it has.
        let count = unsafe ciphertext.withUnsafeBufferPointer { bytes in
            unsafe BIO_write(incoming, bytes.baseAddress, Int32(bytes.count))
        }
        // A memory BIO takes everything, or there is no memory.
        precondition(count == ciphertext.count, "out of memory")
    }

    /// Goes on with the handshake as far as what was received allows.
    ///
    /// - Returns: whether it is complete, the peer's certificate verified.
    mutating func handshake() throws(TLSError) -> Bool {
        ERR_clear_error()
        let result = unsafe SSL_do_handshake(handle)
        guard result != 1 else { return true }
        switch unsafe SSL_get_error(handle, result) {
        case SSL_ERROR_WANT_READ: return false
        case SSL_ERROR_ZERO_RETURN: throw .handshakeCutOff
        default: throw broken()
        }
    }

    /// Decrypts into the elements of `buffer` from `offset` on.
    mutating func read(
        into buffer: inout [UInt8], from offset: Int
    ) throws(TLSError) -> ReadOutcome {
        precondition(offset >= 0 && offset < buffer.count)
        ERR_clear_error()
        var count = 0
        let result = unsafe buffer.withUnsafeMutableBytes { bytes in
            // libssl writes at most `free.count` bytes at its beginning; both are the array's.
            let free = unsafe UnsafeMutableRawBufferPointer(rebasing: bytes[offset...])
            return unsafe SSL_read_ex(handle, free.baseAddress, free.count, &count)
        }
        guard result != 1 else { return .bytes(count) }
        switch unsafe SSL_get_error(handle, result) {
        case SSL_ERROR_WANT_READ: return .needMore
        case SSL_ERROR_ZERO_RETURN: return .ended
        default: throw broken()
        }
    }

    /// Encrypts all of `plaintext`, after the handshake.
    mutating func write(_ plaintext: Span<UInt8>) throws(TLSError) {
        guard !plaintext.isEmpty else { return }
        ERR_clear_error()
        var count = 0
        // The span's bytes are read within its length.
        let result = unsafe plaintext.withUnsafeBufferPointer { bytes in
            unsafe SSL_write_ex(handle, bytes.baseAddress, bytes.count, &count)
        }
        // Without partial writes, and with a BIO that takes everything, it is all or an error.
        guard result == 1, count == plaintext.count else { throw broken() }
    }

    /// Says that no more will be sent (close_notify), if there is anybody to say it to.
    mutating func end() {
        guard !isBroken, unsafe SSL_is_init_finished(handle) == 1 else { return }
        ERR_clear_error()
        // Whether the peer says so too is not waited for.
        _ = unsafe SSL_shutdown(handle)
        ERR_clear_error()
    }

    /// Moves what is to be sent to the end of `output`.
    mutating func takeOutput(into output: inout [UInt8]) {
        let pending = unsafe BIO_ctrl_pending(outgoing)
        guard pending > 0 else { return }
        output.append(addingCapacity: pending) { (room: inout OutputSpan<UInt8>) in
            unsafe room.withUnsafeMutableBufferPointer { bytes, initialized in
                // The BIO has as many bytes and copies them into room for as many.
                let count = unsafe BIO_read(outgoing, bytes.baseAddress, Int32(pending))
                initialized = max(0, Int(count))
            }
        }
    }

    /// Why the last call failed, of which the peer is told by an alert among the output.
    private mutating func broken() -> TLSError {
        isBroken = true
        let verification = Int(unsafe SSL_get_verify_result(handle))
        if verification != Int(X509_V_OK) {
            ERR_clear_error()
            // A constant string that ends in a zero.
            return .certificate(unsafe String(cString: X509_verify_cert_error_string(verification)))
        }
        return .failed(TLSClientContext.takeReason())
    }
}
