/* broadcast: one client sends, all wait until they have it; a unit is one delivery. */

#include "load_fanout.h"

static void setup(void) {
    int *clients = room(options.connections, sizeof *clients);
    char *message = room(1, options.size);
    fill(message, options.size, 0, 0);
    for (int i = 0; i < options.connections; i++)
        clients[i] = tcp_client(i);
    /* What the last one sends reaches all: the server has accepted them in order. No
       message may be sent before that, or some would not get it. */
    if (send(clients[options.connections - 1], message, options.size, 0) < 0)
        die("the server closed a connection");
    double limit = now() + 10;
    for (int i = 0; i < options.connections; i++)
        for (int due = options.size; due > 0;) {
            ssize_t size = recv(clients[i], input, due, 0);
            if (size > 0)
                due -= size;
            else if (size == 0 || errno != EAGAIN || now() > limit)
                die("connection %d gets nothing", i + 1);
        }
    fanout_start(&(struct fanout){clients[0], clients, options.connections, message,
                                  options.size, message, options.size});
}

const struct mode broadcast = {"broadcast", setup, fanout_run};
