/*
 * The C peer of the benchmarks: one thread, one level-triggered epoll set.
 *
 *   echo tcp PORT [ADDRESS...]      everything a client sends goes back to it
 *   echo udp PORT [ADDRESS...]      every datagram goes back to its source
 *   echo relay PORT [ADDRESS...]    every datagram goes to all other sources; those
 *                                   that begin with a slash only make theirs known
 *   echo fanout PORT [ADDRESS...]   everything a client sends goes to all clients
 *
 * It listens on 127.0.0.1, or on the addresses that are given. Written to be read and
 * to be fast, without tricks: what cannot be sent at once is kept, and such a client is
 * not read until it is gone.
 */

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BACKLOG = 4096, EVENTS = 512, READ_SIZE = 65536, UDP_BATCH = 256, PEERS = 64 };

/* A fan-out client that reads this much too slowly is dropped. */
enum { PENDING_LIMIT = 16 * 1024 * 1024 };

struct client {
    int fd;
    int listening;     /* no client, but what clients connect to */
    int place;         /* its index in `members` */
    char *pending;     /* bytes that the socket did not take; NULL if none */
    size_t start, end; /* the part of `pending` still to be sent */
};

static int epoll;
static char input[READ_SIZE];
static struct client **members;
static int member_count, member_room;

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static int listening_socket(int type, const char *host, int port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = inet_addr(host);
    int fd = socket(AF_INET, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), yes = 1;
    if (fd < 0)
        fail("socket");
    if (type == SOCK_STREAM)
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (bind(fd, (struct sockaddr *)&address, sizeof address) < 0)
        fail("bind");
    if (type == SOCK_STREAM && listen(fd, BACKLOG) < 0)
        fail("listen");
    return fd;
}

static void watch(int operation, struct client *client, int fd, unsigned interest) {
    struct epoll_event event = {.events = interest, .data.ptr = client};
    if (epoll_ctl(epoll, operation, fd, &event) < 0)
        fail("epoll_ctl");
}

static void accept_clients(int listener) {
    for (;;) {
        int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC), yes = 1;
        if (fd < 0) {
            if (errno == EAGAIN)
                return;
            if (errno == ECONNABORTED || errno == EINTR)
                continue;
            fail("accept");
        }
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
        struct client *client = calloc(1, sizeof *client);
        if (member_count == member_room) {
            member_room = member_room ? 2 * member_room : 64;
            members = realloc(members, member_room * sizeof *members);
        }
        if (!client || !members)
            fail("memory");
        client->fd = fd;
        client->place = member_count;
        members[member_count++] = client;
        watch(EPOLL_CTL_ADD, client, fd, EPOLLIN);
    }
}

static void close_client(struct client *client) {
    struct client *last = members[--member_count];
    members[last->place = client->place] = last;
    close(client->fd); /* also leaves the epoll set */
    free(client->pending);
    free(client);
}

/* Keep what the socket did not take and wait until it can be sent. Returns 0 or -1. */
static int keep(struct client *client, const char *data, size_t size) {
    size_t waiting = client->end - client->start;
    if (waiting + size > PENDING_LIMIT)
        return -1;
    char *pending = malloc(waiting + size);
    if (!pending)
        return -1;
    if (waiting)
        memcpy(pending, client->pending + client->start, waiting);
    memcpy(pending + waiting, data, size);
    if (!client->pending)
        watch(EPOLL_CTL_MOD, client, client->fd, EPOLLOUT);
    free(client->pending);
    client->pending = pending;
    client->start = 0;
    client->end = waiting + size;
    return 0;
}

/* Send, or keep what does not fit. Returns -1 if the client is gone. */
static int deliver(struct client *client, const char *data, size_t size) {
    ssize_t sent = 0;
    if (!client->pending) {
        sent = send(client->fd, data, size, MSG_NOSIGNAL);
        if (sent == (ssize_t)size)
            return 0;
        if (sent < 0) {
            if (errno != EAGAIN)
                return -1;
            sent = 0;
        }
    }
    return keep(client, data + sent, size - sent);
}

static void flush_client(struct client *client) {
    size_t waiting = client->end - client->start;
    ssize_t sent =
        send(client->fd, client->pending + client->start, waiting, MSG_NOSIGNAL);
    if (sent < 0) {
        if (errno != EAGAIN)
            close_client(client);
        return;
    }
    client->start += sent;
    if (client->start == client->end) {
        free(client->pending);
        client->pending = NULL;
        client->start = client->end = 0;
        watch(EPOLL_CTL_MOD, client, client->fd, EPOLLIN);
    }
}

/* A client that failed while others were written to is closed by its own next event:
   a shut-down socket is readable. Nothing is freed while a batch may still name it. */
static void send_to_all(const char *data, size_t size) {
    for (int i = 0; i < member_count; i++)
        if (deliver(members[i], data, size) < 0)
            shutdown(members[i]->fd, SHUT_RDWR);
}

static void read_client(struct client *client, int fanout) {
    ssize_t size = recv(client->fd, input, sizeof input, 0);
    if (size > 0) {
        if (fanout)
            send_to_all(input, size);
        else if (deliver(client, input, size) < 0)
            close_client(client);
    } else if (size == 0 || errno != EAGAIN) {
        close_client(client);
    }
}

static void serve_streams(int fanout) {
    struct epoll_event events[EVENTS];
    for (;;) {
        int count = epoll_wait(epoll, events, EVENTS, -1);
        for (int i = 0; i < count; i++) {
            struct client *client = events[i].data.ptr;
            if (client->listening)
                accept_clients(client->fd);
            else if (client->pending)
                flush_client(client);
            else
                read_client(client, fanout);
        }
    }
}

static void answer_datagrams(int fd) {
    struct sockaddr_in source;
    for (int i = 0; i < UDP_BATCH; i++) {
        socklen_t length = sizeof source;
        ssize_t size = recvfrom(fd, input, sizeof input, 0,
                                (struct sockaddr *)&source, &length);
        if (size < 0)
            break;
        sendto(fd, input, size, 0, (struct sockaddr *)&source, length);
    }
}

static struct sockaddr_in peers[PEERS];
static int peer_count;

static int same(const struct sockaddr_in *a, const struct sockaddr_in *b) {
    return a->sin_port == b->sin_port && a->sin_addr.s_addr == b->sin_addr.s_addr;
}

static void relay_datagrams(int fd) {
    struct sockaddr_in source;
    for (int i = 0; i < UDP_BATCH; i++) {
        socklen_t length = sizeof source;
        ssize_t size = recvfrom(fd, input, sizeof input, 0,
                                (struct sockaddr *)&source, &length);
        if (size < 0)
            break;
        int place = 0;
        while (place < peer_count && !same(&peers[place], &source))
            place++;
        if (place == peer_count && peer_count < PEERS)
            peers[peer_count++] = source;
        if (size > 0 && input[0] == '/')
            sendto(fd, input, 1, 0, (struct sockaddr *)&source, length);
        else
            for (int j = 0; j < peer_count; j++)
                if (j != place)
                    sendto(fd, input, size, 0, (struct sockaddr *)&peers[j],
                           sizeof peers[j]);
    }
}

static void serve_datagrams(void (*serve)(int fd)) {
    struct epoll_event events[EVENTS];
    for (;;) {
        int count = epoll_wait(epoll, events, EVENTS, -1);
        for (int i = 0; i < count; i++)
            serve(((struct client *)events[i].data.ptr)->fd);
    }
}

static void listen_on(int type, const char *host, int port) {
    struct client *listener = calloc(1, sizeof *listener);
    if (!listener)
        fail("memory");
    listener->fd = listening_socket(type, host, port);
    listener->listening = 1;
    watch(EPOLL_CTL_ADD, listener, listener->fd, EPOLLIN);
}

int main(int argc, char **argv) {
    if (argc < 3) {
        fprintf(stderr, "usage: echo tcp|udp|relay|fanout PORT [ADDRESS...]\n");
        return 2;
    }
    int relay = strcmp(argv[1], "relay") == 0, port = atoi(argv[2]);
    int datagrams = relay || strcmp(argv[1], "udp") == 0;
    int type = datagrams ? SOCK_DGRAM : SOCK_STREAM;
    signal(SIGPIPE, SIG_IGN);
    if ((epoll = epoll_create1(EPOLL_CLOEXEC)) < 0)
        fail("epoll_create1");
    if (argc == 3)
        listen_on(type, "127.0.0.1", port);
    for (int i = 3; i < argc; i++)
        listen_on(type, argv[i], port);
    if (datagrams)
        serve_datagrams(relay ? relay_datagrams : answer_datagrams);
    else
        serve_streams(strcmp(argv[1], "fanout") == 0);
}
