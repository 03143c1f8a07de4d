"""The report in words: header, a line for each event, summary, histogram."""

from __future__ import annotations

import math

from netsvc.daemon.escape import escape
from netsvc.echo.probe.events import (
    Connected,
    Disconnected,
    Event,
    PacketEvent,
    Status,
)
from netsvc.echo.probe.histogram import Histogram
from netsvc.echo.probe.quantity import (
    format_duration,
    format_milliseconds,
    milliseconds,
    seconds,
)
from netsvc.echo.probe.result import Result
from netsvc.echo.probe.statistics import Statistics
from netsvc.echo.probe.target import ProbeSettings

__all__ = [
    "describe_event",
    "describe_histogram",
    "describe_live",
    "describe_start",
    "describe_summary",
    "describe_target",
]

_BARS = "▏▎▍▌▋▊▉█"
_NAME_WIDTH = 12


def describe_target(settings: ProbeSettings, address: str) -> str:
    """Name the target: host, its address if that is another, port and transport."""
    host = escape(settings.host)
    shown = host if host == address else f"{host} ({address})"
    return f"{shown} port {settings.port}/{settings.transport.value}"


def describe_start(settings: ProbeSettings, address: str) -> str:
    """Say what will be done."""
    sizes = settings.sizes
    size = f"{sizes[0]}" if len(sizes) == 1 else f"{sizes[0]} to {sizes[-1]}"
    interval = format_duration(settings.interval)
    return f"{describe_target(settings, address)}: {size} bytes every {interval}"


def describe_event(event: Event, settings: ProbeSettings) -> str:
    """Say what happened, in a line."""
    if isinstance(event, PacketEvent):
        return _describe_packet(event, settings)
    if isinstance(event, Connected):
        text = f"connected in {format_milliseconds(event.connect_time)} ms"
        if event.handshake_time is not None:
            handshake = format_milliseconds(event.handshake_time)
            text += f", {event.tls_version} handshake {handshake} ms"
        return text
    if isinstance(event, Disconnected):
        return f"disconnected: {event.reason}"
    kind = "no answer to a packet of this run"
    if event.damaged:
        kind = "CORRUPT answer that does not tell to which packet"
    return f"{event.size} bytes received: {kind}"


_REMARKS = {
    Status.LATE: " (late)",
    Status.CORRUPT: " CORRUPT",
    Status.DUPLICATE: " (duplicate)",
}


def _describe_packet(event: PacketEvent, settings: ProbeSettings) -> str:
    if event.rtt is not None:
        remark = _REMARKS.get(event.status, "")
        if event.reordered:
            remark += " (reordered)"
        rtt = format_milliseconds(event.rtt)
        return f"{event.size} bytes: seq={event.sequence} rtt={rtt} ms{remark}"
    if event.status is Status.TIMEOUT:
        timeout = format_duration(settings.timeout)
        return f"seq={event.sequence} no answer within {timeout}"
    if event.status is Status.STALE:
        return f"seq={event.sequence} answered too late to be judged"
    if event.status is Status.ERROR:
        return f"seq={event.sequence} not answered: {event.detail}"
    return f"seq={event.sequence} {event.detail}"


def _counts(statistics: Statistics) -> str:
    return (
        f"{statistics.sent} sent, {statistics.received} received, "
        f"{statistics.lost} lost ({statistics.loss:.3g} %)"
    )


def _percentiles(statistics: Statistics) -> str:
    rtt = statistics.rtt
    median, p95, p99 = statistics.histogram.quantiles(0.5, 0.95, 0.99)
    figures = {
        "min": rtt.minimum,
        "mean": rtt.mean,
        "median": median,
        "p95": p95,
        "p99": p99,
        "max": rtt.maximum,
    }
    return "  ".join(f"{name} {_short(value)}" for name, value in figures.items())


def _short(nanoseconds: float) -> str:
    """Write milliseconds with four digits, and microseconds at the finest."""
    value = milliseconds(nanoseconds)
    for places, limit in ((3, 9.9995), (2, 99.995), (1, 999.95)):
        if value < limit:
            return f"{value:.{places}f}"
    return f"{value:.0f}"


def _jitter(statistics: Statistics) -> str:
    jitter = statistics.jitter
    text = f"{_short(jitter.interarrival or 0.0)} ms (RFC 3550)"
    if jitter.ipdv.count:
        mean = _short(jitter.ipdv.mean)
        text += f", {mean} ms (mean |IPDV|, {jitter.ipdv.count} pairs)"
    return text


def describe_live(result: Result) -> list[str]:
    """Say how the run goes, in three short lines."""
    statistics = result.statistics
    lines = [f"{_counts(statistics)}  {seconds(result.elapsed):.1f} s"]
    if statistics.rtt.count:
        lines.append(f"rtt ms  {_percentiles(statistics)}")
    if statistics.jitter.interarrival is not None:
        lines.append(f"jitter {_jitter(statistics)}")
    odd = _odd(result)
    if odd:
        lines.append(", ".join(odd))
    return lines


def _odd(result: Result) -> list[str]:
    """List what does not happen in a good run."""
    statistics = result.statistics
    counts = {
        "late": statistics.late,
        "duplicates": statistics.duplicates,
        "reordered": statistics.reordered,
        "corrupt": statistics.corrupt + statistics.damaged,
        "refused": statistics.refused,
        "unreachable": statistics.unreachable,
        "errors": statistics.errors,
        "disconnects": statistics.disconnects,
        "unexpected": statistics.unexpected,
        "stale": statistics.stale,
        "sendings skipped": result.schedule.skipped,
    }
    return [f"{name} {count}" for name, count in counts.items() if count]


def _row(name: str, text: str) -> str:
    return f"{name:<{_NAME_WIDTH}}{text}"


def describe_summary(
    result: Result, settings: ProbeSettings, address: str
) -> list[str]:
    """Say how the run went."""
    statistics = result.statistics
    lines = [
        f"--- {describe_target(settings, address)} ---",
        f"{_counts(statistics)}, {_waiting(statistics)}{seconds(result.elapsed):.3f} s",
        f"late {statistics.late}, duplicates {statistics.duplicates}, "
        f"reordered {statistics.reordered}, "
        f"corrupt {statistics.corrupt + statistics.damaged}",
    ]
    odd = _odd(result)[_number_of_ordinary(statistics) :]
    if odd:
        lines.append(", ".join(odd))
    if statistics.bursts.count:
        bursts = statistics.bursts
        plural = "burst" if bursts.count == 1 else "bursts"
        lines.append(_row("loss", f"{bursts.count} {plural}, longest {bursts.longest}"))
    if statistics.rtt.count:
        deviation = _short(statistics.rtt.standard_deviation)
        lines.append(_row("rtt ms", _percentiles(statistics)))
        lines.append(_row("", f"stddev {deviation}  of {statistics.rtt.count} answers"))
    if statistics.jitter.interarrival is not None:
        lines.append(_row("jitter", _jitter(statistics)))
    if statistics.connect_time.count:
        lines.append(_row("connect", _times(statistics)))
    error = result.schedule.timer_error
    if error.count:
        mean, worst = _short(error.mean), _short(error.maximum)
        lines.append(_row("timer error", f"mean {mean} ms, max {worst} ms"))
    if statistics.by_size:
        lines.extend(_by_size(statistics))
    return lines


def _number_of_ordinary(statistics: Statistics) -> int:
    """Count the entries of L{_odd} that the summary shows even if they are 0."""
    ordinary = (
        statistics.late,
        statistics.duplicates,
        statistics.reordered,
        statistics.corrupt + statistics.damaged,
    )
    return sum(1 for count in ordinary if count)


def _waiting(statistics: Statistics) -> str:
    if not statistics.in_flight:
        return ""
    return f"{statistics.in_flight} still under way, "


def _times(statistics: Statistics) -> str:
    connect, handshake = statistics.connect_time, statistics.handshake_time
    text = f"{_short(connect.mean)} ms"
    if handshake.count:
        text += f", TLS handshake {_short(handshake.mean)} ms"
    if connect.count > 1:
        text += f" (mean of {connect.count})"
    return text


def _by_size(statistics: Statistics) -> list[str]:
    lines = [
        f"{'bytes':>8}{'sent':>8}{'lost':>7}{'loss %':>8}{'corrupt':>9}"
        f"{'min ms':>10}{'mean ms':>10}{'max ms':>10}"
    ]
    for size, row in sorted(statistics.by_size.items()):
        settled = row.sent - row.in_flight
        loss = 100 * row.lost / settled if settled else 0.0
        text = f"{size:>8}{row.sent:>8}{row.lost:>7}{loss:>8.3g}{row.corrupt:>9}"
        if row.rtt.count:
            times = (row.rtt.minimum, row.rtt.mean, row.rtt.maximum)
            text += "".join(f"{_short(time):>10}" for time in times)
        lines.append(text)
    return lines


def describe_histogram(
    histogram: Histogram, width: int, ascii_only: bool = False
) -> list[str]:
    """Draw the histogram of round-trip times in C{width} columns."""
    rows = histogram.rows()
    if not rows:
        return []
    edges = [milliseconds(row.low) for row in rows]
    step = milliseconds(rows[0].high - rows[0].low)
    places = min(max(0, 1 - math.floor(math.log10(step))), 6)
    labels = [f"{edge:.{places}f}" for edge in edges]
    label_width = max(map(len, labels))
    count_width = max(len(str(row.count)) for row in rows)
    room = max(width - label_width - count_width - 13, 1)
    most = max(row.count for row in rows)
    lines = [f"rtt in ms, {histogram.count} answers"]
    for row, label in zip(rows, labels, strict=True):
        share = 100 * row.count / histogram.count
        bar = _bar(row.count / most * room, ascii_only)
        sign = ">=" if row.high == math.inf else "  "
        lines.append(
            f"{sign}{label:>{label_width}} {row.count:>{count_width}} "
            f"{share:5.1f} % {bar}".rstrip()
        )
    return lines


def _bar(length: float, ascii_only: bool) -> str:
    if ascii_only:
        return "#" * math.ceil(length)
    eighths = math.ceil(length * 8)
    return "█" * (eighths // 8) + ("" if eighths % 8 == 0 else _BARS[eighths % 8 - 1])
