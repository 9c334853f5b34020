/* One connection: socket, TLS, and the state of the call on it. Non-blocking; knows nothing of windows or rates. */
#ifndef BENCH_CONN_H
#define BENCH_CONN_H

#include "http.h"
#include "options.h"

#include <openssl/ssl.h>

enum state { CLOSED, HANDSHAKE, READY, SEND_HEAD, AWAIT_100, SEND_BODY, RECEIVE };

struct conn {
    int fd, number;
    enum state state;
    SSL *ssl;
    double begun;           /* what the latency of this call counts from */
    size_t head_size, sent; /* of the request's head */
    uint64_t to_send, received;
    bool in_answer;
    struct body answer;
    size_t held;            /* bytes of `in` not yet understood */
    char head[1024], in[16384];
};

/* Must be called once. */
void conn_setup(const struct options *options, int poll);

/* Opens a new socket, from an address of its own so that ports in TIME_WAIT never run out. */
void conn_open(struct conn *conn);
void conn_close(struct conn *conn);

/* 1 when the connection can carry a request, 0 while it cannot, -1 when it never will. */
int conn_shake(struct conn *conn);

/* Reads into `into` or writes `from`: bytes moved, 0 when the socket blocks, -1 at the end of the connection. */
long conn_move(struct conn *conn, char *into, const char *from, size_t size);

#endif
