/* The client that a broker replaces: it calls the legacy server directly, with a connection for each call.
 *
 *   legacy-client PORT VERSION CIPHERS THREADS SECONDS HOW      HOW: full (handshakes), resumed, kept (one connection)
 *
 * Prints one line of JSON. Certificates are not checked, which makes this client a cheap one.
 */
#define _GNU_SOURCE
#include "../../loadgen/http.h"
#include "legacy.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { FULL, RESUMED, KEPT };

static SSL_CTX *context;
static int port, how;
static atomic_bool over;
static atomic_ullong calls, errors, resumed;

static double seconds(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static SSL *open_one(SSL_SESSION *session) {
    int one = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (connect(fd, (struct sockaddr *)&to, sizeof to)) return close(fd), NULL;
    SSL *ssl = SSL_new(context);
    SSL_set_fd(ssl, fd);
    if (session) SSL_set_session(ssl, session);
    if (SSL_connect(ssl) == 1) return ssl;
    SSL_free(ssl);
    close(fd);
    return NULL;
}

static void close_one(SSL *ssl) {
    int fd = SSL_get_fd(ssl);
    SSL_shutdown(ssl);
    SSL_free(ssl);
    close(fd);
}

/* A request and its whole answer. */
static bool call(SSL *ssl) {
    char buffer[16384];
    struct body body = {.done = false};
    size_t held = 0, size = 0;
    int n = snprintf(buffer, sizeof buffer, "GET / HTTP/1.1\r\nHost: localhost\r\nUser-Agent: bench/1\r\n%s\r\n",
                     how == KEPT ? "" : "Connection: close\r\n");
    if (SSL_write(ssl, buffer, n) <= 0) return false;
    while (!size) {
        if ((n = SSL_read(ssl, buffer + held, (int)(sizeof buffer - held))) <= 0) return false;
        size = head_length(buffer, held += (size_t)n);
    }
    bool good = memcmp(buffer, "HTTP/1.1 200", 12) == 0;
    body_begin(&body, buffer, size);
    body_feed(&body, buffer + size, held - size);
    while (!body.done) {
        if ((n = SSL_read(ssl, buffer, sizeof buffer)) <= 0) return false;
        body_feed(&body, buffer, (size_t)n);
    }
    return good;
}

static SSL_SESSION *keep(SSL *ssl, SSL_SESSION *old) {
    if (how != RESUMED) return NULL;
    SSL_SESSION_free(old);
    return SSL_get1_session(ssl);
}

static void *work(void *unused) {
    SSL *ssl = NULL;
    SSL_SESSION *session = NULL;
    while (!over) {
        if (!ssl && !(ssl = open_one(session))) {
            errors++;
            continue;
        }
        bool good = call(ssl);
        *(good ? &calls : &errors) += 1;
        resumed += (unsigned long long)SSL_session_reused(ssl);
        if (good && how == KEPT) continue;
        session = keep(ssl, session);
        close_one(ssl);
        ssl = NULL;
    }
    return unused;
}

int main(int argc, char **argv) {
    if (argc != 7) return fputs("usage: legacy-client PORT VERSION CIPHERS THREADS SECONDS HOW\n", stderr), 2;
    port = atoi(argv[1]);
    how = strcmp(argv[6], "resumed") == 0 ? RESUMED : strcmp(argv[6], "kept") == 0 ? KEPT : FULL;
    context = legacy_context(TLS_client_method(), argv[2], argv[3]);
    SSL_CTX_set_options(context, SSL_OP_LEGACY_SERVER_CONNECT);
    int threads = atoi(argv[4]);
    pthread_t *started = calloc((size_t)threads, sizeof *started);
    double begun = seconds(CLOCK_MONOTONIC), cpu = seconds(CLOCK_PROCESS_CPUTIME_ID);
    for (int i = 0; i < threads; i++)
        if (pthread_create(&started[i], NULL, work, NULL)) die("thread");
    usleep((useconds_t)(atof(argv[5]) * 1e6));
    over = true;
    for (int i = 0; i < threads; i++) pthread_join(started[i], NULL);
    printf("{\"requests\": %llu, \"errors\": %llu, \"resumed\": %llu, \"seconds\": %.6f, \"cpu_seconds\": %.6f}\n",
           (unsigned long long)calls, (unsigned long long)errors, (unsigned long long)resumed,
           seconds(CLOCK_MONOTONIC) - begun, seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu);
}
