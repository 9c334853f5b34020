/* TLS from SSLv3 on, without a socket: what broker/tls/private/library.py calls. One connection belongs to one thread
 * at a time. obsolete_reason() says why one failed, and gives the X509_V_ERR number of its certificate. */
#ifndef OBSOLETE_TLS_H
#define OBSOLETE_TLS_H

#include <stddef.h>

#define EXPORTED __attribute__((visibility("default")))

enum obsolete_result { OBSOLETE_WANT = -1, OBSOLETE_FAILED = -2, OBSOLETE_CUT = -3 };

enum obsolete_flag {
    OBSOLETE_ANY_STRENGTH = 1,         /* keys, digests and groups of any size */
    OBSOLETE_LEGACY_RENEGOTIATION = 2, /* peers without RFC 5746, and renegotiation with them */
    OBSOLETE_PLAIN_HELLO = 4,          /* no ticket, no RFC 7627, no RFC 7366 */
    OBSOLETE_VERIFY_CHAIN = 8,
    OBSOLETE_PINNED = 16               /* the chain is judged without expiry and key usage */
};

struct obsolete_settings {
    int min_version, max_version, security_level, flags;
    const char *ciphers;
    const char *ca_file, *ca_path;        /* both NULL: no roots */
    const char *chain_file, *key_file;    /* NULL: no client certificate */
    const unsigned char *alpn;            /* the wire form of RFC 7301 */
    unsigned alpn_length;
};

EXPORTED const char *obsolete_version(void);

EXPORTED void *obsolete_context(const struct obsolete_settings *settings, char *reason, size_t size);
EXPORTED void obsolete_context_free(void *context);

EXPORTED void *obsolete_new(void *context, const char *server_name, void *session);
EXPORTED void obsolete_free(void *connection);
EXPORTED int obsolete_handshake(void *connection);
EXPORTED int obsolete_feed(void *connection, const char *data, int size);
EXPORTED void obsolete_feed_eof(void *connection);
EXPORTED int obsolete_read(void *connection, char *buffer, int size);
EXPORTED int obsolete_write(void *connection, const char *data, int size);
EXPORTED int obsolete_waiting(void *connection);
EXPORTED int obsolete_take(void *connection, char *buffer, int size);
EXPORTED void obsolete_close(void *connection);

EXPORTED long obsolete_reason(void *connection, char *reason, size_t size);
EXPORTED const char *obsolete_protocol(void *connection);
EXPORTED const char *obsolete_cipher(void *connection);
EXPORTED int obsolete_resumed(void *connection);
EXPORTED int obsolete_certificate(void *connection, unsigned char *buffer, int size);
EXPORTED void *obsolete_session(void *connection);
EXPORTED void obsolete_session_free(void *session);

#endif
