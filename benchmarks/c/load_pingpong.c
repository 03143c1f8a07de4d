/* pingpong: every active client sends a message and waits for it to come back. */

#include "load.h"

struct client {
    int fd;
    int got;      /* bytes of the answer so far */
    bool waiting; /* a message is on its way */
    bool served;  /* something came back since the run began */
    char *message;
};

static struct client *clients; /* the active ones */
static int epoll, waiting;

static void setup(void) {
    clients = room(options.active, sizeof *clients);
    epoll = epoll_create1(0);
    int chosen = 0;
    for (int i = 0; i < options.connections; i++) {
        int fd = tcp_client(i);
        /* The active ones are spread evenly over all. */
        if ((long long)i * options.active / options.connections < chosen)
            continue;
        struct client *client = &clients[chosen];
        client->fd = fd;
        client->message = room(1, options.size);
        fill(client->message, options.size, i, 0);
        watch(epoll, fd, EPOLLIN, chosen++);
    }
}

static void lost(struct client *client) {
    totals.errors++;
    close(client->fd);
    client->fd = -1;
    waiting -= client->waiting;
    client->waiting = false;
}

static void ask(struct client *client) {
    if (client->fd < 0 || client->waiting)
        return;
    client->waiting = true;
    waiting++;
    if (send(client->fd, client->message, options.size, 0) != options.size)
        lost(client);
}

/* True when the whole answer is there. */
static bool answered(struct client *client) {
    ssize_t size = recv(client->fd, input, options.size, 0);
    if (size < 0 && errno == EAGAIN)
        return false;
    if (size <= 0 || !client->waiting || client->got + size > options.size ||
        memcmp(input, client->message + client->got, size) != 0) {
        lost(client);
        return false;
    }
    client->got += size;
    if (client->got < options.size)
        return false;
    client->got = 0;
    client->waiting = false;
    waiting--;
    totals.units++;
    if (!client->served) {
        client->served = true;
        totals.served++;
    }
    return true;
}

static void run(double seconds, bool warm) {
    (void)warm;
    struct epoll_event events[EVENTS];
    double stop = now() + seconds;
    totals.heard = now();
    for (int i = 0; i < options.active; i++) {
        clients[i].served = false;
        ask(&clients[i]);
    }
    while (waiting > 0) {
        int count = epoll_wait(epoll, events, EVENTS, 50);
        double time = now();
        if (count > 0)
            totals.heard = time;
        else if (time > totals.heard + SILENCE && time > stop)
            break;
        for (int i = 0; i < count; i++) {
            struct client *client = &clients[events[i].data.u32];
            if (answered(client) && time < stop)
                ask(client);
        }
    }
}

const struct mode pingpong = {"pingpong", setup, run};
