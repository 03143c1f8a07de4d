"""C{netsvc ping}: probes any RFC 862 echo service."""

from __future__ import annotations

import argparse
import io
import ipaddress
import sys
from collections.abc import Sequence
from pathlib import Path

from netsvc.cli.parsing import Parser, argument
from netsvc.daemon.targets import TLSSettings, parse_target
from netsvc.echo.probe.quantity import (
    NANOSECONDS_PER_SECOND,
    format_duration,
    milliseconds,
    parse_duration,
    parse_percentage,
    parse_size,
)
from netsvc.echo.probe.target import (
    DEFAULT_PORT,
    MAX_DATAGRAM,
    MAX_MESSAGE,
    ProbeSettings,
    Transport,
    parse_sweep,
)
from netsvc.echo.probe.thresholds import Level, Limit, Thresholds

__all__ = ["main"]

#: The shortest interval between packets, nanoseconds.
MIN_INTERVAL = 10_000
#: Packets of each size of a sweep, and packets for a monitor, without --count.
DEFAULT_SWEEP_COUNT = 10
DEFAULT_MONITOR_COUNT = 5

_DESCRIPTION = """\
Measure round-trip time, jitter and loss to any RFC 862 echo service, over UDP,
TCP or TLS. Packets leave on a fixed schedule, whatever becomes of the answers.
Without --count or --duration it goes on until Ctrl-C, which prints the summary.
"""
_EPILOG = """\
durations: 100us, 20ms, 1.5s, 2m, 1h; a bare number is in seconds.

exit status: 0 well; 1 a --warn threshold is reached or an answer was corrupt;
2 a --crit threshold is reached or there was no intact answer at all;
3 unknown: unresolvable, refused, unreachable, bad usage.

examples:
  netsvc ping localhost
  netsvc ping -c 5 --tcp echo.example:7
  netsvc ping -i 10ms -d 1m --histogram [2001:db8::7]:7007
  netsvc ping --nagios -c 10 -i 200ms --warn-rtt 50ms --crit-loss 20 192.0.2.7
"""


def _positive_duration(text: str) -> int:
    duration = parse_duration(text)
    if not duration:
        raise ValueError("a duration of 0 is too short")
    return duration


def _interval(text: str) -> int:
    interval = parse_duration(text)
    if interval < MIN_INTERVAL:
        raise ValueError(f"{text!r} is shorter than {format_duration(MIN_INTERVAL)}")
    return interval


def _count(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and 0 < int(text[:19]) < 10**18):
        raise ValueError(f"{text!r} is no number of packets")
    return int(text)


def _milliseconds(text: str) -> float:
    return milliseconds(_positive_duration(text))


def _parser() -> Parser:
    parser = Parser(
        "netsvc ping",
        usage_status=int(Level.UNKNOWN),
        description=_DESCRIPTION,
        epilog=_EPILOG,
    )
    parser.add_argument(
        "target",
        metavar="HOST[:PORT]",
        type=argument(lambda text: parse_target(text, DEFAULT_PORT)),
        help=f"name or address; port {DEFAULT_PORT} unless given; [::1]:7007 for IPv6",
    )
    _add_transport(parser)
    _add_schedule(parser)
    _add_report(parser)
    _add_thresholds(parser)
    return parser


def _add_transport(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("transport")
    kinds = group.add_mutually_exclusive_group()
    for kind in Transport:
        note = " (default)" if kind is Transport.UDP else ""
        kinds.add_argument(
            f"--{kind.value}",
            dest="transport",
            action="store_const",
            const=kind,
            default=Transport.UDP,
            help=f"probe over {kind.value.upper()}{note}",
        )
    group.add_argument(
        "--ca", metavar="FILE", type=Path, help="trust the issuers in FILE (PEM) only"
    )
    group.add_argument(
        "--insecure", action="store_true", help="take any certificate of the server"
    )
    group.add_argument(
        "--server-name", metavar="NAME", help="name to ask for and to check (TLS)"
    )
    families = group.add_mutually_exclusive_group()
    for family in (4, 6):
        families.add_argument(
            f"-{family}",
            dest="family",
            action="store_const",
            const=family,
            help=f"use IPv{family} only",
        )
    group.add_argument("--source", metavar="ADDR", help="send from this local address")


def _add_schedule(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("what to send, and when")
    group.add_argument(
        "-c",
        "--count",
        metavar="N",
        type=argument(_count),
        help="stop after N packets (of each size in a sweep)",
    )
    group.add_argument(
        "-d",
        "--duration",
        metavar="TIME",
        type=argument(_positive_duration),
        help="stop sending after TIME",
    )
    group.add_argument(
        "-i",
        "--interval",
        metavar="TIME",
        type=argument(_interval),
        default=NANOSECONDS_PER_SECOND,
        help="time from one packet to the next (default 1s)",
    )
    sizes = group.add_mutually_exclusive_group()
    sizes.add_argument(
        "-s",
        "--size",
        metavar="BYTES",
        type=argument(parse_size),
        default=64,
        help="bytes of payload (default 64)",
    )
    sizes.add_argument(
        "--sweep",
        metavar="FROM:TO[:STEP]",
        type=argument(parse_sweep),
        help="payload sizes in turn; STEP is bytes or a factor such as x2 (default)",
    )
    group.add_argument(
        "-W",
        "--timeout",
        metavar="TIME",
        type=argument(_positive_duration),
        default=2 * NANOSECONDS_PER_SECOND,
        help="an answer after it is late, a packet without one is lost (default 2s)",
    )


def _add_report(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("report")
    group.add_argument(
        "-q", "--quiet", action="store_true", help="no line for each packet"
    )
    group.add_argument(
        "--histogram", action="store_true", help="draw the round-trip times at the end"
    )
    forms = group.add_mutually_exclusive_group()
    forms.add_argument(
        "--json", action="store_true", help="JSON lines: each packet, then a summary"
    )
    forms.add_argument(
        "--nagios",
        action="store_true",
        help="one line with performance data for a monitor "
        f"({DEFAULT_MONITOR_COUNT} packets by default)",
    )


def _add_thresholds(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("thresholds (reached is exceeded)")
    figures = (
        ("rtt", "TIME", _milliseconds, "mean round-trip time"),
        ("loss", "PERCENT", parse_percentage, "packets lost"),
        ("jitter", "TIME", _milliseconds, "mean |IPDV|"),
    )
    for name, metavar, parse, what in figures:
        for level, word in (("warn", "warning"), ("crit", "critical")):
            group.add_argument(
                f"--{level}-{name}",
                metavar=metavar,
                type=argument(parse),
                help=f"{word} from this {what}",
            )


def _thresholds(parser: Parser, arguments: argparse.Namespace) -> Thresholds:
    limits = {}
    for name in ("rtt", "loss", "jitter"):
        limit = Limit(
            getattr(arguments, f"warn_{name}"), getattr(arguments, f"crit_{name}")
        )
        if (
            limit.warning is not None
            and limit.critical is not None
            and limit.warning > limit.critical
        ):
            parser.error(f"--warn-{name} is above --crit-{name}")
        limits[name] = limit
    return Thresholds(**limits)


def _family(parser: Parser, arguments: argparse.Namespace) -> int | None:
    """Find the family asked for; a source address implies its own."""
    family: int | None = arguments.family
    if arguments.source is None:
        return family
    try:
        version = ipaddress.ip_address(arguments.source).version
    except ValueError:
        parser.error(f"--source {arguments.source!r} is no address")
    if family not in (None, version):
        parser.error(f"--source {arguments.source} is no IPv{family} address")
    return version


def _settings(parser: Parser, arguments: argparse.Namespace) -> ProbeSettings:
    host, port = arguments.target
    transport = arguments.transport
    sizes = arguments.sweep or (arguments.size,)
    largest = MAX_MESSAGE if transport.is_stream else MAX_DATAGRAM
    if sizes[-1] > largest:
        name = transport.value.upper()
        parser.error(f"{sizes[-1]} bytes are more than the {largest} of {name}")
    if transport.is_stream and not sizes[0]:
        parser.error("an empty message cannot be sent over a stream")
    tls_only = arguments.ca or arguments.insecure or arguments.server_name
    if tls_only and transport is not Transport.TLS:
        parser.error("--ca, --insecure and --server-name need --tls")
    if arguments.ca and arguments.insecure:
        parser.error("--insecure leaves nothing for --ca to check")
    count = arguments.count
    if count is None and arguments.duration is None:
        if arguments.sweep:
            count = DEFAULT_SWEEP_COUNT
        elif arguments.nagios:
            count = DEFAULT_MONITOR_COUNT
    return ProbeSettings(
        host=host,
        port=port,
        transport=transport,
        sizes=sizes,
        count=None if count is None else count * len(sizes),
        duration=arguments.duration,
        interval=arguments.interval,
        timeout=arguments.timeout,
        family=_family(parser, arguments),
        source=arguments.source,
        tls=TLSSettings(
            arguments.ca, not arguments.insecure, arguments.server_name or ""
        ),
    )


def main(argv: Sequence[str]) -> int:
    """Run C{netsvc ping} with the arguments C{argv}, without the command's name.

    @return: the exit status: 0 well, 1 warning, 2 critical, 3 unknown.
    """
    parser = _parser()
    try:
        arguments = parser.parse_args(argv)
        settings = _settings(parser, arguments)
        thresholds = _thresholds(parser, arguments)
    except SystemExit as leaving:
        return int(leaving.code or 0)
    # Not before: --help and a bad option should not wait for Twisted.
    from netsvc.echo.probe.main import ReportOptions, run_probe

    options = ReportOptions(
        quiet=arguments.quiet,
        histogram=arguments.histogram,
        json=arguments.json,
        monitor=arguments.nagios,
    )
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A host's name may hold what the terminal's encoding does not.
            stream.reconfigure(errors="backslashreplace")
    return run_probe(settings, thresholds, options)
