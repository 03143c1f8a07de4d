"""The report as JSON lines: what programs read.

Each line is an object with a C{type}: C{start}, C{packet}, C{unexpected},
C{connected}, C{disconnected}, C{summary} or C{error}. Times of day are seconds
since 1970, durations are milliseconds (names end in C{_ms}) or seconds (C{_s}).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from netsvc.echo.probe.events import Connected, Disconnected, Event, PacketEvent, Status
from netsvc.echo.probe.histogram import Histogram
from netsvc.echo.probe.quantity import milliseconds, seconds
from netsvc.echo.probe.result import Result
from netsvc.echo.probe.running import Running
from netsvc.echo.probe.statistics import Statistics
from netsvc.echo.probe.target import ProbeSettings
from netsvc.echo.probe.thresholds import Verdict

__all__ = ["event_record", "start_record", "summary_record"]

Record = dict[str, Any]


def _ms(nanoseconds: float) -> float:
    return round(milliseconds(nanoseconds), 6)


def start_record(settings: ProbeSettings, address: str, time: float) -> Record:
    """Describe the run to come."""
    return {
        "type": "start",
        "time": time,
        "host": settings.host,
        "address": address,
        "port": settings.port,
        "transport": settings.transport.value,
        "sizes": list(settings.sizes),
        "interval_s": seconds(settings.interval),
        "timeout_s": seconds(settings.timeout),
        "count": settings.count,
        "duration_s": (
            None if settings.duration is None else seconds(settings.duration)
        ),
    }


def event_record(event: Event, time_of_day: Callable[[int], float]) -> Record:
    """Describe an event.

    @param time_of_day: converts from nanoseconds of the probe's clock.
    """
    if isinstance(event, PacketEvent):
        return _packet_record(event, time_of_day)
    if isinstance(event, Connected):
        record = {"type": "connected", "connect_ms": _ms(event.connect_time)}
        if event.handshake_time is not None:
            record["handshake_ms"] = _ms(event.handshake_time)
            record["tls_version"] = event.tls_version
        return record
    if isinstance(event, Disconnected):
        return {"type": "disconnected", "reason": event.reason}
    return {"type": "unexpected", "bytes": event.size, "damaged": event.damaged}


def _packet_record(event: PacketEvent, time_of_day: Callable[[int], float]) -> Record:
    record: Record = {
        "type": "packet",
        "seq": event.sequence,
        "status": event.status.value,
    }
    if event.status is not Status.STALE:
        record["bytes"] = event.size
        record["sent"] = time_of_day(event.sent)
    if event.rtt is not None:
        record["rtt_ms"] = _ms(event.rtt)
    if event.reordered:
        record["reordered"] = True
    if event.detail:
        record["detail"] = event.detail
    return record


def _spread(running: Running) -> Record | None:
    if not running.count:
        return None
    return {
        "min": _ms(running.minimum),
        "mean": _ms(running.mean),
        "max": _ms(running.maximum),
        "stddev": _ms(running.standard_deviation),
        "samples": running.count,
    }


def _rtt(statistics: Statistics) -> Record | None:
    spread = _spread(statistics.rtt)
    if spread is not None:
        names = ("median", "p95", "p99")
        values = statistics.histogram.quantiles(0.5, 0.95, 0.99)
        spread.update(
            {name: _ms(value) for name, value in zip(names, values, strict=True)}
        )
    return spread


def summary_record(result: Result, verdict: Verdict, with_histogram: bool) -> Record:
    """Describe how the run went. A figure that nothing is known of is null."""
    statistics = result.statistics
    jitter = statistics.jitter
    record: Record = {
        "type": "summary",
        "status": verdict.level.name.lower(),
        "reasons": list(verdict.reasons),
        "elapsed_s": seconds(result.elapsed),
        "sent": statistics.sent,
        "received": statistics.received,
        "lost": statistics.lost,
        "loss_percent": round(statistics.loss, 6),
        "in_flight": statistics.in_flight,
        "late": statistics.late,
        "duplicates": statistics.duplicates,
        "reordered": statistics.reordered,
        "corrupt": statistics.corrupt,
        "damaged": statistics.damaged,
        "unexpected": statistics.unexpected,
        "stale": statistics.stale,
        "refused": statistics.refused,
        "unreachable": statistics.unreachable,
        "errors": statistics.errors,
        "disconnects": statistics.disconnects,
        "skipped": result.schedule.skipped,
        "bursts": {
            "count": statistics.bursts.count,
            "longest": statistics.bursts.longest,
        },
        "rtt_ms": _rtt(statistics),
        "jitter_ms": {
            "rfc3550": (
                None if jitter.interarrival is None else _ms(jitter.interarrival)
            ),
            "mean_abs_ipdv": _ms(jitter.ipdv.mean) if jitter.ipdv.count else None,
            "pairs": jitter.ipdv.count,
        },
        "timer_error_ms": _spread(result.schedule.timer_error),
        "connect_ms": _spread(statistics.connect_time),
        "handshake_ms": _spread(statistics.handshake_time),
    }
    if statistics.by_size:
        record["by_size"] = [
            {
                "bytes": size,
                "sent": row.sent,
                "received": row.received,
                "lost": row.lost,
                "corrupt": row.corrupt,
                "rtt_ms": _spread(row.rtt),
            }
            for size, row in sorted(statistics.by_size.items())
        ]
    if with_histogram:
        record["histogram"] = _histogram(statistics.histogram)
    return record


def _histogram(histogram: Histogram) -> list[Record]:
    return [
        {
            "from_ms": _ms(row.low),
            "to_ms": None if row.high == float("inf") else _ms(row.high),
            "count": row.count,
        }
        for row in histogram.rows()
    ]
