/* What the load generator is asked to do. */
#ifndef BENCH_OPTIONS_H
#define BENCH_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

enum mode {
    CLOSED_LOOP, /* every connection sends its next request when the last one is answered */
    PER_CALL,    /* the same, with a new connection and a full handshake for every request */
    OPEN_LOOP,   /* requests start at a constant rate, whatever the answers do */
    FRESH,       /* the same, each on a connection of its own */
    IDLE         /* one request on each connection, then silence until standard input ends */
};

enum { PIDS_MAX = 64 };

struct options {
    enum mode mode;
    int port, tls; /* tls: 0, 12 or 13 */
    const char *server_name, *method, *path;
    int paths;     /* `path` holds %d twice, which run over this many numbers and over `variety`; 0: no numbers */
    int variety;
    uint64_t body; /* bytes of each request's body */
    bool expect, raw;
    int connections;
    double seconds, warmup, limit, rate;
    uint64_t count; /* stop after this many answers; 0: no bound but time */
    int pids[PIDS_MAX], pid_count;
};

void parse_options(struct options *options, int argc, char **argv);

#endif
