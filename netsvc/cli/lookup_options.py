"""The command line of C{netsvc lookup}: its options, and what their values may be."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from pathlib import Path

from netsvc.cli.parsing import Parser, argument
from netsvc.dns.lookups.outcome import USAGE
from netsvc.dns.lookups.request import MAX_RATE, MAX_WINDOW, WINDOW, Form, Mode
from netsvc.dns.lookups.words import question_type
from netsvc.dns.servers import HTTPS, TCP, TLS, UDP

#: Seconds that a lookup may take at most.
MAX_TIMEOUT = 3600.0

#: How often a server may be asked.
MAX_TRIES = 20

_DESCRIPTION = """\
Ask DNS servers. Names, types, classes and @servers stand in any order; a bare
address is looked up backwards. Without @server the system's servers are asked; of
several servers the first that answers counts (see --compare).
"""
_EPILOG = """\
servers: @192.0.2.1, @[2001:db8::1]:5353, @dns.example, @tcp://192.0.2.1,
@tls://dns.example, @tls://192.0.2.1#dns.example, @https://dns.example/dns-query;
@kt, @google, @system.

exit status: 0 every question was answered ("no such name" is an answer); 2 some
were not; 9 none was; 1 bad usage.

examples:
  netsvc lookup www.example.com @168.126.63.1 @8.8.8.8
  netsvc lookup 한국어.kr MX --short
  netsvc lookup www.example.com --compare @kt @google @tls://dns.example
  netsvc lookup -f names.txt --window 500 --resume names.state >> answers.jsonl
"""


def _number(most: float, what: str) -> Callable[[str], float]:
    def parse(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not 0 < value <= most:
            raise ValueError(f"{text!r} is no {what} above 0 and up to {most:g}")
        return value

    return argument(parse)


def _whole(most: int, what: str) -> Callable[[str], int]:
    def parse(text: str) -> int:
        good = text.isascii() and text.isdigit() and len(text) < 10
        if not good or not 0 < int(text) <= most:
            raise ValueError(f"{text!r} is no {what} from 1 to {most}")
        return int(text)

    return argument(parse)


def make_parser() -> Parser:
    """Make the parser of C{netsvc lookup}."""
    parser = Parser(
        "netsvc lookup",
        usage_status=USAGE,
        description=_DESCRIPTION,
        epilog=_EPILOG,
    )
    parser.add_argument(
        "words", nargs="*", metavar="NAME | TYPE | CLASS | @SERVER", help=""
    )
    _add_question(parser)
    _add_asking(parser)
    _add_forms(parser)
    _add_bulk(parser)
    return parser


def _add_question(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("what to ask")
    group.add_argument(
        "-t",
        "--type",
        dest="types",
        metavar="TYPE",
        action="append",
        default=[],
        type=argument(question_type),
        help="ask for TYPE (default A, and PTR for addresses); repeatable",
    )
    group.add_argument(
        "-x", "--reverse", action="store_true", help="all names are addresses"
    )
    group.add_argument(
        "--search",
        action="store_true",
        help="complete short names with resolv.conf's search list",
    )
    group.add_argument(
        "--dnssec", action="store_true", help="validate answers from the root's keys"
    )
    group.add_argument(
        "--anchors",
        metavar="FILE",
        type=Path,
        help="trust the DS and DNSKEY records in FILE, not the root's keys (--dnssec)",
    )
    group.add_argument(
        "--nsid", action="store_true", help="ask servers which one they are (RFC 5001)"
    )
    group.add_argument(
        "--subnet",
        metavar="NETWORK",
        default="",
        help="ask for the answer to clients of NETWORK (RFC 7871); 0.0.0.0/0 for none",
    )
    group.add_argument(
        "--no-recursion",
        action="store_true",
        help="ask what the server knows itself (RD not set)",
    )
    modes = group.add_mutually_exclusive_group()
    for mode, text in (
        (Mode.COMPARE, "ask all servers at once, and compare what they say"),
        (Mode.TRACE, "follow referrals from the root, or from @SERVER as the root"),
        (Mode.TRANSFER, "transfer the zone NAME"),
    ):
        modes.add_argument(
            f"--{mode.value}",
            dest="mode",
            action="store_const",
            const=mode,
            default=Mode.LOOKUP,
            help=text,
        )


def _add_asking(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("how to ask")
    transports = group.add_mutually_exclusive_group()
    for transport in (TCP, TLS, HTTPS):
        transports.add_argument(
            f"--{transport}",
            dest="transport",
            action="store_const",
            const=transport,
            default=UDP,
            help=f"over {transport.upper()} where @SERVER does not say how",
        )
    group.add_argument(
        "--ca", metavar="FILE", type=Path, help="trust the issuers in FILE (PEM) only"
    )
    group.add_argument(
        "--timeout",
        metavar="SECONDS",
        type=_number(MAX_TIMEOUT, "number of seconds"),
        help="give a lookup up after SECONDS (default 5)",
    )
    group.add_argument(
        "--tries",
        metavar="N",
        type=_whole(MAX_TRIES, "number of tries"),
        help="ask each server up to N times (default 3)",
    )


def _add_forms(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("how to show answers")
    forms = group.add_mutually_exclusive_group()
    for form, text in (
        (Form.SHORT, "the data only, a line each"),
        (Form.JSON, "a JSON object on a line for each question"),
        (Form.YAML, "a YAML document for each question"),
    ):
        forms.add_argument(
            f"--{form.value}",
            dest="form",
            action="store_const",
            const=form,
            default=Form.TEXT,
            help=text,
        )


def _add_bulk(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("many names (answers are JSON lines)")
    group.add_argument(
        "-f",
        "--file",
        metavar="FILE",
        help="read NAME or NAME TYPE from each line of FILE; - for standard input",
    )
    group.add_argument(
        "--window",
        metavar="N",
        type=_whole(MAX_WINDOW, "number of lookups"),
        help=f"lookups under way at once (default {WINDOW})",
    )
    group.add_argument(
        "--rate",
        metavar="N",
        type=_number(MAX_RATE, "rate"),
        help="begin at most N lookups a second at each server",
    )
    group.add_argument(
        "--resume",
        metavar="FILE",
        type=Path,
        help="keep in FILE how far the run has come, and go on from there",
    )
