/* The service behind every proxy: a minimal epoll HTTP/1.1 server, so that core 1 is left to the load generator.
 *
 *   upstream PORT
 *
 * `GET …/bytes/N` answers N zero bytes, every other request 1,024 bytes. Request bodies are read and thrown away;
 * `Expect: 100-continue` gets its 100.
 */
#define _GNU_SOURCE
#include "http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { HEAD_MAX = 65536, BLOCK = 262144, SMALL = 1024 };

struct client {
    int fd;
    bool in_body;
    struct body body;
    uint64_t answer;      /* body bytes that the answer to the current request has */
    uint64_t to_send;     /* body bytes of an answer still to go out */
    size_t pending, sent; /* of `out` */
    size_t held;          /* bytes of `in` not yet understood */
    char out[512], in[HEAD_MAX];
};

static char zeros[BLOCK], scratch[BLOCK];

/* Sends what is waiting; 1 when all is out, 0 when the socket is full, -1 when the peer is gone. */
static int flush(struct client *c) {
    while (c->sent < c->pending || c->to_send) {
        struct iovec parts[2] = {{c->out + c->sent, c->pending - c->sent},
                                 {zeros, c->to_send < BLOCK ? c->to_send : BLOCK}};
        struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
        ssize_t n = sendmsg(c->fd, &message, MSG_NOSIGNAL);
        if (n < 0) return errno == EAGAIN ? 0 : -1;
        size_t of_head = (size_t)n < parts[0].iov_len ? (size_t)n : parts[0].iov_len;
        c->sent += of_head;
        c->to_send -= (size_t)n - of_head;
    }
    c->pending = c->sent = 0;
    return 1;
}

static void queue(struct client *c, const char *text, size_t size) {
    memcpy(c->out + c->pending, text, size);
    c->pending += size;
}

static void answer(struct client *c) {
    char head[256];
    int size = snprintf(head, sizeof head,
                        "HTTP/1.1 200 OK\r\nServer: bench\r\nContent-Type: text/xml; charset=utf-8\r\n"
                        "Cache-Control: private\r\nContent-Length: %llu\r\n\r\n",
                        (unsigned long long)c->answer);
    queue(c, head, (size_t)size);
    c->to_send = c->answer;
    c->in_body = false;
}

static void begin(struct client *c, size_t head) {
    static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
    const char *path = memmem(c->in, (size_t)((char *)memchr(c->in, '\n', head) - c->in), "/bytes/", 7);
    c->answer = path ? strtoull(path + 7, NULL, 10) : SMALL;
    body_begin(&c->body, c->in, head);
    c->in_body = !c->body.done;
    if (!c->in_body) answer(c);
    else if (c->held == head && find_header(c->in, head, "expect")) queue(c, go_on, sizeof go_on - 1);
}

/* Reads large bodies past the buffer of heads. */
static bool drain(struct client *c, const char *data, size_t size) {
    long used = body_feed(&c->body, data, size);
    if (used < 0 || (size_t)used < size) return false; /* a pipelined request behind a large body: not ours */
    if (c->body.done) answer(c);
    return true;
}

/* Understands what is held; false for garbage. */
static bool understand(struct client *c) {
    while (c->held && !c->pending) {
        size_t used;
        if (c->in_body) {
            long fed = body_feed(&c->body, c->in, c->held);
            if (fed < 0) return false;
            used = (size_t)fed;
            if (c->body.done) answer(c);
        } else {
            if (!(used = head_length(c->in, c->held))) return c->held < HEAD_MAX;
            begin(c, used);
        }
        c->held -= used;
        memmove(c->in, c->in + used, c->held);
    }
    return true;
}

/* Reads, answers, writes until the socket would block; false when the connection is over. */
static bool drive(struct client *c) {
    for (;;) {
        int out = flush(c);
        if (out <= 0) return out == 0;
        if (c->held && !understand(c)) return false;
        if (c->pending) continue;
        bool direct = c->in_body && !c->held;
        ssize_t n = direct ? read(c->fd, scratch, BLOCK) : read(c->fd, c->in + c->held, HEAD_MAX - c->held);
        if (n <= 0) return n < 0 && errno == EAGAIN;
        if (direct && !drain(c, scratch, (size_t)n)) return false;
        if (!direct) c->held += (size_t)n;
    }
}

static int listen_on(int port) {
    int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(fd, (struct sockaddr *)&address, sizeof address) || listen(fd, 4096)) {
        perror("upstream");
        exit(2);
    }
    return fd;
}

static void accept_all(int listener, int poll) {
    int one = 1, fd;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        struct client *c = calloc(1, sizeof *c);
        c->fd = fd;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = c};
        epoll_ctl(poll, EPOLL_CTL_ADD, fd, &event);
    }
}

int main(int argc, char **argv) {
    struct epoll_event events[256];
    if (argc != 2) return fputs("usage: upstream PORT\n", stderr), 2;
    signal(SIGPIPE, SIG_IGN);
    int listener = listen_on(atoi(argv[1])), poll = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    epoll_ctl(poll, EPOLL_CTL_ADD, listener, &event);
    for (;;) {
        int n = epoll_wait(poll, events, 256, -1);
        for (int i = 0; i < n; i++) {
            struct client *c = events[i].data.ptr;
            if (!c) {
                accept_all(listener, poll);
            } else if (!drive(c)) {
                close(c->fd);
                free(c);
            }
        }
    }
}
