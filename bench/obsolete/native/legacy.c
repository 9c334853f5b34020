#include "legacy.h"

#include <openssl/err.h>
#include <openssl/provider.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void die(const char *what) {
    fprintf(stderr, "%s: ", what);
    ERR_print_errors_fp(stderr);
    exit(2);
}

static int version_named(const char *name) {
    if (strcmp(name, "SSLv3") == 0) return SSL3_VERSION;
    if (strcmp(name, "TLSv1.0") == 0) return TLS1_VERSION;
    if (strcmp(name, "any") == 0) return 0;
    die("unknown version");
    return -1;
}

SSL_CTX *legacy_context(const SSL_METHOD *method, const char *version, const char *ciphers) {
    char list[512];
    int number = version_named(version);
    OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_CONFIG, NULL);
    if (!OSSL_PROVIDER_load(NULL, "default") || !OSSL_PROVIDER_load(NULL, "legacy")) die("providers");
    SSL_CTX *context = SSL_CTX_new(method);
    snprintf(list, sizeof list, "%s:@SECLEVEL=0", ciphers);
    SSL_CTX_clear_options(context, SSL_OP_NO_SSLv3);
    if (!SSL_CTX_set_cipher_list(context, list)) die("ciphers");
    SSL_CTX_set_min_proto_version(context, number ? number : SSL3_VERSION);
    SSL_CTX_set_max_proto_version(context, number ? number : TLS1_2_VERSION);
    return context;
}
