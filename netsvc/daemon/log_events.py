"""Every kind of event that netsvc logs: its name, level, fields and meaning.

The name is the field C{event} of the JSON log. A test holds the code to this list,
and C{docs/logs.md} is made of it::

    python -m netsvc.daemon.log_events > docs/logs.md

The kinds stand in L{netsvc.daemon.log_events_daemon} and
L{netsvc.daemon.log_events_services}.
"""

from __future__ import annotations

from typing import Final

from netsvc.daemon.log_events_daemon import DAEMON_EVENTS
from netsvc.daemon.log_events_services import SERVICE_EVENTS

#: All of them, by name.
EVENTS: Final = {event.name: event for event in (*DAEMON_EVENTS, *SERVICE_EVENTS)}

_HEAD: Final = """\
# What netsvc logs

<!-- Made by `python -m netsvc.daemon.log_events`; a test compares. -->

One line an event. `log_format = "json"` gives objects with `time`, `level`,
`namespace`, `message`, the fields below, `event` (the name below), and `worker` where
several processes write. A traceback is in `error` and `traceback`, never on lines of
its own.

`service` is what the metrics have under this name: `netsvc-balance`, or
`netsvc-balance/web` where several have names. So are `pool` and `backend`.

When more than 10 lines of one event (for backends: of one event, service, pool and
backend) come in a second, after 100 at once, the others are counted instead, and a line
`suppressed` says how many. Marked with * are those that are never left out.

| event | level | when | fields |
|---|---|---|---|
"""


def document() -> str:
    """Give the page for operators, in Markdown."""
    rows = []
    for event in EVENTS.values():
        fields = "; ".join(f"`{name}` {what}" for name, what in event.fields.items())
        star = "" if event.limited else " *"
        rows.append(
            f"| `{event.name}`{star} | {event.level} | {event.meaning} | {fields} |\n"
        )
    return _HEAD + "".join(rows)


if __name__ == "__main__":
    print(document(), end="")
