#include "options.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] =
    "loadgen --port N [--mode closed|percall|open|fresh|idle] [--tls 0|12|13] [--server-name NAME] [--method M] [--path P]\n"
    "        [--paths N --variety N] [--body BYTES] [--expect] [--connections N] [--seconds S] [--warmup S] [--limit S]\n"
    "        [--rate PER_SECOND] [--count N] [--raw] [--pid PID]...\n";

static const struct option table[] = {
    {"port", 1, 0, 'p'},   {"mode", 1, 0, 'm'},    {"tls", 1, 0, 't'},     {"server-name", 1, 0, 'n'},
    {"method", 1, 0, 'x'}, {"path", 1, 0, 'u'},    {"paths", 1, 0, 'U'},   {"body", 1, 0, 'b'},
    {"expect", 0, 0, 'e'}, {"raw", 0, 0, 'r'},     {"seconds", 1, 0, 's'}, {"connections", 1, 0, 'c'},
    {"warmup", 1, 0, 'w'}, {"limit", 1, 0, 'l'},   {"rate", 1, 0, 'R'},    {"count", 1, 0, 'C'},
    {"pid", 1, 0, 'P'},    {"variety", 1, 0, 'v'}, {0, 0, 0, 0}};

static void refuse(const char *why) {
    fprintf(stderr, "loadgen: %s\n%s", why, usage);
    exit(2);
}

static enum mode mode_named(const char *name) {
    static const char *names[] = {"closed", "percall", "open", "fresh", "idle"};
    for (int i = 0; i < 5; i++)
        if (strcmp(name, names[i]) == 0) return (enum mode)i;
    refuse("unknown mode");
    return CLOSED_LOOP;
}

static void set(struct options *o, int letter, const char *value) {
    switch (letter) {
    case 'p': o->port = atoi(value); break;
    case 'm': o->mode = mode_named(value); break;
    case 't': o->tls = atoi(value); break;
    case 'n': o->server_name = value; break;
    case 'x': o->method = value; break;
    case 'u': o->path = value; break;
    case 'U': o->paths = atoi(value); break;
    case 'v': o->variety = atoi(value); break;
    case 'b': o->body = strtoull(value, NULL, 10); break;
    case 'e': o->expect = true; break;
    case 'r': o->raw = true; break;
    case 's': o->seconds = atof(value); break;
    case 'c': o->connections = atoi(value); break;
    case 'w': o->warmup = atof(value); break;
    case 'l': o->limit = atof(value); break;
    case 'R': o->rate = atof(value); break;
    case 'C': o->count = strtoull(value, NULL, 10); break;
    case 'P':
        if (o->pid_count == PIDS_MAX) refuse("too many processes");
        o->pids[o->pid_count++] = atoi(value);
        break;
    default: refuse("unknown option");
    }
}

void parse_options(struct options *o, int argc, char **argv) {
    int letter;
    *o = (struct options){.tls = 13, .server_name = "localhost", .method = "GET", .path = "/", .variety = 1, .connections = 1,
                          .seconds = 1, .limit = 120};
    while ((letter = getopt_long(argc, argv, "", table, NULL)) != -1) set(o, letter, optarg);
    if (!o->port || o->connections < 1) refuse("--port and a positive --connections are needed");
    if (o->paths < 0 || o->variety < 1) refuse("--paths and --variety count from 1");
    if ((o->mode == OPEN_LOOP || o->mode == FRESH) && o->rate <= 0) refuse("--mode open and fresh need a --rate");
}
