/* What the modes of the load generator share. */

#ifndef LOAD_H
#define LOAD_H

#define _GNU_SOURCE
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { EVENTS = 512, INPUT_SIZE = 65536 };

/* Waiting is over when nothing has been answered for this long, in seconds. */
#define SILENCE 0.3

struct options {
    int port;           /* of the server, on 127.0.0.1 */
    int connections;    /* clients opened (udp: sockets) */
    int active;         /* pingpong: how many of them talk */
    int others;         /* relay: peers in other rooms, who say nothing */
    int size;           /* bytes in a message */
    int inflight;       /* broadcast, chat, relay, udp: messages on the way */
    int per_source;     /* clients that share one source address */
    long long bytes;    /* bulk, transfer: bytes to move through a connection */
    bool spin;          /* broadcast, chat, relay: look for answers without ever sleeping */
    double warmup;      /* seconds before the measurement */
    double seconds;     /* of the measurement */
};

struct totals {
    long long units;  /* pieces of work done */
    long long errors; /* pieces of work that went wrong */
    long long resent; /* udp: sent again after a time-out */
    int served;       /* clients that got at least one answer */
    double heard;     /* when the last answer came */
    double median;    /* chat-slow: milliseconds from when a message was due until */
    double p99;       /*   somebody had it */
    double worst;
    int cut;          /* chat-slow: whether the slow reader was cut */
};

/* One kind of load. `run` starts work for the given time, then waits for all answers
   that are still on their way, so that between two runs the server is at rest. */
struct mode {
    const char *name;
    void (*setup)(void);
    void (*run)(double seconds, bool warm);
};

extern const struct mode pingpong, broadcast, bulk, udp, churn, idle, transfer, chat,
    chat_idle, chat_join, chat_slow, relay;
extern struct options options;
extern struct totals totals;
extern char input[INPUT_SIZE];

/* Seconds of the monotonic clock. */
double now(void);

/* End the process with one line on stderr. */
void die(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

/* malloc that does not fail. The memory is zero. */
void *room(size_t count, size_t size);

/* A socket bound to the source address of client number `index`, not yet connected. */
int client_socket(int type, int index);

/* Connect it: 0, or -1 with errno (EINPROGRESS for a non-blocking one). */
int connect_server(int fd);

/* A connected TCP client, non-blocking and without delay. */
int tcp_client(int index);

void set_nonblocking(int fd);

/* Put it into an epoll set under a number. */
void watch(int epoll, int fd, unsigned interest, unsigned number);

/* Fill a message that differs from client to client and from round to round. */
void fill(char *message, int size, unsigned client, unsigned round);

#endif
