/* relay: one peer sends a datagram, all others in its room wait for it; a unit is one
   delivery. Other peers, in other rooms, are known to the server and say nothing. */

#include "load.h"

#include <poll.h>

/* Seconds without any delivery after which what is on its way counts as lost. */
#define LOST_AFTER 0.2

/* Peers in each of the other rooms. */
#define OTHERS_IN_ROOM 20

static int *sockets, epoll;
static char *message;
static long long due;

/* Take what has come for a peer, for up to so many milliseconds without any. */
static bool drain(int fd, int milliseconds) {
    struct pollfd waits = {fd, POLLIN, 0};
    bool any = false;
    while (poll(&waits, 1, milliseconds) > 0) {
        if (recv(fd, input, sizeof input, 0) < 0)
            die("recv: %s", strerror(errno));
        any = true;
        milliseconds = 0;
    }
    return any;
}

/* Make a peer known to the server, in a room. */
static int enter(int index, int number) {
    int fd = client_socket(SOCK_DGRAM, index);
    char command[64];
    int size = snprintf(command, sizeof command, "/join #room%d", number);
    if (connect_server(fd) < 0)
        die("connect: %s", strerror(errno));
    set_nonblocking(fd);
    for (int tries = 0; tries < 10; tries++) {
        if (send(fd, command, size, 0) < 0)
            die("send: %s", strerror(errno));
        if (!drain(fd, 1000))
            continue;
        /* Everybody starts there, and would hear everybody else. */
        if (send(fd, "/part #lobby", 12, 0) < 0)
            die("send: %s", strerror(errno));
        if (drain(fd, 1000))
            return fd;
    }
    die("peer %d gets no answer", index + 1);
    return -1;
}

static void setup(void) {
    int count = options.connections;
    sockets = room(count, sizeof *sockets);
    message = room(1, options.size);
    memset(message, 'x', options.size);
    epoll = epoll_create1(0);
    for (int i = 0; i < options.others; i++)
        enter(count + i, 1 + i / OTHERS_IN_ROOM);
    for (int i = 0; i < count; i++) {
        sockets[i] = enter(i, 0);
        watch(epoll, sockets[i], EPOLLIN, i);
    }
    for (int i = 0; i < count; i++)
        while (drain(sockets[i], 20))
            continue;
}

static void speak(void) {
    if (send(sockets[0], message, options.size, 0) < 0)
        totals.errors++;
    due += options.connections - 1;
}

/* Take what has come, with what the server may have put before the text. */
static void receive(int fd) {
    for (;;) {
        ssize_t size = recv(fd, input, sizeof input, 0);
        if (size < 0)
            return;
        if (size < options.size ||
            memcmp(input + size - options.size, message, options.size) != 0) {
            totals.errors++;
            continue;
        }
        totals.units++;
        due--;
    }
}

static void run(double seconds, bool warm) {
    (void)warm;
    struct epoll_event events[EVENTS];
    double stop = now() + seconds;
    totals.heard = now();
    due = 0;
    for (;;) {
        double time = now();
        while (time < stop &&
               due <= (long long)(options.inflight - 1) * (options.connections - 1))
            speak();
        if (due <= 0)
            break;
        int count = epoll_wait(epoll, events, EVENTS, options.spin ? 0 : 20);
        for (int i = 0; i < count; i++)
            receive(sockets[events[i].data.u32]);
        time = now();
        if (count > 0)
            totals.heard = time;
        else if (time > totals.heard + LOST_AFTER) {
            totals.resent += due;
            due = 0;
            if (totals.units == 0)
                die("no datagram comes back");
            totals.heard = time;
        }
    }
    totals.served = options.connections - 1;
}

const struct mode relay = {"relay", setup, run};
