/* IRC clients: what the modes of chat share. */

#ifndef LOAD_IRC_H
#define LOAD_IRC_H

#include "load.h"

#define CHANNEL "#bench"

enum { LINE_SIZE = 1024 };

/* What a client has got so far. */
enum irc_state { IRC_NEW, IRC_REGISTERED, IRC_JOINED };

struct irc {
    int fd;
    enum irc_state state;      /* reached */
    int from, to;              /* of what has come and is not taken yet */
    char line[LINE_SIZE];      /* the last line, with its end, as a string */
    char buffer[2 * LINE_SIZE];
};

/* Connect client number `index` and begin to negotiate, as clients do; wait until the
   server says something. Returns with the socket non-blocking. */
void irc_connect(struct irc *client, int index);

/* Connect them all, register them, and let them join the channel if they are to get
   that far; wait until they have. */
void irc_begin(struct irc *clients, int count, enum irc_state target);

/* Let one say something; wait until the others have it, and so all that came before.
   Returns what a client other than the sender got for it: a line with its end. */
const char *irc_settle(struct irc *clients, int count, int sender, const char *text);

/* Take the next line into `line`, if there is a whole one. */
bool irc_line(struct irc *client);

/* Forget all that has come; say whether the connection is still there. */
bool irc_drain(struct irc *client);

/* Write all of a text. */
void irc_send(struct irc *client, const char *text);

#endif
