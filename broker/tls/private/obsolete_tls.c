#include "obsolete_tls.h"

#include <openssl/err.h>
#include <openssl/provider.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static pthread_once_t once = PTHREAD_ONCE_INIT;

static void start(void)
{
    /* No configuration file: whatever the system's openssl.cnf says is for the system's OpenSSL. */
    OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_CONFIG, NULL);
    OSSL_PROVIDER_load(NULL, "default");
    OSSL_PROVIDER_load(NULL, "legacy");
}

const char *obsolete_version(void)
{
    return OpenSSL_version(OPENSSL_VERSION);
}

struct failure {
    char reason[128];
    long verify_code;
};

struct connection {
    SSL *ssl;
    /* What a read met behind the bytes that it gave: the next read reports it, for the library would not again. */
    int met;
    struct failure failure;
};

static void note(struct failure *failure, const SSL *ssl)
{
    unsigned long code = ERR_peek_error();
    const char *reason = code ? ERR_reason_error_string(code) : NULL;
    snprintf(failure->reason, sizeof failure->reason, "%s", reason ? reason : "unknown failure");
    failure->verify_code = ssl ? SSL_get_verify_result(ssl) : 0;
    ERR_clear_error();
}

static int fail(struct connection *connection)
{
    note(&connection->failure, connection->ssl);
    return OBSOLETE_FAILED;
}

long obsolete_reason(void *connection, char *reason, size_t size)
{
    const struct failure *failure = &((struct connection *)connection)->failure;
    snprintf(reason, size, "%s", failure->reason);
    return failure->verify_code;
}

static int let_through(const SSL *ssl, const SSL_CTX *context, int operation, int bits, int nid, void *other,
                       void *extra)
{
    (void)ssl, (void)context, (void)operation, (void)bits, (void)nid, (void)other, (void)extra;
    return 1;
}

static int set_trust(SSL_CTX *context, const struct obsolete_settings *settings)
{
    X509_VERIFY_PARAM *parameters = SSL_CTX_get0_param(context);
    if (!(settings->flags & OBSOLETE_VERIFY_CHAIN)) {
        SSL_CTX_set_verify(context, SSL_VERIFY_NONE, NULL);
        return 1;
    }
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    if (settings->ca_file && !SSL_CTX_load_verify_file(context, settings->ca_file))
        return 0;
    if (settings->ca_path && !SSL_CTX_load_verify_dir(context, settings->ca_path))
        return 0;
    if (settings->flags & OBSOLETE_PINNED) {
        X509_VERIFY_PARAM_set_flags(parameters, X509_V_FLAG_NO_CHECK_TIME);
        X509_VERIFY_PARAM_set_purpose(parameters, X509_PURPOSE_ANY);
    }
    return 1;
}

static int set_up(SSL_CTX *context, const struct obsolete_settings *settings)
{
    uint64_t options = SSL_OP_ALL | SSL_OP_NO_COMPRESSION;
    SSL_CTX_clear_options(context, SSL_OP_NO_SSLv3);
    SSL_CTX_set_security_level(context, settings->security_level);
    if (settings->flags & OBSOLETE_ANY_STRENGTH)
        SSL_CTX_set_security_callback(context, let_through);
    if (settings->flags & OBSOLETE_LEGACY_RENEGOTIATION)
        options |= SSL_OP_LEGACY_SERVER_CONNECT | SSL_OP_ALLOW_UNSAFE_LEGACY_RENEGOTIATION;
    if (settings->flags & OBSOLETE_PLAIN_HELLO)
        options |= SSL_OP_NO_TICKET | SSL_OP_NO_EXTENDED_MASTER_SECRET | SSL_OP_NO_ENCRYPT_THEN_MAC;
    SSL_CTX_set_options(context, options);
    SSL_CTX_set_mode(context, SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
    /* Sessions are kept by the caller, by host and port. */
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    if (!SSL_CTX_set_min_proto_version(context, settings->min_version) ||
        !SSL_CTX_set_max_proto_version(context, settings->max_version) ||
        !SSL_CTX_set_cipher_list(context, settings->ciphers))
        return 0;
    if (settings->alpn_length && SSL_CTX_set_alpn_protos(context, settings->alpn, settings->alpn_length))
        return 0;
    if (settings->chain_file && (SSL_CTX_use_certificate_chain_file(context, settings->chain_file) != 1 ||
                                 SSL_CTX_use_PrivateKey_file(context, settings->key_file, SSL_FILETYPE_PEM) != 1 ||
                                 SSL_CTX_check_private_key(context) != 1))
        return 0;
    if (settings->chain_file)
        SSL_CTX_set_post_handshake_auth(context, 1);
    return set_trust(context, settings);
}

void *obsolete_context(const struct obsolete_settings *settings, char *reason, size_t size)
{
    struct failure failure;
    SSL_CTX *context;
    pthread_once(&once, start);
    ERR_clear_error();
    context = SSL_CTX_new(TLS_client_method());
    if (context && set_up(context, settings))
        return context;
    note(&failure, NULL);
    snprintf(reason, size, "%s", failure.reason);
    SSL_CTX_free(context);
    return NULL;
}

void obsolete_context_free(void *context)
{
    SSL_CTX_free(context);
}

static SSL *ssl_of(void *connection)
{
    return ((struct connection *)connection)->ssl;
}

static SSL *new_ssl(SSL_CTX *context)
{
    SSL *ssl = SSL_new(context);
    BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());
    if (!ssl || !in || !out) {
        SSL_free(ssl);
        BIO_free(in);
        BIO_free(out);
        return NULL;
    }
    BIO_set_mem_eof_return(in, -1);
    SSL_set_bio(ssl, in, out);
    SSL_set_connect_state(ssl);
    return ssl;
}

void *obsolete_new(void *context, const char *server_name, void *session)
{
    struct connection *connection = calloc(1, sizeof *connection);
    if (!connection)
        return NULL;
    connection->met = OBSOLETE_WANT;
    connection->ssl = new_ssl(context);
    if (!connection->ssl) {
        free(connection);
        return NULL;
    }
    if (server_name)
        SSL_set_tlsext_host_name(connection->ssl, server_name);
    if (session)
        SSL_set_session(connection->ssl, session);
    return connection;
}

void obsolete_free(void *connection)
{
    SSL_free(ssl_of(connection));
    free(connection);
}

/* What a call that returned `result` means; the library wants bytes unless it failed. */
static int outcome(struct connection *connection, int result)
{
    unsigned long code;
    switch (SSL_get_error(connection->ssl, result)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
        return OBSOLETE_WANT;
    case SSL_ERROR_ZERO_RETURN:
        return 0;
    case SSL_ERROR_SYSCALL:
        return ERR_peek_error() ? fail(connection) : OBSOLETE_CUT;
    default:
        code = ERR_peek_error();
        if (ERR_GET_LIB(code) == ERR_LIB_SSL && ERR_GET_REASON(code) == SSL_R_UNEXPECTED_EOF_WHILE_READING) {
            ERR_clear_error();
            return OBSOLETE_CUT;
        }
        return fail(connection);
    }
}

int obsolete_handshake(void *connection)
{
    int result;
    ERR_clear_error();
    result = SSL_do_handshake(ssl_of(connection));
    if (result == 1)
        return 1;
    result = outcome(connection, result);
    /* A peer that says goodbye in the middle of a handshake has cut it. */
    return result ? result : OBSOLETE_CUT;
}

int obsolete_feed(void *connection, const char *data, int size)
{
    return BIO_write(SSL_get_rbio(ssl_of(connection)), data, size);
}

void obsolete_feed_eof(void *connection)
{
    BIO_set_mem_eof_return(SSL_get_rbio(ssl_of(connection)), 0);
}

int obsolete_read(void *connection, char *buffer, int size)
{
    struct connection *self = connection;
    int filled = 0, result = 1;
    if (self->met != OBSOLETE_WANT)
        return self->met;
    ERR_clear_error();
    while (filled < size && (result = SSL_read(self->ssl, buffer + filled, size - filled)) > 0)
        filled += result;
    if (result > 0)
        return filled;
    result = outcome(self, result);
    self->met = result;
    return filled ? filled : result;
}

int obsolete_write(void *connection, const char *data, int size)
{
    int result;
    ERR_clear_error();
    result = SSL_write(ssl_of(connection), data, size);
    if (result > 0)
        return result;
    result = outcome(connection, result);
    return result ? result : OBSOLETE_FAILED;
}

int obsolete_waiting(void *connection)
{
    return (int)BIO_pending(SSL_get_wbio(ssl_of(connection)));
}

int obsolete_take(void *connection, char *buffer, int size)
{
    return BIO_read(SSL_get_wbio(ssl_of(connection)), buffer, size);
}

void obsolete_close(void *connection)
{
    ERR_clear_error();
    SSL_shutdown(ssl_of(connection));
    ERR_clear_error();
}

const char *obsolete_protocol(void *connection)
{
    return SSL_get_version(ssl_of(connection));
}

const char *obsolete_cipher(void *connection)
{
    return SSL_get_cipher_name(ssl_of(connection));
}

int obsolete_resumed(void *connection)
{
    return SSL_session_reused(ssl_of(connection));
}

int obsolete_certificate(void *connection, unsigned char *buffer, int size)
{
    X509 *certificate = SSL_get0_peer_certificate(ssl_of(connection));
    int length = certificate ? i2d_X509(certificate, NULL) : 0;
    if (length > 0 && length <= size)
        i2d_X509(certificate, &buffer);
    return length;
}

void *obsolete_session(void *connection)
{
    SSL_SESSION *session = SSL_get1_session(ssl_of(connection));
    if (session && SSL_SESSION_is_resumable(session))
        return session;
    SSL_SESSION_free(session);
    return NULL;
}

void obsolete_session_free(void *session)
{
    SSL_SESSION_free(session);
}
