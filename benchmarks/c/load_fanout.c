/* What one client sends goes to many: sends, and counts who has it. */

#include "load_fanout.h"

struct receiver {
    int fd;
    long long got; /* bytes received in all */
};

static struct fanout work;
static struct receiver *receivers;
static char *burst; /* as many copies of the message as may be on the way */
static int epoll;
static long long sent, complete; /* messages */
static int *missing;             /* receivers that still lack message n % inflight */

void fanout_start(const struct fanout *wanted) {
    work = *wanted;
    receivers = room(work.receivers, sizeof *receivers);
    missing = room(options.inflight, sizeof *missing);
    burst = room(options.inflight, work.sent_size);
    for (int i = 0; i < options.inflight; i++)
        memcpy(burst + i * work.sent_size, work.sent, work.sent_size);
    epoll = epoll_create1(0);
    for (int i = 0; i < work.receivers; i++) {
        receivers[i].fd = work.fds[i];
        set_nonblocking(receivers[i].fd);
        watch(epoll, receivers[i].fd, EPOLLIN, i);
    }
}

static void say(int count) {
    if (send(work.sender, burst, count * work.sent_size, 0) != count * work.sent_size)
        die("the server does not take what is sent");
    for (; count > 0; count--)
        missing[sent++ % options.inflight] = work.receivers;
}

static void receive(struct receiver *receiver) {
    ssize_t size = recv(receiver->fd, input, sizeof input, 0);
    if (size <= 0) {
        if (size < 0 && errno == EAGAIN)
            return;
        die("the server closed a connection");
    }
    for (ssize_t done = 0; done < size;) {
        int at = receiver->got % work.due_size;
        int part = size - done < work.due_size - at ? size - done : work.due_size - at;
        if (memcmp(input + done, work.due + at, part) != 0)
            die("a delivery is not what was sent");
        done += part;
        receiver->got += part;
        if (at + part < work.due_size)
            continue;
        totals.units++;
        if (--missing[(receiver->got / work.due_size - 1) % options.inflight] == 0)
            complete++;
    }
}

void fanout_run(double seconds, bool warm) {
    (void)warm;
    struct epoll_event events[EVENTS];
    double stop = now() + seconds;
    totals.heard = now();
    say(options.inflight);
    while (complete < sent) {
        int count = epoll_wait(epoll, events, EVENTS, options.spin ? 0 : 50);
        double time = now();
        long long before = complete;
        for (int i = 0; i < count; i++)
            receive(&receivers[events[i].data.u32]);
        if (time < stop && complete > before)
            say(complete - before);
        if (count > 0)
            totals.heard = time;
        else if (time > totals.heard + 10)
            die("a delivery is missing");
    }
    totals.served = work.receivers;
}
