"""Whether a client that is not read from is still there."""

from __future__ import annotations

import select
from typing import Any

_ENDED = getattr(select, "POLLRDHUP", 0)
_BROKEN = select.POLLERR | select.POLLHUP | select.POLLNVAL


def has_left(transport: Any, end_counts: bool) -> bool:
    """
    See whether a client has left.

    Its bytes stay where they are. That it has sent all does not mean by itself that
    it has left: it may still wait for the answer, and who closes a connection in order
    looks the same from here.

    @param transport: Its connection; with TLS what is below counts.
    @param end_counts: Whether to take the end of what it sends for its leaving, where
        the system tells of it (Linux).
    """
    while (below := getattr(transport, "transport", None)) is not None:
        transport = below
    looking = select.poll()
    try:
        looking.register(transport.fileno(), _ENDED if end_counts else 0)
        return bool(looking.poll(0))
    except (OSError, ValueError, AttributeError):
        return False  # it has no descriptor; its connection will say it
