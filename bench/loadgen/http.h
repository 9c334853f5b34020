/* The little HTTP/1.1 that a load generator and its upstream need; both ends are ours, nothing here faces a network. */
#ifndef BENCH_HTTP_H
#define BENCH_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum framing { NO_BODY, BY_LENGTH, BY_CHUNKS };

struct body {
    enum framing framing;
    int state;     /* of the chunk decoder */
    uint64_t left; /* of the body, or of the chunk */
    bool done;
};

/* Length of the head with its blank line, 0 while it is incomplete. */
size_t head_length(const char *data, size_t size);

/* Value of a header, or NULL. The name is matched without case. */
const char *find_header(const char *head, size_t size, const char *name);

/* Reads the framing from a head. */
void body_begin(struct body *body, const char *head, size_t size);

/* Consumes body bytes; returns how many belonged to the body, -1 for garbage. Sets `done` at its end. */
long body_feed(struct body *body, const char *data, size_t size);

#endif
