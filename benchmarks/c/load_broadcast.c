/* broadcast: one client sends, all wait until they have it; a unit is one delivery. */

#include "load.h"

struct client {
    int fd;
    long long got; /* bytes received in all */
};

static struct client *clients;
static int epoll;
static char *message;
static long long sent, complete;     /* messages */
static int *missing;                 /* clients that still lack message n % inflight */

static void setup(void) {
    clients = room(options.connections, sizeof *clients);
    missing = room(options.inflight, sizeof *missing);
    message = room(1, options.size);
    fill(message, options.size, 0, 0);
    epoll = epoll_create1(0);
    for (int i = 0; i < options.connections; i++) {
        clients[i].fd = tcp_client(i);
        watch(epoll, clients[i].fd, EPOLLIN, i);
    }
    /* What the last one sends reaches all: the server has accepted them in order. No
       message may be sent before that, or some would not get it. */
    if (send(clients[options.connections - 1].fd, message, options.size, 0) < 0)
        die("the server closed a connection");
    double limit = now() + 10;
    for (int i = 0; i < options.connections; i++)
        for (int due = options.size; due > 0;) {
            ssize_t size = recv(clients[i].fd, input, due, 0);
            if (size > 0)
                due -= size;
            else if (size == 0 || errno != EAGAIN || now() > limit)
                die("connection %d gets nothing", i + 1);
        }
}

static void say(void) {
    if (send(clients[0].fd, message, options.size, 0) != options.size)
        die("the server does not take what is sent");
    missing[sent++ % options.inflight] = options.connections;
}

static void receive(struct client *client) {
    ssize_t size = recv(client->fd, input, sizeof input, 0);
    if (size <= 0) {
        if (size < 0 && errno == EAGAIN)
            return;
        die("the server closed a connection");
    }
    for (ssize_t done = 0; done < size;) {
        int at = client->got % options.size;
        int part = size - done < options.size - at ? size - done : options.size - at;
        if (memcmp(input + done, message + at, part) != 0)
            die("a delivery is not what was sent");
        done += part;
        client->got += part;
        if (at + part < options.size)
            continue;
        totals.units++;
        if (--missing[(client->got / options.size - 1) % options.inflight] == 0)
            complete++;
    }
}

static void run(double seconds, bool warm) {
    (void)warm;
    struct epoll_event events[EVENTS];
    double stop = now() + seconds;
    totals.heard = now();
    for (int i = 0; i < options.inflight; i++)
        say();
    while (complete < sent) {
        int count = epoll_wait(epoll, events, EVENTS, 50);
        double time = now();
        long long before = complete;
        for (int i = 0; i < count; i++)
            receive(&clients[events[i].data.u32]);
        if (time < stop)
            for (; before < complete; before++)
                say();
        if (count > 0)
            totals.heard = time;
        else if (time > totals.heard + 10)
            die("a delivery is missing");
    }
    totals.served = options.connections;
}

const struct mode broadcast = {"broadcast", setup, run};
