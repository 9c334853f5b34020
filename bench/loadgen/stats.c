#include "stats.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static double read_clock(clockid_t clock) {
    struct timespec t;
    if (clock_gettime(clock, &t)) return 0;
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

double now(void) {
    return read_clock(CLOCK_MONOTONIC);
}

/* User and system time of all processes named: what utime+stime count in ticks of 10 ms, in nanoseconds. */
static double processes_cpu(const struct options *o) {
    double sum = 0;
    for (int i = 0; i < o->pid_count; i++) {
        clockid_t clock;
        if (clock_getcpuclockid(o->pids[i], &clock) == 0) sum += read_clock(clock);
    }
    return sum;
}

void stats_open(struct stats *s, const struct options *o) {
    s->requests = s->bytes = 0;
    s->cpu = processes_cpu(o);
    s->own_cpu = read_clock(CLOCK_PROCESS_CPUTIME_ID);
    s->started = now();
}

void stats_close(struct stats *s, const struct options *o) {
    s->ended = now();
    s->cpu = processes_cpu(o) - s->cpu;
    s->own_cpu = read_clock(CLOCK_PROCESS_CPUTIME_ID) - s->own_cpu;
}

void stats_add(struct stats *s, double latency, uint64_t bytes) {
    if (!s->started || s->ended) return;
    if (s->requests == s->capacity) {
        s->capacity = s->capacity ? s->capacity * 2 : 65536;
        s->latencies = realloc(s->latencies, s->capacity * sizeof *s->latencies);
        if (!s->latencies) abort();
    }
    s->latencies[s->requests++] = (float)latency;
    s->bytes += bytes;
}

static int by_value(const void *a, const void *b) {
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

static double quantile_us(const struct stats *s, double q) {
    if (!s->requests) return 0;
    uint64_t at = (uint64_t)(q * (double)s->requests);
    return 1e6 * (double)s->latencies[at < s->requests ? at : s->requests - 1];
}

void stats_print(struct stats *s, bool raw) {
    double seconds = s->ended - s->started;
    if (s->requests) qsort(s->latencies, s->requests, sizeof *s->latencies, by_value);
    printf("{\"requests\": %llu, \"errors\": %llu, \"unanswered\": %llu, \"reconnects\": %llu, \"reused\": %llu, \"bytes\": %llu, ",
           (unsigned long long)s->requests, (unsigned long long)s->errors, (unsigned long long)s->unanswered, (unsigned long long)s->reconnects,
           (unsigned long long)s->reused, (unsigned long long)s->bytes);
    printf("\"seconds\": %.6f, \"cpu_seconds\": %.6f, \"own_cpu_seconds\": %.6f, ", seconds, s->cpu, s->own_cpu);
    printf("\"protocol\": \"%s\", \"cipher\": \"%s\", ", s->protocol, s->cipher);
    printf("\"latency_us\": {\"p50\": %.1f, \"p90\": %.1f, \"p99\": %.1f, \"max\": %.1f}", quantile_us(s, 0.5),
           quantile_us(s, 0.9), quantile_us(s, 0.99), quantile_us(s, 1));
    if (raw) {
        printf(", \"samples_us\": [");
        for (uint64_t i = 0; i < s->requests; i++) printf("%s%.1f", i ? ", " : "", 1e6 * (double)s->latencies[i]);
        putchar(']');
    }
    puts("}");
}
