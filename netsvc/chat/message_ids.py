"""Names of messages that no other message ever has, over restarts too."""

from __future__ import annotations

import base64
import itertools
from collections.abc import Callable


def message_ids(start: int, random: Callable[[int], bytes]) -> Callable[[], str]:
    """
    Make a function that names messages.

    A name is when the process started, something random, and a count.

    @param start: When, in ms since the epoch.
    @param random: Gives so many random bytes.
    """
    prefix = base64.b32encode(start.to_bytes(6, "big") + random(4))
    head = prefix.decode("ascii").lower().rstrip("=") + "-"
    count = itertools.count(1).__next__
    return lambda: f"{head}{count():x}"
