"""What each of the services logs, beside what the daemon does."""

from __future__ import annotations

from typing import Final

from netsvc.daemon.log_event import REASON, SERVICE, SUPPRESSED, Event

_NAME: Final = {"backend": "the backend's name"}
_POOL: Final = {**SERVICE, "pool": "the pool, as in the metrics"}
_BACKEND: Final = {**_POOL, **_NAME}
_JOURNAL: Final = {"path": "the journal's file"}

#: In the order of the page for operators.
SERVICE_EVENTS: Final = (
    # netsvc-echo
    Event(
        "journal-recovered",
        "info",
        "The journal can be written again.",
        {**_JOURNAL, "errors": "how many errors there were"},
    ),
    Event(
        "journal-failed",
        "error",
        "The journal cannot be written or rotated.",
        {
            **_JOURNAL,
            "work": "what failed",
            **REASON,
            "errors": "how many errors so far",
        },
    ),
    Event(
        "journal-restarted",
        "error",
        "The process that writes the journal ended; another one is started.",
        {**_JOURNAL, **REASON, "restarts": "how many so far"},
    ),
    Event(
        "journal-dropped",
        "warn",
        "The disk is too slow: records were left out (`journal_when_full`).",
        {**_JOURNAL, "dropped": "how many so far"},
    ),
    Event(
        "journal-lost",
        "error",
        "The daemon stopped before all records were on disk.",
        {**_JOURNAL, "seconds": "how long it waited", "lost": "records lost"},
    ),
    # netsvc-balance
    Event(
        "backend-up",
        "info",
        "A check found that a backend works.",
        {**_BACKEND, "state": "`up`", "detail": "what the check saw"},
        by=("service", "pool", "backend"),
    ),
    Event(
        "backend-down",
        "info",
        "A check found that a backend does not work.",
        {**_BACKEND, "state": "`down`", "detail": "what the check saw"},
        by=("service", "pool", "backend"),
    ),
    Event(
        "backend-ejected",
        "warn",
        "Connections to a backend fail: it is left out for a while.",
        {**_BACKEND, "failure": "how they failed"},
        by=("service", "pool", "backend"),
    ),
    Event(
        "backend-addresses",
        "info",
        "The name of a backend has other addresses now.",
        {
            **_BACKEND,
            "number": "how many",
            "added": "new ones",
            "removed": "those gone",
        },
        by=("service", "pool", "backend"),
    ),
    Event(
        "backend-lookup-failed",
        "warn",
        "The name of a backend, or targets of its SRV records, cannot be looked up;"
        " the addresses that are known stay.",
        {**_BACKEND, "problem": "what cannot be looked up", "error": "why"},
        by=("service", "pool", "backend"),
    ),
    Event(
        "backend-found",
        "info",
        "The name of a backend can be looked up again.",
        _BACKEND,
        by=("service", "pool", "backend"),
    ),
    Event(
        "no-backend",
        "warn",
        "A client could not be served. Once a second for each pool.",
        {
            **SERVICE,
            "pool": "the pool, or `-` if none is for what the client asks for",
            **REASON,
            **SUPPRESSED,
        },
        by=("service", "pool"),
    ),
    Event(
        "control",
        "info",
        "An operator used the control socket.",
        {
            **SERVICE,
            "command": "the command",
            **_NAME,
            "weight": "the weight that was set, if one was",
        },
        limited=False,
    ),
    Event(
        "certificates",
        "info",
        "Changed certificates are in use.",
        {**SERVICE, "listen": "the listen string"},
    ),
    Event(
        "certificates-kept",
        "error",
        "Changed certificates cannot be used; the old ones stay.",
        {**SERVICE, "listen": "the listen string", "error": "why"},
    ),
    # netsvc-chat
    Event(
        "operator",
        "info",
        "An operator of the chat used a command.",
        {"who": "who", "what": "the command", "about": "about whom or what"},
        limited=False,
    ),
    Event(
        "store-degraded",
        "error",
        "What is said cannot be stored.",
        {**SERVICE, **REASON},
    ),
    Event(
        "store-recovered",
        "warn",
        "What is said is stored again.",
        SERVICE,
    ),
    Event(
        "forget-failed",
        "error",
        "What a deleted account said could not be removed from the store.",
        {"account": "the account", **REASON},
    ),
    # netsvc-dns
    Event(
        "upstream",
        "info",
        "Where questions are sent.",
        {
            **SERVICE,
            "servers": "the servers",
            "validation": "whether answers are validated",
        },
        limited=False,
    ),
)
