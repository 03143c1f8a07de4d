/* udp: every socket keeps some datagrams on their way; a lost one is sent again. */

#include "load.h"

/* Seconds after which a datagram counts as lost. */
#define LOST_AFTER 0.1

struct slot {
    unsigned round; /* which message is on its way */
    bool waiting;
    double sent;
    char *message;
};

static int *sockets, epoll, waiting;
static struct slot *slots; /* `inflight` of them for each socket */

static void setup(void) {
    int count = options.connections * options.inflight;
    sockets = room(options.connections, sizeof *sockets);
    slots = room(count, sizeof *slots);
    epoll = epoll_create1(0);
    for (int i = 0; i < options.connections; i++) {
        sockets[i] = client_socket(SOCK_DGRAM, i);
        if (connect_server(sockets[i]) < 0)
            die("connect: %s", strerror(errno));
        set_nonblocking(sockets[i]);
        watch(epoll, sockets[i], EPOLLIN, i);
    }
    for (int i = 0; i < count; i++)
        slots[i].message = room(1, options.size);
}

static void transmit(int index, double time) {
    slots[index].sent = time;
    if (send(sockets[index / options.inflight], slots[index].message, options.size,
             0) < 0)
        totals.errors++;
}

static void ask(int index, double time) {
    struct slot *slot = &slots[index];
    fill(slot->message, options.size, index, ++slot->round);
    slot->waiting = true;
    waiting++;
    transmit(index, time);
}

static void receive(int number, double time, bool more) {
    for (int i = 0; i < options.inflight; i++) {
        ssize_t size = recv(sockets[number], input, sizeof input, 0);
        unsigned head[2];
        if (size < 0)
            return;
        memcpy(head, input, sizeof head);
        int first = number * options.inflight;
        if (size != options.size || head[0] < (unsigned)first ||
            head[0] >= (unsigned)(first + options.inflight)) {
            totals.errors++;
            continue;
        }
        struct slot *slot = &slots[head[0]];
        if (!slot->waiting || head[1] != slot->round)
            continue; /* the answer to one that was given up */
        if (memcmp(input, slot->message, size) != 0)
            totals.errors++;
        slot->waiting = false;
        waiting--;
        totals.units++;
        if (more)
            ask(head[0], time);
    }
}

static void resend_lost(double time) {
    for (int i = 0; i < options.connections * options.inflight; i++)
        if (slots[i].waiting && time > slots[i].sent + LOST_AFTER) {
            totals.resent++;
            transmit(i, time);
        }
}

static void run(double seconds, bool warm) {
    (void)warm;
    struct epoll_event events[EVENTS];
    double start = now(), stop = start + seconds, checked = start;
    totals.heard = start;
    for (int i = 0; i < options.connections * options.inflight; i++)
        ask(i, start);
    while (waiting > 0) {
        int count = epoll_wait(epoll, events, EVENTS, 20);
        double time = now();
        for (int i = 0; i < count; i++)
            receive(events[i].data.u32, time, time < stop);
        if (time > checked + LOST_AFTER / 10) {
            resend_lost(time);
            checked = time;
        }
        if (count > 0)
            totals.heard = time;
        else if (time > totals.heard + 5)
            die("no datagram comes back");
    }
    totals.served = options.connections;
}

const struct mode udp = {"udp", setup, run};
