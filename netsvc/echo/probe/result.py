"""What a run of the probe has found."""

from __future__ import annotations

from dataclasses import dataclass

from netsvc.echo.probe.schedule import Schedule
from netsvc.echo.probe.statistics import Statistics

__all__ = ["Result"]


@dataclass(frozen=True, slots=True)
class Result:
    """How a run went, so far or in all.

    @ivar elapsed: nanoseconds since the first packet was due.
    """

    statistics: Statistics
    schedule: Schedule
    elapsed: int
