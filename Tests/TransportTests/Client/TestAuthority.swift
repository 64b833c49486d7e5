// SPDX-License-Identifier: BSD-2-Clause
//
// A certificate authority that issues whatever a test wants, right or wrong, with libcrypto. Its
// keys are Ed25519, made from constant seeds: nothing here is secret.

import COpenSSL
import Glibc
import Testing

/// What a certificate says.
struct CertificateRequest {
    var commonName = "test server"
    /// As in `DNS:witness.test,IP:127.0.0.1`; empty for none.
    var names = "DNS:witness.test,IP:127.0.0.1"
    /// Seconds from now.
    var validFrom = -3_600
    var validUntil = 3_600
    var isSelfSigned = false
}

/// A certificate with its key, for a TLS server.
@safe
final class Certificate: @unchecked Sendable {
    let certificate: OpaquePointer
    let key: OpaquePointer

    init(certificate: OpaquePointer, key: OpaquePointer) {
        unsafe self.certificate = certificate
        unsafe self.key = key
    }

    deinit {
        unsafe X509_free(certificate)
        unsafe EVP_PKEY_free(key)
    }
}

/// All pointers here are owned by the function that names them, or by a `Certificate`.
@safe
final class TestAuthority: Sendable {
    /// The file with the authority's certificate, for those who are to believe it.
    let path: String
    private let root: Certificate

    init(name: String = "test authority", seed: UInt8 = 1) throws {
        var request = CertificateRequest()
        request.commonName = name
        request.isSelfSigned = true
        request.names = ""
        root = try Self.issue(request, seed: seed, isAuthority: true, by: nil)
        var template = Array("/tmp/transport-tests-XXXXXX".utf8CString)
        let descriptor = unsafe mkstemp(&template)
        try #require(descriptor >= 0)
        Glibc.close(descriptor)
        path = String(decoding: template.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
        let file = unsafe BIO_new_file(path, "w")
        defer { unsafe BIO_free(file) }
        try #require(unsafe PEM_write_bio_X509(file, root.certificate) == 1)
    }

    deinit {
        unsafe unlink(path)
    }

    func issue(_ request: CertificateRequest = CertificateRequest()) throws -> Certificate {
        try Self.issue(
            request, seed: 2, isAuthority: false, by: request.isSelfSigned ? nil : root)
    }

    private static func issue(
        _ request: CertificateRequest, seed: UInt8, isAuthority: Bool, by issuer: Certificate?
    ) throws -> Certificate {
        let seed = [UInt8](repeating: seed, count: 32)
        let key = try unsafe #require(
            EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nil, seed, seed.count))
        let certificate = try unsafe #require(X509_new())
        let made = unsafe Certificate(certificate: certificate, key: key)
        unsafe X509_set_version(certificate, 2)
        unsafe ASN1_INTEGER_set(X509_get_serialNumber(certificate), Int(seed[0]))
        unsafe X509_gmtime_adj(X509_getm_notBefore(certificate), request.validFrom)
        unsafe X509_gmtime_adj(X509_getm_notAfter(certificate), request.validUntil)
        unsafe X509_set_pubkey(certificate, key)
        let subject = unsafe X509_get_subject_name(certificate)
        let isNamed = unsafe X509_NAME_add_entry_by_txt(
            subject, "CN", MBSTRING_FLAG | 1, request.commonName, -1, -1, 0)
        try #require(isNamed == 1)
        let issuerName = unsafe issuer.map { unsafe X509_get_subject_name($0.certificate) }
        unsafe X509_set_issuer_name(certificate, issuerName ?? subject)
        if isAuthority {
            try unsafe extend(certificate, NID_basic_constraints, "critical,CA:TRUE")
        }
        if !request.names.isEmpty {
            try unsafe extend(certificate, NID_subject_alt_name, request.names)
        }
        let signature = unsafe X509_sign(certificate, issuer?.key ?? key, nil)
        try #require(signature > 0)
        return made
    }

    private static func extend(
        _ certificate: OpaquePointer, _ kind: Int32, _ value: String
    ) throws {
        let made = try unsafe #require(X509V3_EXT_conf_nid(nil, nil, kind, value))
        defer { unsafe X509_EXTENSION_free(made) }
        try #require(unsafe X509_add_ext(certificate, made, -1) == 1)
    }
}
