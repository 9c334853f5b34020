/* One call on a connection: the request, the interim answer, the body, the answer. */
#ifndef BENCH_CALL_H
#define BENCH_CALL_H

#include "conn.h"

enum outcome { BLOCKED, PROGRESS, BECAME_READY, ANSWERED, PEER_CLOSED, FAILED };

/* Must be called once. */
void call_setup(const struct options *options);

/* Starts a request on a READY connection; `call_step` sends it. */
void call_begin(struct conn *conn, double begun);

/* Goes on until the socket blocks or something worth telling happened; never returns PROGRESS. */
enum outcome call_step(struct conn *conn);

#endif
