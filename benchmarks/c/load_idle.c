/* idle: open the clients, one echo each; then nothing, until told to go on. */

#include "load.h"

#include <sys/time.h>

static int *sockets;

static void setup(void) {
    struct timeval patience = {.tv_sec = 10};
    char *message = room(1, options.size);
    sockets = room(options.connections, sizeof *sockets);
    for (int i = 0; i < options.connections; i++) {
        int fd = sockets[i] = client_socket(SOCK_STREAM, i);
        fill(message, options.size, i, 0);
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
        if (connect_server(fd) < 0)
            die("connection %d: %s", i + 1, strerror(errno));
        if (send(fd, message, options.size, 0) != options.size ||
            recv(fd, input, options.size, MSG_WAITALL) != options.size ||
            memcmp(input, message, options.size) != 0)
            die("connection %d: no echo", i + 1);
    }
    free(message);
}

/* The waiting itself happens at the mark "start"; this only looks who is still there. */
static void run(double seconds, bool warm) {
    (void)seconds;
    if (warm)
        return;
    for (int i = 0; i < options.connections; i++)
        if (recv(sockets[i], input, 1, MSG_DONTWAIT) < 0 && errno == EAGAIN)
            totals.units++;
        else
            totals.errors++;
    totals.served = totals.units;
    totals.heard = now();
}

const struct mode idle = {"idle", setup, run};
