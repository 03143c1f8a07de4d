/* Chat, by IRC.

   chat: one of the clients in a channel speaks, until the others have it and it speaks
   again; a unit is one delivery.

   chat-idle: clients register and say nothing, until told to go on.

   chat-join: clients connect, register and join one channel; a unit is a client. What
   "start" and "stop" stand for is one such crowd. */

#include "load_fanout.h"
#include "load_irc.h"

static struct irc *clients;
static int *sockets;
static char *sent, *due;

/* A text that no other line has in it. */
static char *text_of(int size) {
    char *text = room(size + 1, 1);
    for (int i = 0; i < size; i++)
        text[i] = 'a' + i % 26;
    return text;
}

static void setup_chat(void) {
    int count = options.connections;
    clients = room(count, sizeof *clients);
    sockets = room(count, sizeof *sockets);
    irc_begin(clients, count, IRC_JOINED);
    /* Whatever one hears now comes after all who have joined. */
    irc_settle(clients, count, count - 1, "everybody is there");
    char *text = text_of(options.size);
    due = strdup(irc_settle(clients, count, 0, text));
    sent = room(options.size + 100, 1);
    sprintf(sent, "PRIVMSG " CHANNEL " :%s\r\n", text);
    for (int i = 0; i < count; i++)
        sockets[i] = clients[i].fd;
    fanout_start(&(struct fanout){sockets[0], sockets + 1, count - 1, sent,
                                  strlen(sent), due, strlen(due)});
}

const struct mode chat = {"chat", setup_chat, fanout_run};

static void setup_idle(void) {
    clients = room(options.connections, sizeof *clients);
    irc_begin(clients, options.connections, IRC_REGISTERED);
    /* The rest of the greeting. */
    for (int i = 0; i < options.connections; i++)
        irc_drain(&clients[i]);
}

/* The waiting itself happens at the mark "start"; this only looks who is still there. */
static void run_idle(double seconds, bool warm) {
    (void)seconds;
    if (warm)
        return;
    for (int i = 0; i < options.connections; i++)
        if (irc_drain(&clients[i]))
            totals.units++;
        else
            totals.errors++;
    totals.served = totals.units;
    totals.heard = now();
}

const struct mode chat_idle = {"chat-idle", setup_idle, run_idle};

static void setup_join(void) {
    clients = room(options.connections, sizeof *clients);
}

static void run_join(double seconds, bool warm) {
    (void)seconds;
    if (warm)
        return;
    int count = options.connections;
    irc_begin(clients, count, IRC_JOINED);
    irc_settle(clients, count, count - 1, "everybody is there");
    totals.units = totals.served = count;
    totals.heard = now();
}

const struct mode chat_join = {"chat-join", setup_join, run_join};
