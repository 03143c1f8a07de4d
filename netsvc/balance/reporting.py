"""What netsvc-balance tells about itself beside its sessions: pools and backends."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from netsvc.daemon.report import (
    COUNTER,
    GAUGE,
    MAX_ROWS,
    STATE,
    Family,
    Sample,
    Table,
)

_POOLS: Final = (
    *("Pool", "Policy", "Available", "Sessions", "Total", "Rate (1/s)", "Waiting"),
    *("In (B)", "Out (B)"),
)
_BACKENDS: Final = (
    *("Pool", "Backend", "Address", "State", "For (s)", "Last check", "Weight"),
    *("Sessions", "Total", "Rate (1/s)", "In (B)", "Out (B)", "Errors"),
)

Status = Mapping[str, Any]


def tables(pools: Sequence[Status]) -> tuple[Table, ...]:
    """
    Make the tables of pools and of backends.

    @param pools: What C{Pool.status} gives.
    """
    backends = list(_backends(pools))
    return (
        Table(
            "Pools",
            _POOLS,
            tuple(_pool_row(pool) for pool in pools[:MAX_ROWS]),
            len(pools),
        ),
        Table(
            "Backends",
            _BACKENDS,
            tuple(_backend_row(*each) for each in backends[:MAX_ROWS]),
            len(backends),
        ),
    )


def _backends(pools: Iterable[Status]) -> Iterator[tuple[str, Status]]:
    for pool in pools:
        for backend in pool["backends"]:
            yield pool["name"], backend


def _pool_row(pool: Status) -> tuple[str | int | float, ...]:
    return (
        pool["name"],
        pool["policy"],
        f"{pool['available']} of {len(pool['backends'])}",
        *(pool[name] for name in ("sessions", "sessions_total", "rate", "waiting")),
        *(pool[name] for name in ("bytes_in", "bytes_out")),
    )


def _backend_row(pool: str, backend: Status) -> tuple[str | int | float, ...]:
    errors = " ".join(f"{name}={n}" for name, n in backend["errors"].items() if n)
    return (
        pool,
        backend["name"] + (" (backup)" if backend["backup"] else ""),
        *(backend[name] for name in ("address", "state", "since")),
        _check(backend["check"]),
        *(backend[name] for name in ("weight", "sessions", "sessions_total", "rate")),
        *(backend[name] for name in ("bytes_in", "bytes_out")),
        errors or "-",
    )


def _check(check: Status | None) -> str:
    """Say how the last check was."""
    if check is None:
        return "-"
    detail = check["detail"] or ("ok" if check["passed"] else "failed")
    # One that failed has taken as long as it was waited for: no news.
    return f"{detail}, {check['seconds'] * 1000:.1f} ms" if check["passed"] else detail


def families(
    pools: Sequence[Status], udp_sessions: int, max_udp_sessions: int
) -> tuple[Family, ...]:
    """
    Make the metrics of pools and backends, which the configuration has named.

    @param udp_sessions: How many UDP sessions there are.
    @param max_udp_sessions: How many there may be, of all ports.
    """

    def of_backends(name: str, kind: str, help: str, key: str) -> Family:
        samples = (
            Sample(each[key], {"pool": pool, "backend": each["name"]})
            for pool, each in _backends(pools)
        )
        return Family(name, kind, help, tuple(samples))

    up = (
        Sample(float(each["state"] == "up"), {"pool": pool, "backend": each["name"]})
        for pool, each in _backends(pools)
    )
    errors = (
        Sample(n, {"pool": pool, "backend": each["name"], "error": error})
        for pool, each in _backends(pools)
        for error, n in each["errors"].items()
    )
    moved = (
        Sample(each[key], {"pool": pool, "backend": each["name"], "direction": name})
        for pool, each in _backends(pools)
        for name, key in (("in", "bytes_in"), ("out", "bytes_out"))
    )
    waiting = (Sample(each["waiting"], {"pool": each["name"]}) for each in pools)
    return (
        Family(
            "backend_up",
            STATE,
            "1 if a backend gets sessions, else 0.",
            tuple(up),
        ),
        of_backends(
            "backend_sessions", GAUGE, "Sessions that a backend has.", "sessions"
        ),
        of_backends(
            "backend_sessions",
            COUNTER,
            "Sessions that a backend has had.",
            "sessions_total",
        ),
        of_backends(
            "backend_checks_failed",
            COUNTER,
            "Checks that a backend has not passed.",
            "checks_failed",
        ),
        of_backends(
            "backend_ejections",
            COUNTER,
            "How often a backend was ejected for what its clients met.",
            "ejections",
        ),
        Family(
            "backend_errors",
            COUNTER,
            "Connections to a backend that failed, or that it broke.",
            tuple(errors),
        ),
        Family(
            "backend_bytes",
            COUNTER,
            "Bytes: in, to a backend; out, from it.",
            tuple(moved),
        ),
        Family(
            "pool_waiting",
            GAUGE,
            "Clients that wait for a backend.",
            tuple(waiting),
        ),
        Family(
            "udp_sessions",
            GAUGE,
            "UDP sessions that there are.",
            (Sample(udp_sessions),),
        ),
        Family(
            "max_udp_sessions",
            GAUGE,
            "UDP sessions that there may be: as many as were asked for, or as there"
            " are descriptors for.",
            (Sample(max_udp_sessions),),
        ),
    )
