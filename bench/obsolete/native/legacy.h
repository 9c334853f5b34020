/* What the legacy server and its direct client share; both are built on the private OpenSSL. */
#ifndef BENCH_LEGACY_H
#define BENCH_LEGACY_H

#include <openssl/ssl.h>

/* A context for one version, or for all from SSLv3 on when the name is "any". */
SSL_CTX *legacy_context(const SSL_METHOD *method, const char *version, const char *ciphers);

/* Says what failed, with what OpenSSL knows of it, and ends the program. */
void die(const char *what);

#endif
