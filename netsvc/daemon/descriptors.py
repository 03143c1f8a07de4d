"""How many connections the system's limit on descriptors has room for."""

from __future__ import annotations

import resource

#: Descriptors kept for what is no connection: listeners, log, journal, pipes.
RESERVED_DESCRIPTORS = 64


#: At most one in so many descriptors goes to pipes.
PIPE_SHARE = 8


def pipe_limit(wanted: int) -> int:
    """
    Give how many pipes, of two descriptors each, there is room for.

    @param wanted: How many there may be.
    """
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if hard == resource.RLIM_INFINITY:
        return wanted
    return min(wanted, hard // (2 * PIPE_SHARE))


def connection_limit(wanted: int, each: int = 1, others: int = 0) -> int:
    """
    Make room for connections among the descriptors, if the system lets us.

    @param wanted: How many connections there may be.
    @param each: How many descriptors a connection takes.
    @param others: How many descriptors are wanted for something else.
    @return: How many connections there is room for, at least 1.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    kept = RESERVED_DESCRIPTORS + others
    needed = wanted * each + kept
    if soft < needed and soft != resource.RLIM_INFINITY:
        soft = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        except (OSError, ValueError):
            # A sandbox or the kernel's own limit: what there is has to do.
            soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        return max(1, min(wanted, (soft - kept) // each))
    return wanted
