/* What one client sends goes to many; a unit is one delivery. */

#ifndef LOAD_FANOUT_H
#define LOAD_FANOUT_H

#include "load.h"

struct fanout {
    int sender;       /* who sends */
    const int *fds;   /* who must get it; the sender may be one of them */
    int receivers;    /* how many they are */
    const char *sent; /* what is sent each time */
    int sent_size;
    const char *due; /* what each of them must get for it, and nothing else */
    int due_size;
};

/* All who take part are connected, and have read all that came before. */
void fanout_start(const struct fanout *wanted);

/* Send until the time is over, `options.inflight` at a time on their way to somebody;
   see `run` of struct mode. */
void fanout_run(double seconds, bool warm);

#endif
