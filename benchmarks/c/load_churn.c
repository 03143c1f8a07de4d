/* churn: connect, one message, its echo, close; many clients do so at once. */

#include "load.h"

/* A server that refuses this many in a row is not worth asking again. */
enum { ERROR_LIMIT = 10000 };

struct client {
    int fd;
    int got;
    bool asked;
};

static struct client *clients;
static char *message;
static int epoll, open_clients, serial;

static void setup(void) {
    clients = room(options.connections, sizeof *clients);
    message = room(1, options.size);
    fill(message, options.size, 0, 0);
    epoll = epoll_create1(0);
}

static void finish(struct client *client, bool good) {
    close(client->fd);
    open_clients--;
    if (good)
        totals.units++;
    else if (++totals.errors > ERROR_LIMIT && totals.units < totals.errors)
        die("most connections fail (%s)", strerror(errno));
}

static void begin(int number) {
    struct client *client = &clients[number];
    /* Each connection comes from the next of 250 * per_source places. */
    client->fd = client_socket(SOCK_STREAM, serial++ % (250 * options.per_source));
    client->got = 0;
    client->asked = false;
    set_nonblocking(client->fd);
    open_clients++;
    if (connect_server(client->fd) < 0 && errno != EINPROGRESS) {
        finish(client, false);
        return;
    }
    /* On loopback the handshake is mostly over by now. */
    client->asked = send(client->fd, message, options.size, 0) == options.size;
    watch(epoll, client->fd, client->asked ? EPOLLIN : EPOLLOUT, number);
}

/* True when this client is done, well or badly. */
static bool proceed(struct client *client, int number) {
    if (!client->asked) {
        struct epoll_event event = {.events = EPOLLIN, .data.u32 = number};
        client->asked = send(client->fd, message, options.size, 0) == options.size;
        if (client->asked && epoll_ctl(epoll, EPOLL_CTL_MOD, client->fd, &event) == 0)
            return false;
        finish(client, false);
        return true;
    }
    ssize_t size = recv(client->fd, input, options.size, 0);
    if (size < 0 && errno == EAGAIN)
        return false;
    if (size <= 0 || client->got + size > options.size ||
        memcmp(input, message + client->got, size) != 0) {
        finish(client, false);
        return true;
    }
    client->got += size;
    if (client->got < options.size)
        return false;
    finish(client, true);
    return true;
}

static void run(double seconds, bool warm) {
    (void)warm;
    struct epoll_event events[EVENTS];
    double stop = now() + seconds;
    totals.heard = now();
    for (int i = 0; i < options.connections; i++)
        begin(i);
    while (open_clients > 0) {
        int count = epoll_wait(epoll, events, EVENTS, 50);
        double time = now();
        for (int i = 0; i < count; i++) {
            int number = events[i].data.u32;
            if (proceed(&clients[number], number) && time < stop)
                begin(number);
        }
        if (count > 0)
            totals.heard = time;
        else if (time > totals.heard + 5)
            die("connections hang");
    }
    totals.served = options.connections;
}

const struct mode churn = {"churn", setup, run};
