"""Room for connections among the process's file descriptors."""

from __future__ import annotations

import resource

#: Descriptors kept for what is no connection: listeners, log, journal, pipes.
RESERVED_DESCRIPTORS = 64


def connection_limit(wanted: int) -> int:
    """
    Make room for C{wanted} connections among the descriptors, if the system
    lets us, and give how many there is room for (at least 1).
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = wanted + RESERVED_DESCRIPTORS
    if soft < needed and soft != resource.RLIM_INFINITY:
        soft = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        except (OSError, ValueError):
            # A sandbox or the kernel's own limit: what there is has to do.
            soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        return max(1, min(wanted, soft - RESERVED_DESCRIPTORS))
    return wanted
