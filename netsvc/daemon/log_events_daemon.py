"""What the daemon itself logs, and its workers, whatever the services."""

from __future__ import annotations

from typing import Final

from netsvc.daemon.log_event import SERVICE, SUPPRESSED, Event

_WORKER: Final = {"worker": "its number, from 0", "pid": "its process id"}

#: In the order of the page for operators.
DAEMON_EVENTS: Final = (
    Event(
        "listening",
        "info",
        "A service accepts connections or datagrams.",
        {
            **SERVICE,
            "listen": "the listen string",
            "address": "the address that it came to",
        },
        limited=False,
    ),
    Event(
        "limit-lowered",
        "warn",
        "The system allows too few open files for a limit that was set. (Those that"
        " were not set adapt.)",
        {
            **SERVICE,
            "setting": "its key, such as `max_connections`",
            "wanted": "what it was set to",
            "limit": "how many are taken",
        },
    ),
    Event(
        "connection-refused",
        "warn",
        "A connection was closed at once, because of a limit. Once a second.",
        {**SERVICE, "host": "from where", "reason": "the limit", **SUPPRESSED},
        by=("service",),
    ),
    Event(
        "descriptors-exhausted",
        "warn",
        "Connections were closed because there were no descriptors. Once a second.",
        {
            "port": "the port",
            "error": "the system's error, such as `EMFILE`",
            "closed": "how many were closed since the last such line",
        },
        by=("port",),
    ),
    Event(
        "drain",
        "info",
        "The daemon stops listening and lets connections finish.",
        {"why": "what for, such as `SIGTERM`", "timeout": "seconds it may take"},
        limited=False,
    ),
    Event(
        "stop",
        "info",
        "It was told again, and cuts what is left.",
        {"why": "what for, such as `SIGTERM`"},
        limited=False,
    ),
    Event(
        "listening-ended",
        "info",
        "A service listens no more where it did, after a reload.",
        {**SERVICE, "listen": "the listen string"},
        limited=False,
    ),
    Event(
        "reload",
        "info",
        "A reload begins.",
        {"why": "what for, such as `SIGHUP`"},
        limited=False,
    ),
    Event(
        "reloaded",
        "info",
        "The configuration was read again, and is used.",
        {},
        limited=False,
    ),
    Event(
        "reload-problem",
        "error",
        "What is wrong with the new configuration; a line for each mistake.",
        {"problem": "the file and the line, the setting, and what is wrong"},
        limited=False,
    ),
    Event(
        "reload-refused",
        "error",
        "The new configuration cannot be used, and the old one stays.",
        {"count": "how many mistakes there are"},
        limited=False,
    ),
    Event(
        "summary",
        "info",
        "How the daemon is, on SIGUSR2.",
        {
            "state": "`starting`, `ready` or `draining`",
            "reloads": "how many reloads there were",
            "failed": "how many of them were refused",
        },
        limited=False,
    ),
    Event(
        "service-summary",
        "info",
        "What a service has counted so far, on SIGUSR2.",
        {
            **SERVICE,
            "text": "what it counted, as one text",
            "counters": "the same, by name",
        },
        limited=False,
    ),
    # Workers
    Event(
        "worker-alone",
        "info",
        "A service runs in worker 0 alone.",
        {"entry": "its table, such as `chat`", "why": "why"},
        limited=False,
    ),
    Event(
        "worker-ready",
        "info",
        "A worker has started, and serves.",
        _WORKER,
        limited=False,
    ),
    Event(
        "worker-died",
        "error",
        "A worker has ended unasked; its connections are lost, and it is replaced.",
        {
            **_WORKER,
            "how": "the signal or the exit status",
            "wait": "seconds until it is replaced",
        },
        limited=False,
    ),
    Event(
        "worker-refused",
        "error",
        "A worker that was to replace another cannot start.",
        {"worker": _WORKER["worker"], "problem": "why"},
    ),
    Event(
        "worker-not-started",
        "error",
        "The system cannot start a worker.",
        {
            "worker": _WORKER["worker"],
            "reason": "the system's error",
            "wait": "seconds until the next try",
        },
    ),
    Event(
        "worker-hung",
        "error",
        "A worker did nothing for long; it is killed, and then replaced.",
        {**_WORKER, "seconds": "how long"},
        limited=False,
    ),
    Event(
        "worker-orphaned",
        "error",
        "A worker's parent is gone, and so it stops.",
        {},
        limited=False,
    ),
    Event(
        "worker-ended",
        "info",
        "A worker has ended as it was told.",
        {**_WORKER, "how": "the signal or the exit status"},
        limited=False,
    ),
    Event(
        "worker-summary",
        "info",
        "How a worker is, on SIGUSR2.",
        {
            **_WORKER,
            "state": "its process id, or `gone`",
            "deaths": "how often it died since it was stable",
        },
        limited=False,
    ),
    Event(
        "stopped",
        "info",
        "A service has stopped.",
        {
            **SERVICE,
            "text": "what it counted, as one text",
            "counters": "the same, by name",
        },
        limited=False,
    ),
    Event(
        "log-reopened",
        "info",
        "The log files were opened again (SIGUSR1); the first line of the new file.",
        {},
        limited=False,
    ),
    Event(
        "log-not-reopened",
        "error",
        "A log file could not be opened again: lines go where they went before.",
        {"problem": "the file, and why"},
        limited=False,
    ),
    Event(
        "suppressed",
        "warn",
        "Lines of one kind came too fast, and some were left out.",
        {"count": "how many", "of": "their event, or their text if it has none"},
        limited=False,
    ),
    Event(
        "internal-error",
        "critical",
        "A mistake in netsvc, with its traceback: please report it.",
        {},
    ),
    Event(
        "handler-failed",
        "critical",
        "A mistake in netsvc, which cost one connection or port: please report it.",
        {"who": "the connection or port"},
    ),
)
