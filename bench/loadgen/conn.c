#define _GNU_SOURCE
#include "conn.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

static const struct options *options;
static int poll_fd;
static SSL_CTX *context;

/* Certificates are not checked: the generator's core is the scarce one, and the proxies cannot tell. */
static int accept_any(X509_STORE_CTX *store, void *unused) {
    (void)store, (void)unused;
    return 1;
}

/* One cipher suite for everybody, the first choice of Windows clients; no sessions, so every handshake is a full one. */
static void setup_tls(void) {
    int version = options->tls == 12 ? TLS1_2_VERSION : TLS1_3_VERSION;
    context = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_min_proto_version(context, version);
    SSL_CTX_set_max_proto_version(context, version);
    SSL_CTX_set_ciphersuites(context, "TLS_AES_256_GCM_SHA384");
    SSL_CTX_set_cipher_list(context, "ECDHE-ECDSA-AES256-GCM-SHA384");
    SSL_CTX_set1_groups_list(context, "X25519:P-256");
    SSL_CTX_set_cert_verify_callback(context, accept_any, NULL);
    SSL_CTX_set_read_ahead(context, 1);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
}

void conn_setup(const struct options *given, int poll) {
    options = given;
    poll_fd = poll;
    if (options->tls) setup_tls();
}

void conn_open(struct conn *c) {
    int one = 1;
    struct sockaddr_in from = {.sin_family = AF_INET}, to = {.sin_family = AF_INET};
    from.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1 + (uint32_t)c->number % 200);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    to.sin_port = htons((uint16_t)options->port);
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    setsockopt(c->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (bind(c->fd, (struct sockaddr *)&from, sizeof from)) perror("loadgen: bind");
    if (connect(c->fd, (struct sockaddr *)&to, sizeof to) && errno != EINPROGRESS) perror("loadgen: connect");
    if (options->tls) {
        c->ssl = SSL_new(context);
        SSL_set_fd(c->ssl, c->fd);
        SSL_set_tlsext_host_name(c->ssl, options->server_name);
        SSL_set_connect_state(c->ssl);
    }
    c->state = HANDSHAKE;
    c->held = 0;
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = c};
    epoll_ctl(poll_fd, EPOLL_CTL_ADD, c->fd, &event);
}

void conn_close(struct conn *c) {
    if (c->ssl) {
        SSL_shutdown(c->ssl);
        SSL_free(c->ssl);
        c->ssl = NULL;
    }
    close(c->fd);
    c->state = CLOSED;
}

long conn_move(struct conn *c, char *into, const char *from, size_t size) {
    if (!c->ssl) {
        ssize_t n = into ? read(c->fd, into, size) : send(c->fd, from, size, MSG_NOSIGNAL);
        return n > 0 ? n : n < 0 && (errno == EAGAIN || errno == ENOTCONN) ? 0 : -1;
    }
    ERR_clear_error();
    int n = into ? SSL_read(c->ssl, into, (int)size) : SSL_write(c->ssl, from, (int)size);
    if (n > 0) return n;
    int error = SSL_get_error(c->ssl, n);
    return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE ? 0 : -1;
}

int conn_shake(struct conn *c) {
    if (!c->ssl) {
        struct sockaddr_in peer;
        socklen_t size = sizeof peer;
        return getpeername(c->fd, (struct sockaddr *)&peer, &size) == 0;
    }
    ERR_clear_error();
    int n = SSL_do_handshake(c->ssl);
    if (n == 1) return 1;
    int error = SSL_get_error(c->ssl, n);
    return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE ? 0 : -1;
}
