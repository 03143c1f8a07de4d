/* chat-slow: one of the clients in a channel speaks at a steady pace, and another one
   does not read at all. Until the server has cut that one, or the time is over; a unit
   is one delivery to one of the others, an error one that is missing. */

#include "load_irc.h"

/* Seconds from one message to the next. */
static const double INTERVAL = 0.001;

static struct irc *clients;
static int *last; /* the number of the last message that each one got */
static float *latencies;
static size_t measured, most;
static int epoll;

static void setup(void) {
    int count = options.connections;
    if (count < 3)
        die("options out of range");
    clients = room(count, sizeof *clients);
    last = room(count, sizeof *last);
    irc_begin(clients, count, IRC_JOINED);
    irc_settle(clients, count, count - 1, "everybody is there");
    irc_settle(clients, count, 0, "we begin");
    epoll = epoll_create1(0);
    for (int i = 0; i < count - 1; i++) /* the last one is not read from */
        watch(epoll, clients[i].fd, EPOLLIN, i);
    most = (size_t)(options.seconds / INTERVAL + 2) * count;
    latencies = room(most, sizeof *latencies);
}

static void say(int number) {
    char line[LINE_SIZE], filler[LINE_SIZE];
    fill(filler, options.size, 0, 0);
    memset(filler, 'x', 8);
    snprintf(line, sizeof line, "PRIVMSG " CHANNEL " :%08d%.*s\r\n", number,
             options.size - 8, filler);
    irc_send(&clients[0], line);
}

static void listen_to(int index, double start) {
    struct irc *client = &clients[index];
    double time = now();
    while (irc_line(client)) {
        char *text = strstr(client->line, " " CHANNEL " :");
        if (!text) {
            totals.cut |= strstr(client->line, " QUIT ") != NULL;
            continue;
        }
        int number = atoi(text + strlen(" " CHANNEL " :"));
        if (number != last[index] + 1)
            totals.errors++;
        last[index] = number;
        totals.units++;
        if (measured < most)
            latencies[measured++] = time - (start + number * INTERVAL);
    }
}

static int compare(const void *one, const void *other) {
    float a = *(const float *)one, b = *(const float *)other;
    return (a > b) - (a < b);
}

static void run(double seconds, bool warm) {
    if (warm)
        return;
    struct epoll_event events[EVENTS];
    int sent = 0, readers = options.connections - 2;
    double start = now(), stop = start + seconds;
    totals.heard = start;
    for (double time; (time = now()) < stop || totals.units < (long long)sent * readers;) {
        if (totals.cut && time + 0.5 < stop)
            stop = time + 0.5;
        while (time < stop && start + (sent + 1) * INTERVAL <= time)
            say(++sent);
        int count = epoll_wait(epoll, events, EVENTS, 1);
        for (int i = 0; i < count; i++)
            listen_to(events[i].data.u32, start);
        if (count > 0)
            totals.heard = now();
        else if (time > totals.heard + 10) {
            totals.errors += (long long)sent * readers - totals.units;
            break;
        }
    }
    if (measured == 0)
        die("nobody hears anything");
    qsort(latencies, measured, sizeof *latencies, compare);
    totals.median = latencies[measured / 2] * 1000;
    totals.p99 = latencies[measured * 99 / 100] * 1000;
    totals.worst = latencies[measured - 1] * 1000;
    totals.served = readers;
}

const struct mode chat_slow = {"chat-slow", setup, run};
