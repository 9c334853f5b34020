#include "call.h"

#include <stdio.h>
#include <string.h>

enum { BLOCK = 65536 };

static const struct options *options;
static char block[BLOCK];

void call_setup(const struct options *given) {
    options = given;
    memset(block, 'x', sizeof block);
}

/* A head like those of .NET clients: a key, a request id, a SOAPAction where there is a body. */
static size_t write_head(char *out, size_t room, const char *path) {
    size_t size = (size_t)snprintf(out, room,
                                   "%s %s HTTP/1.1\r\nHost: localhost\r\nUser-Agent: bench/1\r\nAccept: text/xml\r\n"
                                   "X-Api-Key: 7f3c5d1e9a2b4c6d8e0f1a2b3c4d5e6f\r\n"
                                   "Request-Id: |4bf92f3577b34da6.1.\r\n",
                                   options->method, path);
    if (options->body)
        size += (size_t)snprintf(out + size, room - size,
                                 "Content-Type: text/xml; charset=utf-8\r\nSOAPAction: \"urn:GetQuote\"\r\n"
                                 "Content-Length: %llu\r\n%s",
                                 (unsigned long long)options->body,
                                 options->expect ? "Expect: 100-continue\r\n" : "");
    size += (size_t)snprintf(out + size, room - size, "%s\r\n",
                             options->mode == PER_CALL || options->mode == FRESH ? "Connection: close\r\n" : "");
    return size;
}

void call_begin(struct conn *c, double begun) {
    static int number;
    char path[256];
    if (options->paths) {
        snprintf(path, sizeof path, options->path, number % options->paths, number % options->variety);
        number++;
        c->head_size = write_head(c->head, sizeof c->head, path);
    } else if (!c->head_size) {
        c->head_size = write_head(c->head, sizeof c->head, options->path);
    }
    c->begun = begun;
    c->sent = c->received = 0;
    c->to_send = options->body;
    c->in_answer = false;
    c->state = SEND_HEAD;
}

static enum outcome nothing_moved(long n) {
    return n ? FAILED : BLOCKED;
}

static enum outcome shake(struct conn *c) {
    int n = conn_shake(c);
    if (n <= 0) return nothing_moved(n);
    c->state = READY;
    return BECAME_READY;
}

static enum outcome send_head(struct conn *c) {
    long n = conn_move(c, NULL, c->head + c->sent, c->head_size - c->sent);
    if (n <= 0) return nothing_moved(n);
    c->sent += (size_t)n;
    if (c->sent == c->head_size) c->state = !c->to_send ? RECEIVE : options->expect ? AWAIT_100 : SEND_BODY;
    return PROGRESS;
}

static enum outcome send_body(struct conn *c) {
    long n = conn_move(c, NULL, block, c->to_send < BLOCK ? c->to_send : BLOCK);
    if (n <= 0) return nothing_moved(n);
    c->to_send -= (uint64_t)n;
    if (!c->to_send) c->state = RECEIVE;
    return PROGRESS;
}

/* Reads the head of an answer out of what is held: 200, or a 100, of which some proxies send a second one. */
static enum outcome read_head(struct conn *c) {
    size_t size = head_length(c->in, c->held);
    if (!size) return c->held < sizeof c->in ? PROGRESS : FAILED;
    if (memcmp(c->in, "HTTP/1.1 100", 12) == 0) {
        if (c->state == AWAIT_100) c->state = SEND_BODY;
    } else if (memcmp(c->in, "HTTP/1.1 200", 12) == 0 && c->state == RECEIVE) {
        c->in_answer = true;
        body_begin(&c->answer, c->in, size);
    } else {
        fprintf(stderr, "loadgen: not the answer expected: %.*s\n", (int)size, c->in);
        return FAILED;
    }
    c->held -= size;
    memmove(c->in, c->in + size, c->held);
    return PROGRESS;
}

static enum outcome receive(struct conn *c) {
    long n = conn_move(c, c->in + c->held, NULL, sizeof c->in - c->held);
    if (n <= 0) return nothing_moved(n);
    c->held += (size_t)n;
    for (size_t before = 0; !c->in_answer && c->held && before != c->held;) {
        before = c->held;
        if (read_head(c) == FAILED) return FAILED;
    }
    if (!c->in_answer) return PROGRESS;
    long used = body_feed(&c->answer, c->in, c->held);
    if (used < (long)c->held) return FAILED;
    c->received += c->held;
    c->held = 0;
    if (!c->answer.done) return PROGRESS;
    c->state = READY;
    return ANSWERED;
}

/* Nothing is due on a connection that waits for its next request; session tickets are read away here. */
static enum outcome watch(struct conn *c) {
    long n = conn_move(c, c->in, NULL, sizeof c->in);
    if (n == 0) return BLOCKED;
    return n < 0 ? PEER_CLOSED : FAILED;
}

static enum outcome step(struct conn *c) {
    switch (c->state) {
    case HANDSHAKE: return shake(c);
    case READY: return watch(c);
    case SEND_HEAD: return send_head(c);
    case SEND_BODY: return send_body(c);
    case AWAIT_100:
    case RECEIVE: return receive(c);
    default: return BLOCKED;
    }
}

enum outcome call_step(struct conn *c) {
    enum outcome outcome;
    while ((outcome = step(c)) == PROGRESS) continue;
    return outcome;
}
