/* SPDX-License-Identifier: BSD-2-Clause */
/* EVP: digests and Ed25519 (Sources/LogCrypto). */
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
