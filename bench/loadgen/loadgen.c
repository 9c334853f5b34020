/* Load on one TLS server, from one core, with one line of JSON as the result. `--help` lists the options. */
#define _GNU_SOURCE
#include "call.h"
#include "stats.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

enum { ERRORS_MAX = 200, IDLE_OPENING = 8, GRACE = 5 };

static struct options options;
static struct stats stats;
static struct conn *conns, **ready; /* ready: a ring of connections that wait for a request, in open loop */
static uint64_t ready_in, ready_out, issued, answered;
static int poll_fd, opened, closed_by_peer;
static double schedule; /* when request 0 was due, in open loop; 0 until every connection is open */

static bool at_a_rate(void) {
    return options.mode == OPEN_LOOP || options.mode == FRESH;
}

static void finish(int code) {
    if (!stats.ended) stats_close(&stats, &options);
    stats_print(&stats, options.raw);
    fflush(stdout);
    _exit(code);
}

static void note_protocol(struct conn *c) {
    if (!c->ssl) return;
    if (SSL_session_reused(c->ssl)) stats.reused++;
    if (stats.protocol[0]) return;
    snprintf(stats.protocol, sizeof stats.protocol, "%s", SSL_get_version(c->ssl));
    snprintf(stats.cipher, sizeof stats.cipher, "%s", SSL_get_cipher_name(c->ssl));
}

static void reopen(struct conn *c) {
    conn_close(c);
    conn_open(c);
    c->begun = now();
}

static void make_ready(struct conn *c) {
    ready[ready_in++ % (uint64_t)options.connections] = c;
}

/* The next thing for a connection to do once it is open or has been answered. */
static void next_call(struct conn *c, bool fresh) {
    switch (options.mode) {
    case OPEN_LOOP: make_ready(c); break;
    case FRESH:
        if (fresh) return call_begin(c, c->begun);
        conn_close(c);
        make_ready(c);
        break;
    case CLOSED_LOOP: call_begin(c, now()); break;
    case PER_CALL:
        if (fresh) call_begin(c, c->begun);
        else reopen(c);
        break;
    case IDLE:
        if (fresh) call_begin(c, now());
        else if (opened < options.connections) conn_open(&conns[opened++]);
    }
}

static void on_answer(struct conn *c) {
    double latency = now() - c->begun;
    answered++;
    if (!at_a_rate() || (stats.started && c->begun >= stats.started)) stats_add(&stats, latency, c->received);
    if (options.count && answered >= options.count && options.mode != IDLE) finish(0);
    if (options.mode == IDLE && answered == (uint64_t)options.connections) {
        puts("ready");
        fflush(stdout);
    }
    next_call(c, false);
}

static void on_failure(struct conn *c, bool idle) {
    if (options.mode == IDLE) {
        closed_by_peer++;
        stats.errors++;
        conn_close(c);
        return;
    }
    if (idle) stats.reconnects++;
    else if (++stats.errors > ERRORS_MAX) finish(1);
    if (options.mode == FRESH) return next_call(c, false);
    if (options.mode == OPEN_LOOP && idle) return conn_close(c); /* still in the ring: reopened when its turn comes */
    reopen(c);
}

static void drive(struct conn *c) {
    for (;;) {
        switch (call_step(c)) {
        case BECAME_READY:
            note_protocol(c);
            next_call(c, true);
            break;
        case ANSWERED: on_answer(c); break;
        case PEER_CLOSED: return on_failure(c, true);
        case FAILED: return on_failure(c, false);
        default: return;
        }
    }
}

/* Starts every request that is due; its latency counts from when it was due, however late it starts. */
static void issue_due(void) {
    double end = stats.started + options.seconds;
    while (schedule && ready_out < ready_in) {
        double due = schedule + (double)issued / options.rate;
        if (due > now() || (stats.started && due > end)) return;
        struct conn *c = ready[ready_out % (uint64_t)options.connections];
        ready_out++;
        if (c->state == CLOSED) conn_open(c);
        if (options.mode == OPEN_LOOP && c->state == HANDSHAKE) continue;
        issued++;
        if (options.mode == FRESH) {
            c->begun = due;
            continue;
        }
        call_begin(c, due);
        drive(c);
    }
}

static double until_next(double begin) {
    if (options.mode == IDLE) return 0.1;
    double t = now(), end = stats.started ? stats.started + options.seconds : begin + options.warmup;
    double at = end > t ? end : t + 0.001;
    if (at_a_rate() && schedule && ready_out < ready_in) {
        double due = schedule + (double)issued / options.rate;
        if (due < at && (!stats.started || due <= end)) at = due;
    }
    double wait = at - t;
    return wait < 0 ? 0 : wait > 0.1 ? 0.1 : wait;
}

/* Opens and closes the measured window, and ends the run. */
static void keep_time(double begin) {
    double t = now();
    if (at_a_rate() && !schedule && ready_in >= (uint64_t)options.connections) schedule = t;
    bool begun = !at_a_rate() || schedule;
    if (!stats.started && begun && t >= (schedule ? schedule : begin) + options.warmup) stats_open(&stats, &options);
    if (t > begin + options.limit) finish(3);
    if (!stats.started || t < stats.started + options.seconds || options.mode == IDLE) return;
    uint64_t over = answered + stats.errors;
    stats.unanswered = at_a_rate() && issued > over ? issued - over : 0;
    if (!stats.unanswered || t > stats.started + options.seconds + GRACE) finish(0); /* a late answer counts as well */
}

static void setup(void) {
    struct epoll_event input = {.events = EPOLLIN, .data.ptr = NULL};
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    signal(SIGPIPE, SIG_IGN);
    prctl(PR_SET_TIMERSLACK, 1000UL);
    poll_fd = epoll_create1(0);
    if (options.mode == IDLE) epoll_ctl(poll_fd, EPOLL_CTL_ADD, 0, &input);
    conn_setup(&options, poll_fd);
    call_setup(&options);
    conns = calloc((size_t)options.connections, sizeof *conns);
    ready = calloc((size_t)options.connections, sizeof *ready);
    for (int i = 0; i < options.connections; i++) conns[i].number = i;
    if (options.mode == FRESH)
        for (; opened < options.connections; opened++) make_ready(&conns[opened]);
    int first = options.mode == IDLE && options.connections > IDLE_OPENING ? IDLE_OPENING : options.connections;
    while (opened < first) {
        conns[opened].begun = now();
        conn_open(&conns[opened++]);
    }
}

int main(int argc, char **argv) {
    struct epoll_event events[256];
    parse_options(&options, argc, argv);
    double begin = now();
    if (options.warmup == 0 && !at_a_rate()) stats_open(&stats, &options);
    setup();
    for (;;) {
        double wait = until_next(begin);
        struct timespec timeout = {(time_t)wait, (long)((wait - (double)(time_t)wait) * 1e9)};
        int n = epoll_pwait2(poll_fd, events, 256, &timeout, NULL);
        for (int i = 0; i < n; i++) {
            if (!events[i].data.ptr) finish(closed_by_peer ? 1 : 0);
            drive(events[i].data.ptr);
        }
        keep_time(begin);
        issue_due();
    }
}
