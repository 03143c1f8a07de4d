/*
 * transfer: clients send a long stream, end their side, and take as long a one; then
 * they do so again through a new connection until the time is over. A unit is a MiB,
 * either way. While warming up every byte is compared, by the backend (transfer.c) and
 * here; while measuring only their number: the kernel throws them away (MSG_TRUNC),
 * which keeps both ends cheaper than any server between them.
 */

#include "load.h"
#include "pattern.h"

enum { MIB = 1 << 20, WARM_BYTES = 32 * MIB };

struct client {
    int fd;
    long long sent, got; /* bytes through this connection */
};

static struct client *clients;
static int epoll, open_clients;
static long long total; /* bytes either way through a connection */
static bool compare;

static void setup(void) {
    make_pattern();
    clients = room(options.connections, sizeof *clients);
    epoll = epoll_create1(0);
}

static void begin(int number) {
    struct client *client = &clients[number];
    client->fd = tcp_client(number);
    client->sent = client->got = 0;
    open_clients++;
    if (send(client->fd, compare ? "c" : "n", 1, 0) != 1)
        die("send: %s", strerror(errno));
    watch(epoll, client->fd, EPOLLOUT, number);
}

static void send_some(struct client *client, int number) {
    long long rest = total - client->sent;
    ssize_t size =
        send(client->fd, pattern_at(client->sent), rest < CHUNK ? rest : CHUNK, 0);
    if (size < 0) {
        if (errno == EAGAIN)
            return;
        die("send: %s", strerror(errno));
    }
    client->sent += size;
    if (client->sent < total)
        return;
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = number};
    shutdown(client->fd, SHUT_WR);
    epoll_ctl(epoll, EPOLL_CTL_MOD, client->fd, &event);
}

/* True when the server has closed the connection, with all bytes there. */
static bool receive_some(struct client *client) {
    ssize_t size = compare ? recv(client->fd, input, sizeof input, 0)
                           : recv(client->fd, NULL, CHUNK, MSG_TRUNC);
    if (size < 0 && errno == EAGAIN)
        return false;
    if (size > 0 && compare && memcmp(input, pattern_at(client->got), size) != 0)
        die("what comes back is not what was sent");
    if (size > 0)
        client->got += size;
    if (client->got > total || (size <= 0 && client->got < total))
        die("the stream ended after %lld of %lld bytes", client->got, total);
    if (size > 0)
        return false;
    if (size < 0)
        die("recv: %s", strerror(errno));
    close(client->fd);
    open_clients--;
    totals.units += 2 * total / MIB;
    return true;
}

static void run(double seconds, bool warm) {
    struct epoll_event events[EVENTS];
    double stop = now() + seconds;
    compare = warm;
    total = options.bytes / 2;
    if (warm && total > WARM_BYTES)
        total = WARM_BYTES;
    for (int i = 0; i < options.connections; i++)
        begin(i);
    while (open_clients > 0) {
        int count = epoll_wait(epoll, events, EVENTS, 10000);
        if (count == 0)
            die("nothing moved for 10 seconds");
        double time = now();
        for (int i = 0; i < count; i++) {
            int number = events[i].data.u32;
            struct client *client = &clients[number];
            if (client->sent < total)
                send_some(client, number);
            else if (receive_some(client) && !warm && time < stop)
                begin(number);
        }
    }
    totals.served = options.connections;
    totals.heard = now();
}

const struct mode transfer = {"transfer", setup, run};
