/*
 * The backend of the bulk rows: takes a stream, then gives as much back.
 *
 *   transfer PORT ADDRESS...
 *
 * A client says by its first byte whether what follows is to be compared with the
 * pattern ('c') or only counted ('n'), sends as much as it likes and ends its side.
 * Then it gets as many bytes of the pattern, and the connection is closed. One thread
 * for each connection, which sleeps in the kernel while nothing moves.
 */

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "pattern.h"

enum { BACKLOG = 4096, STACK = 256 * 1024 };

static pthread_attr_t small;

static void fail(const char *what) {
    perror(what);
    exit(1);
}

/* The number of bytes until the client ends its side; -1 if it breaks off. */
static long long take(int fd) {
    char kind, input[65536];
    long long got = 0;
    ssize_t size;
    if (recv(fd, &kind, 1, 0) != 1)
        return -1;
    do {
        if (kind == 'c') {
            size = recv(fd, input, sizeof input, 0);
            if (size > 0 && memcmp(input, pattern_at(got), size) != 0) {
                fprintf(stderr, "what arrives is not what was sent\n");
                exit(1);
            }
        } else {
            size = recv(fd, NULL, CHUNK, MSG_TRUNC); /* the kernel throws it away */
        }
        if (size > 0)
            got += size;
    } while (size > 0);
    return size < 0 ? -1 : got;
}

static void give(int fd, long long total) {
    for (long long sent = 0; sent < total;) {
        long long rest = total - sent;
        ssize_t size = send(fd, pattern_at(sent), rest < CHUNK ? rest : CHUNK, 0);
        if (size < 0)
            return;
        sent += size;
    }
}

static void *serve(void *argument) {
    int fd = (int)(long)argument;
    give(fd, take(fd));
    close(fd);
    return NULL;
}

static void start(void *(*run)(void *), int fd) {
    pthread_t thread;
    if (pthread_create(&thread, &small, run, (void *)(long)fd) != 0)
        fail("pthread_create");
    pthread_detach(thread);
}

static void *accept_clients(void *argument) {
    int listener = (int)(long)argument, yes = 1;
    for (int fd; (fd = accept(listener, NULL, NULL)) >= 0;) {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
        start(serve, fd);
    }
    fail("accept");
    return NULL;
}

static int listening_socket(const char *host, int port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = inet_addr(host);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), yes = 1;
    if (fd < 0)
        fail("socket");
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (bind(fd, (struct sockaddr *)&address, sizeof address) < 0)
        fail("bind");
    if (listen(fd, BACKLOG) < 0)
        fail("listen");
    return fd;
}

int main(int argc, char **argv) {
    if (argc < 3) {
        fprintf(stderr, "usage: transfer PORT ADDRESS...\n");
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    make_pattern();
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, STACK);
    for (int i = 2; i < argc; i++)
        start(accept_clients, listening_socket(argv[i], atoi(argv[1])));
    for (;;)
        pause();
}
