"""
Snapshots between processes: to JSON and back; and where they come from.

What cannot be read is refused as a whole, for a worker's slab may hold anything after
the worker has died.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Protocol, TypeVar

from twisted.internet.defer import Deferred

from netsvc.daemon.report import (
    Connected,
    Family,
    Histogram,
    Listening,
    Sample,
    ServiceReport,
    Snapshot,
    Table,
)

_T = TypeVar("_T")


class SnapshotSource(Protocol):
    """What the admin pages show, and what they may ask for."""

    def snapshots(self) -> Sequence[Snapshot]:
        """Give one of each process, the first worker's first."""

    @property
    def ready(self) -> bool:
        """Whether clients are served: not while it starts, and not in a drain."""

    def reload(self) -> Deferred[list[str]]:
        """Read the configuration again; gives what is wrong, nothing if it is used."""


def encode(snapshot: Snapshot) -> bytes:
    """Write a snapshot as JSON (UTF-8), on one line."""
    # Without the copy that asdict makes: workers do this every second.
    return json.dumps(snapshot, default=by_name, separators=(",", ":")).encode()


def by_name(part: Any) -> dict[str, Any]:
    """Give what a part of a snapshot consists of."""
    return {name: getattr(part, name) for name in part.__slots__}


def decode(data: bytes) -> Snapshot:
    """
    Read what L{encode} wrote.

    @raise ValueError: It is no snapshot.
    """
    try:
        made = json.loads(data)
        return make(
            Snapshot,
            made,
            services=tuple(map(service_report, made["services"])),
            lag=make(
                Histogram,
                made["lag"],
                bounds=tuple(made["lag"]["bounds"]),
                counts=tuple(made["lag"]["counts"]),
            ),
        )
    except (KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"this is no snapshot: {error!r}") from None


def service_report(made: dict[str, Any]) -> ServiceReport:
    """
    Make a service's report of what JSON had.

    @raise KeyError: Something is missing.
    @raise TypeError: Something is of another kind.
    """
    return make(
        ServiceReport,
        made,
        listening=tuple(make(Listening, each) for each in made["listening"]),
        connections=tuple(make(Connected, each) for each in made["connections"]),
        families=tuple(map(_family, made["families"])),
        tables=tuple(
            make(
                Table,
                each,
                columns=tuple(each["columns"]),
                rows=tuple(map(tuple, each["rows"])),
            )
            for each in made["tables"]
        ),
    )


def _family(made: dict[str, Any]) -> Family:
    return make(
        Family, made, samples=tuple(make(Sample, each) for each in made["samples"])
    )


def make(kind: type[_T], made: dict[str, Any], **others: Any) -> _T:
    """
    Make an object of what JSON had, and of parts that are made already.

    @raise TypeError: Something is missing.
    """
    names: tuple[str, ...] = kind.__slots__  # type: ignore[attr-defined] # it has
    return kind(**{name: made[name] for name in names if name in made} | others)
