/* A server of the past: SSLv3 to TLS 1.2 with any suite, HTTP/1.1, one thread for each connection.
 *
 *   legacy-server PORT CIPHERS CHAIN KEY
 *
 * `GET .../bytes/N` answers N bytes, every other request 1,024; bodies of requests are read and thrown away.
 */
#define _GNU_SOURCE
#include "../../loadgen/http.h"
#include "legacy.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { RECORD = 16384, SMALL = 1024, STACK = 256 * 1024 };

static SSL_CTX *context;
static const char block[RECORD];

struct reader {
    SSL *ssl;
    size_t held; /* bytes of `in` not yet used */
    char in[RECORD];
};

/* More bytes; false at the end of the connection. */
static bool fill(struct reader *r) {
    int n = SSL_read(r->ssl, r->in + r->held, (int)(sizeof r->in - r->held));
    if (n > 0) r->held += (size_t)n;
    return n > 0;
}

static void use(struct reader *r, size_t size) {
    r->held -= size;
    memmove(r->in, r->in + size, r->held);
}

static bool send_all(SSL *ssl, const char *data, uint64_t size, bool repeat) {
    while (size) {
        int n = SSL_write(ssl, data, size < RECORD ? (int)size : RECORD);
        if (n <= 0) return false;
        size -= (uint64_t)n;
        if (!repeat) data += n;
    }
    return true;
}

static bool drop_body(struct reader *r, struct body *body) {
    while (!body->done) {
        if (!r->held && !fill(r)) return false;
        long used = body_feed(body, r->in, r->held);
        if (used < 0) return false;
        use(r, (size_t)used);
    }
    return true;
}

/* One request and its answer; false when the connection is over. */
static bool serve_one(struct reader *r) {
    struct body body;
    char head[256];
    size_t size;
    while (!(size = head_length(r->in, r->held)))
        if (r->held == sizeof r->in || !fill(r)) return false;
    const char *path = memmem(r->in, (size_t)((char *)memchr(r->in, '\n', size) - r->in), "/bytes/", 7);
    uint64_t length = path ? strtoull(path + 7, NULL, 10) : SMALL;
    const char *connection = find_header(r->in, size, "connection");
    bool last = connection && strncasecmp(connection, "close", 5) == 0;
    bool expects = find_header(r->in, size, "expect") != NULL;
    body_begin(&body, r->in, size);
    body.done |= body.framing == NO_BODY;
    use(r, size);
    if (expects && !send_all(r->ssl, "HTTP/1.1 100 Continue\r\n\r\n", 25, false)) return false;
    if (!drop_body(r, &body)) return false;
    int n = snprintf(head, sizeof head,
                     "HTTP/1.1 200 OK\r\nServer: legacy\r\nContent-Type: text/xml\r\nContent-Length: %llu\r\n%s\r\n",
                     (unsigned long long)length, last ? "Connection: close\r\n" : "");
    if (length > RECORD - sizeof head)
        return send_all(r->ssl, head, (uint64_t)n, false) && send_all(r->ssl, block, length, true) && !last;
    char whole[RECORD] = {0};
    memcpy(whole, head, (size_t)n);
    return send_all(r->ssl, whole, (uint64_t)n + length, false) && !last;
}

static void *serve(void *fd) {
    struct reader reader = {.ssl = SSL_new(context)};
    SSL_set_fd(reader.ssl, (int)(intptr_t)fd);
    if (SSL_accept(reader.ssl) == 1) {
        while (serve_one(&reader)) continue;
        SSL_shutdown(reader.ssl);
    }
    SSL_free(reader.ssl);
    close((int)(intptr_t)fd);
    return NULL;
}

static int listen_on(int port) {
    int one = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(fd, (struct sockaddr *)&address, sizeof address) || listen(fd, 4096)) die("listen");
    return fd;
}

int main(int argc, char **argv) {
    int one = 1, fd;
    pthread_attr_t attributes;
    if (argc != 5) return fputs("usage: legacy-server PORT CIPHERS CHAIN KEY\n", stderr), 2;
    signal(SIGPIPE, SIG_IGN);
    context = legacy_context(TLS_server_method(), "any", argv[2]);
    SSL_CTX_set_dh_auto(context, 1);
    if (SSL_CTX_use_certificate_chain_file(context, argv[3]) != 1) die("chain");
    if (SSL_CTX_use_PrivateKey_file(context, argv[4], SSL_FILETYPE_PEM) != 1) die("key");
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    for (int listener = listen_on(atoi(argv[1]));;) {
        pthread_t thread;
        if ((fd = accept(listener, NULL, NULL)) < 0) continue;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        if (pthread_create(&thread, &attributes, serve, (void *)(intptr_t)fd)) close(fd);
    }
}
