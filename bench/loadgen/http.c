#define _GNU_SOURCE
#include "http.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { CHUNK_SIZE, CHUNK_EXTENSION, CHUNK_DATA, CHUNK_END, TRAILER_START, TRAILER_LINE };

size_t head_length(const char *data, size_t size) {
    const char *end = memmem(data, size, "\r\n\r\n", 4);
    return end ? (size_t)(end - data) + 4 : 0;
}

const char *find_header(const char *head, size_t size, const char *name) {
    size_t length = strlen(name);
    const char *end = head + size;
    for (const char *line = memchr(head, '\n', size); line && line + 1 + length < end;) {
        line++;
        if (strncasecmp(line, name, length) == 0 && line[length] == ':') {
            const char *value = line + length + 1;
            while (value < end && *value == ' ') value++;
            return value;
        }
        line = memchr(line, '\n', (size_t)(end - line));
    }
    return NULL;
}

void body_begin(struct body *body, const char *head, size_t size) {
    const char *value;
    memset(body, 0, sizeof *body);
    if ((value = find_header(head, size, "transfer-encoding")) && strncasecmp(value, "chunked", 7) == 0) {
        body->framing = BY_CHUNKS;
    } else if ((value = find_header(head, size, "content-length"))) {
        body->framing = BY_LENGTH;
        body->left = strtoull(value, NULL, 10);
        body->done = body->left == 0;
    } else {
        body->done = true;
    }
}

static int hex(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if ((c | 32) >= 'a' && (c | 32) <= 'f') return (c | 32) - 'a' + 10;
    return -1;
}

/* One byte of chunk framing; false for garbage. */
static bool chunk_byte(struct body *body, char c) {
    switch (body->state) {
    case CHUNK_SIZE:
        if (hex(c) >= 0) {
            body->left = body->left * 16 + (uint64_t)hex(c);
            return true;
        }
        body->state = CHUNK_EXTENSION; /* fall through */
    case CHUNK_EXTENSION:
        if (c == '\n') body->state = body->left ? CHUNK_DATA : TRAILER_START;
        return true;
    case CHUNK_END:
        if (c == '\n') body->state = CHUNK_SIZE;
        return c == '\n' || c == '\r';
    case TRAILER_START:
        if (c == '\n') body->done = true;
        else if (c != '\r') body->state = TRAILER_LINE;
        return true;
    default:
        if (c == '\n') body->state = TRAILER_START;
        return true;
    }
}

static size_t take(struct body *body, size_t size) {
    size_t taken = body->left < size ? (size_t)body->left : size;
    body->left -= taken;
    return taken;
}

long body_feed(struct body *body, const char *data, size_t size) {
    size_t at = 0;
    if (body->framing == BY_LENGTH) {
        at = take(body, size);
        body->done = body->left == 0;
        return (long)at;
    }
    while (at < size && !body->done) {
        if (body->state == CHUNK_DATA) {
            at += take(body, size - at);
            if (body->left == 0) body->state = CHUNK_END;
        } else if (!chunk_byte(body, data[at++])) {
            return -1;
        }
    }
    return (long)at;
}
