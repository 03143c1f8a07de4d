/* IRC clients: they connect, register and join; lines in, states out. */

#include "load_irc.h"

/* Seconds until a client must have got what it waits for. */
static const double PATIENCE = 60;

static int epoll;

void irc_send(struct irc *client, const char *text) {
    ssize_t size = strlen(text);
    if (send(client->fd, text, size, 0) != size)
        die("the server does not take what is sent");
}

void irc_connect(struct irc *client, int index) {
    client->fd = client_socket(SOCK_STREAM, index);
    if (connect_server(client->fd) < 0)
        die("connection %d: %s", index + 1, strerror(errno));
    irc_send(client, "CAP LS 302\r\n");
    /* One after the other: some servers have a short queue of new connections. */
    if (recv(client->fd, input, 1, MSG_PEEK) != 1)
        die("connection %d: the server closed it", index + 1);
    set_nonblocking(client->fd);
}

bool irc_line(struct irc *client) {
    for (;;) {
        char *begin = client->buffer + client->from;
        int waiting = client->to - client->from;
        char *end = memchr(begin, '\n', waiting);
        if (end) {
            int size = end + 1 - begin;
            if (size >= LINE_SIZE)
                die("the server sends an overlong line");
            memcpy(client->line, begin, size);
            client->line[size] = 0;
            client->from += size;
            return true;
        }
        memmove(client->buffer, begin, waiting);
        client->from = 0;
        client->to = waiting;
        ssize_t size = recv(client->fd, client->buffer + waiting,
                            sizeof client->buffer - waiting, 0);
        if (size < 0 && errno == EAGAIN)
            return false;
        if (size <= 0)
            die("the server closed a connection after: %s", client->line);
        client->to += size;
    }
}

bool irc_drain(struct irc *client) {
    ssize_t size;
    while ((size = recv(client->fd, input, sizeof input, 0)) > 0)
        continue;
    return size < 0 && errno == EAGAIN;
}

/* Act on a line. */
static void heard(struct irc *client) {
    char text[LINE_SIZE];
    if (strncmp(client->line, "PING ", 5) == 0) {
        snprintf(text, sizeof text, "PONG %s", client->line + 5);
        irc_send(client, text);
        return;
    }
    if (strncmp(client->line, "ERROR", 5) == 0)
        die("the server says: %s", client->line);
    const char *verb = strchr(client->line, ' ');
    if (verb && strncmp(verb, " 001 ", 5) == 0)
        client->state = IRC_REGISTERED;
    else if (verb && strncmp(verb, " 366 ", 5) == 0)
        client->state = IRC_JOINED;
}

/* Say what brings a client on from the state that it is in. */
static void go_on(struct irc *client, int index) {
    char text[200];
    if (client->state == IRC_REGISTERED)
        irc_send(client, "JOIN " CHANNEL "\r\n");
    else if (client->state == IRC_NEW) {
        snprintf(text, sizeof text,
                 "NICK c%d\r\nUSER bench 0 * :A client\r\nCAP END\r\n",
                 index);
        irc_send(client, text);
    }
}

void irc_begin(struct irc *clients, int count, enum irc_state target) {
    struct epoll_event events[EVENTS];
    int left = count;
    epoll = epoll_create1(0);
    for (int i = 0; i < count; i++) {
        irc_connect(&clients[i], i);
        go_on(&clients[i], i);
        watch(epoll, clients[i].fd, EPOLLIN, i);
    }
    for (double limit = now() + PATIENCE; left > 0;) {
        int found = epoll_wait(epoll, events, EVENTS, 100);
        if (now() > limit)
            die("%d clients get no answer; the first one got: %s", left, clients[0].line);
        for (int i = 0; i < found; i++) {
            int index = events[i].data.u32;
            struct irc *client = &clients[index];
            enum irc_state before = client->state;
            while (irc_line(client))
                heard(client);
            if (client->state == before || before == target)
                continue;
            if (client->state == target)
                left--;
            else
                go_on(client, index);
        }
    }
    close(epoll);
}

const char *irc_settle(struct irc *clients, int count, int sender, const char *text) {
    char line[LINE_SIZE];
    snprintf(line, sizeof line, "PRIVMSG " CHANNEL " :%s\r\n", text);
    irc_send(&clients[sender], line);
    snprintf(line, sizeof line, " PRIVMSG " CHANNEL " :%s\r\n", text);
    double limit = now() + PATIENCE;
    for (int i = 0; i < count; i++)
        while (i != sender) {
            if (!irc_line(&clients[i]))
                usleep(1000);
            else if (strstr(clients[i].line, line))
                break;
            if (now() > limit)
                die("client %d does not get what another one said", i + 1);
        }
    return clients[sender == 0].line;
}
