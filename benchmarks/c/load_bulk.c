/*
 * bulk: a long stream through a connection, sent and received at the same time, and
 * again through a new one until the time is over; a unit is a MiB. While warming up
 * every byte that comes back is compared; while measuring, only their number: the
 * kernel throws them away (MSG_TRUNC), which keeps this side cheaper than any server.
 */

#include "load.h"
#include "pattern.h"

#include <poll.h>

enum { MIB = 1 << 20 };

static int fd;

static void setup(void) {
    make_pattern();
}

static ssize_t receive(long long offset, long long due, bool compare) {
    if (!compare)
        return recv(fd, NULL, due < CHUNK ? due : CHUNK, MSG_TRUNC);
    ssize_t size = recv(fd, input, sizeof input, 0);
    if (size > 0 && (size > due || memcmp(input, pattern_at(offset), size) != 0))
        die("what comes back is not what was sent");
    return size;
}

/* Move `total` bytes there and back through one connection. */
static void move(long long total, bool compare) {
    long long sent = 0, got = 0;
    fd = tcp_client(0);
    while (got < total) {
        struct pollfd both = {fd, POLLIN | (sent < total ? POLLOUT : 0), 0};
        if (poll(&both, 1, 10000) <= 0)
            die("nothing moved for 10 seconds (%lld of %lld bytes)", got, total);
        if (both.revents & POLLOUT) {
            long long rest = total - sent;
            ssize_t size = send(fd, pattern_at(sent), rest < CHUNK ? rest : CHUNK, 0);
            if (size > 0)
                sent += size;
            else if (errno != EAGAIN)
                die("send: %s", strerror(errno));
        }
        if (both.revents & (POLLIN | POLLHUP | POLLERR)) {
            ssize_t size = receive(got, total - got, compare);
            if (size > 0)
                got += size;
            else if (size == 0 || errno != EAGAIN)
                die("the stream ended after %lld of %lld bytes", got, total);
        }
    }
    close(fd);
    totals.units += total / MIB;
}

static void run(double seconds, bool warm) {
    double stop = now() + seconds;
    do
        move(warm ? 64LL * MIB : options.bytes, warm);
    while (!warm && now() < stop);
    totals.served = 1;
    totals.heard = now();
}

const struct mode bulk = {"bulk", setup, run};
