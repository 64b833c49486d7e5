/* SPDX-License-Identifier: BSD-2-Clause */
/* EVP: digests and Ed25519 (Sources/LogCrypto). */
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>

/* SSL: clients (Sources/Transport/Client), and wrappers for what is a macro. */
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

static inline int copenssl_require_tls12(SSL_CTX *context) {
    return SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
}

static inline void copenssl_release_buffers(SSL_CTX *context) {
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
}

static inline void copenssl_refuse_renegotiation(SSL_CTX *context) {
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION);
}

static inline int copenssl_set_server_name(SSL *session, const char *name) {
    return (int)SSL_set_tlsext_host_name(session, name);
}
