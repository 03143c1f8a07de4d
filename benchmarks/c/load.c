/*
 * The load generator of the benchmarks.
 *
 *   load MODE --port N [--connections N] [--active N] [--size BYTES] [--inflight N] [--others N]
 *        [--per-source N] [--bytes N] [--spin 1] [--warmup SECONDS] [--seconds SECONDS]
 *
 * It warms the server up, waits until every answer is there, prints "start" and reads
 * a line; works for the given time, waits again, prints "stop" and reads a line; then
 * it prints one line of JSON. At both marks the server is at rest, so whoever drives
 * this program can read the server's clocks exactly. End of file on standard input
 * ends it.
 *
 * Clients come from many loopback addresses (127.0.1.1, 127.0.1.2, ...), as they would
 * from a network: a server may well limit what one address gets.
 */

#include "load.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdarg.h>
#include <time.h>

struct options options = {.connections = 50,
                          .size = 64,
                          .inflight = 1,
                          .per_source = 50,
                          .bytes = 1LL << 30,
                          .warmup = 0.5,
                          .seconds = 2};
struct totals totals;
char input[INPUT_SIZE];

static double seconds_of(clockid_t clock) {
    struct timespec time;
    clock_gettime(clock, &time);
    return time.tv_sec + time.tv_nsec / 1e9;
}

double now(void) {
    return seconds_of(CLOCK_MONOTONIC);
}

void die(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    fputs("load: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    exit(1);
}

void *room(size_t count, size_t size) {
    void *memory = calloc(count, size);
    if (!memory)
        die("out of memory");
    return memory;
}

static struct sockaddr_in loopback(unsigned address, int port) {
    struct sockaddr_in result = {.sin_family = AF_INET, .sin_port = htons(port)};
    result.sin_addr.s_addr = htonl(address);
    return result;
}

int client_socket(int type, int index) {
    unsigned source = index / options.per_source;
    unsigned address = 0x7f000100 + 256 * (source / 250) + 1 + source % 250;
    struct sockaddr_in local = loopback(address, 0);
    int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0), yes = 1;
    if (fd < 0)
        die("socket: %s", strerror(errno));
    if (type == SOCK_STREAM) {
        /* The port is chosen when connecting: it need be free for this server only. */
        setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &yes, sizeof yes);
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    }
    if (bind(fd, (struct sockaddr *)&local, sizeof local) < 0)
        die("bind: %s", strerror(errno));
    return fd;
}

int connect_server(int fd) {
    struct sockaddr_in server = loopback(INADDR_LOOPBACK, options.port);
    return connect(fd, (struct sockaddr *)&server, sizeof server);
}

void set_nonblocking(int fd) {
    fcntl(fd, F_SETFL, O_NONBLOCK);
}

int tcp_client(int index) {
    int fd = client_socket(SOCK_STREAM, index);
    if (connect_server(fd) < 0)
        die("connection %d: %s", index + 1, strerror(errno));
    set_nonblocking(fd);
    return fd;
}

void watch(int epoll, int fd, unsigned interest, unsigned number) {
    struct epoll_event event = {.events = interest, .data.u32 = number};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0)
        die("epoll_ctl: %s", strerror(errno));
}

void fill(char *message, int size, unsigned client, unsigned round) {
    unsigned head[2] = {client, round};
    for (int i = 0; i < size; i++)
        message[i] = 'a' + (i + client) % 26;
    memcpy(message, head, size < (int)sizeof head ? (size_t)size : sizeof head);
}

static void mark(const char *name) {
    char line[16];
    printf("%s\n", name);
    fflush(stdout);
    if (!fgets(line, sizeof line, stdin))
        exit(2);
}

static const struct mode *parse(int argc, char **argv) {
    static const struct option known[] = {{"port", 1, 0, 'p'},
                                          {"connections", 1, 0, 'c'},
                                          {"active", 1, 0, 'a'},
                                          {"size", 1, 0, 's'},
                                          {"inflight", 1, 0, 'k'},
                                          {"others", 1, 0, 'o'},
                                          {"per-source", 1, 0, 'r'},
                                          {"bytes", 1, 0, 'b'},
                                          {"spin", 1, 0, 'x'},
                                          {"warmup", 1, 0, 'w'},
                                          {"seconds", 1, 0, 't'},
                                          {0, 0, 0, 0}};
    static const struct mode *const modes[] = {&pingpong, &broadcast, &bulk,
                                               &udp,      &churn,     &idle,
                                               &transfer, &chat,      &chat_idle,
                                               &chat_join, &chat_slow, &relay};
    for (int found; (found = getopt_long(argc, argv, "", known, NULL)) != -1;)
        switch (found) {
        case 'p': options.port = atoi(optarg); break;
        case 'c': options.connections = atoi(optarg); break;
        case 'a': options.active = atoi(optarg); break;
        case 's': options.size = atoi(optarg); break;
        case 'o': options.others = atoi(optarg); break;
        case 'k': options.inflight = atoi(optarg); break;
        case 'r': options.per_source = atoi(optarg); break;
        case 'b': options.bytes = atoll(optarg); break;
        case 'x': options.spin = atoi(optarg); break;
        case 'w': options.warmup = atof(optarg); break;
        case 't': options.seconds = atof(optarg); break;
        default: exit(2);
        }
    if (options.active == 0 || options.active > options.connections)
        options.active = options.connections;
    if (!options.port || options.connections < 1 || options.inflight < 1 ||
        options.per_source < 1 || options.size < 8 || options.size > INPUT_SIZE)
        die("options out of range");
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++)
        if (optind == argc - 1 && strcmp(argv[optind], modes[i]->name) == 0)
            return modes[i];
    die("which mode?");
}

int main(int argc, char **argv) {
    const struct mode *mode = parse(argc, argv);
    signal(SIGPIPE, SIG_IGN);
    mode->setup();
    mode->run(options.warmup, true);
    mark("start");
    memset(&totals, 0, sizeof totals);
    double wall = now(), cpu = seconds_of(CLOCK_PROCESS_CPUTIME_ID);
    mode->run(options.seconds, false);
    wall = totals.heard - wall;
    cpu = seconds_of(CLOCK_PROCESS_CPUTIME_ID) - cpu;
    mark("stop");
    printf("{\"mode\": \"%s\", \"units\": %lld, \"errors\": %lld, \"resent\": %lld, "
           "\"served\": %d, \"wall\": %.6f, \"cpu\": %.6f, \"median\": %.3f, "
           "\"p99\": %.3f, \"worst\": %.3f, \"cut\": %d}\n",
           mode->name, totals.units, totals.errors, totals.resent, totals.served, wall,
           cpu, totals.median, totals.p99, totals.worst, totals.cut);
}
