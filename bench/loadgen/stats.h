/* Clocks, the measured window, and the result as one line of JSON. */
#ifndef BENCH_STATS_H
#define BENCH_STATS_H

#include "options.h"

struct stats {
    double started, ended; /* of the window; 0 while it is not reached */
    double cpu, own_cpu;   /* seconds burnt in it: by the processes named, by the generator */
    uint64_t requests, errors, unanswered, reconnects, reused, bytes, capacity;
    float *latencies; /* seconds */
    char protocol[16], cipher[64];
};

/* Seconds on the monotonic clock. */
double now(void);

void stats_open(struct stats *stats, const struct options *options);
void stats_close(struct stats *stats, const struct options *options);

/* Counts one good answer when the window is open. */
void stats_add(struct stats *stats, double latency, uint64_t bytes);

void stats_print(struct stats *stats, bool raw);

#endif
