"""When a result is a warning or critical, as monitoring plugins say it.

Levels and performance data follow the Monitoring Plugins guidelines; a value
that reaches a threshold exceeds it, as in C{check_ping}.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from netsvc.echo.probe.quantity import milliseconds
from netsvc.echo.probe.statistics import Statistics

__all__ = ["Level", "Limit", "Thresholds", "Verdict"]


class Level(IntEnum):
    """How it stands; the value is the exit status."""

    OK = 0
    WARNING = 1
    CRITICAL = 2
    UNKNOWN = 3


@dataclass(frozen=True, slots=True)
class Limit:
    """Where one figure becomes a warning and where critical, or L{None}."""

    warning: float | None = None
    critical: float | None = None

    def level(self, value: float) -> Level:
        """Judge C{value}."""
        if self.critical is not None and value >= self.critical:
            return Level.CRITICAL
        if self.warning is not None and value >= self.warning:
            return Level.WARNING
        return Level.OK

    def for_perfdata(self) -> str:
        """Write the two limits as performance data has them."""
        return ";".join(
            "" if limit is None else f"{limit:.10g}"
            for limit in (self.warning, self.critical)
        )


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a run stands, and why where it is not well."""

    level: Level
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Thresholds:
    """The limits of a run.

    @ivar rtt: of the mean round-trip time, milliseconds.
    @ivar loss: of packets without an answer, percent.
    @ivar jitter: of the mean absolute IPDV, milliseconds.
    """

    rtt: Limit = Limit()
    loss: Limit = Limit()
    jitter: Limit = Limit()

    def judge(self, statistics: Statistics) -> Verdict:
        """Judge a run.

        Whatever the limits are, no intact answer at all is critical (unknown if
        packets were refused or did not get there), and an answer that is not the
        bytes sent is a warning: it is no RFC 862 echo.
        """
        if not statistics.sent:
            return Verdict(Level.UNKNOWN, ("nothing was sent",))
        if not statistics.intact:
            return _judge_nothing(statistics)
        found = [
            (self.loss.level(statistics.loss), f"loss {statistics.loss:.3g} %"),
            _in_milliseconds("mean rtt", self.rtt, statistics.rtt.mean),
        ]
        if statistics.jitter.ipdv.count:
            ipdv = statistics.jitter.ipdv.mean
            found.append(_in_milliseconds("jitter", self.jitter, ipdv))
        damaged = statistics.corrupt + statistics.damaged
        if damaged:
            found.append((Level.WARNING, f"{damaged} corrupt answers"))
        worst = max(level for level, _ in found)
        return Verdict(worst, tuple(reason for level, reason in found if level))

    def perfdata(self, statistics: Statistics) -> str:
        """Write the figures of a run as performance data, without the bar."""
        figures = []
        if statistics.rtt.count:
            rtt = milliseconds(statistics.rtt.mean)
            figures.append(f"rtt={rtt:.6f}ms;{self.rtt.for_perfdata()};0")
        figures.append(f"loss={statistics.loss:.6g}%;{self.loss.for_perfdata()};0;100")
        if statistics.jitter.ipdv.count:
            jitter = milliseconds(statistics.jitter.ipdv.mean)
            figures.append(f"jitter={jitter:.6f}ms;{self.jitter.for_perfdata()};0")
        figures.append(f"sent={statistics.sent};;;0")
        return " ".join(figures)


def _in_milliseconds(name: str, limit: Limit, value: float) -> tuple[Level, str]:
    value = milliseconds(value)
    return limit.level(value), f"{name} {value:.3f} ms"


def _judge_nothing(statistics: Statistics) -> Verdict:
    """Judge a run without an intact answer."""
    if statistics.corrupt + statistics.damaged:
        return Verdict(Level.CRITICAL, ("no intact answer",))
    if statistics.last_rejection:
        return Verdict(Level.UNKNOWN, (statistics.last_rejection,))
    if statistics.disconnects:
        return Verdict(Level.CRITICAL, ("no answer, connection lost",))
    return Verdict(Level.CRITICAL, ("no answer",))
