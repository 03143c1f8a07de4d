/* The bytes of a long stream, by which a lost or doubled piece of it is seen. */

#ifndef PATTERN_H
#define PATTERN_H

/* They repeat after a prime number of bytes. */
enum { CHUNK = 256 * 1024, PERIOD = 65521 };

static char pattern[CHUNK + PERIOD];

static void make_pattern(void) {
    for (int i = 0; i < CHUNK + PERIOD; i++)
        pattern[i] = (i % PERIOD) * 31 / 7;
}

/* The byte at `offset` of the stream, and at least CHUNK more that follow it. */
static const char *pattern_at(long long offset) {
    return pattern + offset % PERIOD;
}

#endif
