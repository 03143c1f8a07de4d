"""C{netsvc lookup}: asks DNS servers, compares them, and shows what they say."""

from __future__ import annotations

import argparse
import io
import math
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NoReturn, TypeVar

from netsvc.daemon.escape import escape
from netsvc.dns import resolv_conf
from netsvc.dns.errors import InvalidName
from netsvc.dns.lookups.outcome import FAILED, USAGE
from netsvc.dns.lookups.questions import make_items
from netsvc.dns.lookups.request import (
    MAX_RATE,
    MAX_WINDOW,
    WINDOW,
    Bulk,
    Form,
    Item,
    Mode,
    Request,
    check_count,
    over,
    with_system_options,
)
from netsvc.dns.lookups.words import Words, question_type, sort_words
from netsvc.dns.options import QueryOptions
from netsvc.dns.resolv_conf import ResolvConf
from netsvc.dns.resolver_settings import Order, ResolverSettings
from netsvc.dns.rrtypes import AXFR, IXFR
from netsvc.dns.servers import HTTPS, SYSTEM, TCP, TLS, UDP, Server, parse_servers

__all__ = ["main", "parse"]

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

_T = TypeVar("_T")


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Say what is wrong in a line, and leave with the status for bad usage."""
        hint = f"try '{self.prog} --help'"
        self.exit(USAGE, f"{self.prog}: {escape(message)} ({hint})\n")


def _argument(parse: Callable[[str], _T]) -> Callable[[str], _T]:
    """Make argparse show the sentence of a C{ValueError}."""

    def convert(text: str) -> _T:
        try:
            return parse(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return convert


def _number(most: float, what: str) -> Callable[[str], float]:
    def parse(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not 0 < value <= most:
            raise ValueError(f"{text!r} is no {what} above 0 and up to {most:g}")
        return value

    return _argument(parse)


def _whole(most: int, what: str) -> Callable[[str], int]:
    def parse(text: str) -> int:
        good = text.isascii() and text.isdigit() and len(text) < 10
        if not good or not 0 < int(text) <= most:
            raise ValueError(f"{text!r} is no {what} from 1 to {most}")
        return int(text)

    return _argument(parse)


def _parser() -> _Parser:
    parser = _Parser(
        prog="netsvc lookup",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
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
        type=_argument(question_type),
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


def parse(argv: Sequence[str], environment: dict[str, str] | None = None) -> Request:
    """Read a command line.

    @param argv: its words, without the command's name.
    @raise SystemExit: it is wrong, or asks for help; that has been written.
    """
    parser = _parser()
    arguments = parser.parse_intermixed_args(argv)
    environment = dict(os.environ) if environment is None else environment
    try:
        return _request(arguments, environment)
    except InvalidName as error:
        parser.error(str(error))
    except OSError as error:
        parser.error(f"{error.filename}: {error.strerror}")


def _request(arguments: argparse.Namespace, environment: dict[str, str]) -> Request:
    words = sort_words(arguments.words)
    types = tuple(dict.fromkeys((*words.types, *arguments.types)))
    words = words._replace(types=types)
    mode = _mode(arguments, words)
    conf = resolv_conf.load(
        search=environment.get("LOCALDOMAIN", ""),
        options=environment.get("RES_OPTIONS", ""),
    )
    settings = _settings(arguments, words, mode, conf)
    options = QueryOptions(
        recursion=not arguments.no_recursion,
        nsid=arguments.nsid,
        subnet=arguments.subnet,
    )
    options.packed()  # says whether the subnet is one
    request = Request(
        mode=mode,
        items=() if mode is Mode.BULK else _items(arguments, words, conf),
        servers=_servers(arguments, words, mode, conf),
        form=arguments.form,
        options=options,
        settings=settings,
        dnssec=arguments.dnssec,
        anchors=arguments.anchors,
    )
    return request if mode is not Mode.BULK else _with_bulk(request, arguments, words)


def _mode(arguments: argparse.Namespace, words: Words) -> Mode:
    """Tell what is to be done, and whether all that is asked for goes together."""
    mode: Mode = arguments.mode
    if IXFR in words.types:
        raise InvalidName("IXFR is not offered; --axfr transfers the whole zone")
    if AXFR in words.types:
        if mode in (Mode.COMPARE, Mode.TRACE) or len(words.types) > 1:
            raise InvalidName("AXFR goes with no other type, --compare or --trace")
        mode = Mode.TRANSFER
    if arguments.file is not None:
        if mode is not Mode.LOOKUP:
            raise InvalidName(f"-f does not go with --{mode.value}")
        if words.names:
            raise InvalidName("names are either in the file or on the command line")
        if arguments.search or arguments.form in (Form.SHORT, Form.YAML):
            raise InvalidName("-f does not go with --search, --short or --yaml")
        return Mode.BULK
    for option in ("window", "rate", "resume"):
        if getattr(arguments, option) is not None:
            raise InvalidName(f"--{option} needs -f")
    if mode is Mode.COMPARE and arguments.form is Form.SHORT:
        raise InvalidName("--short does not go with --compare")
    if arguments.dnssec and mode in (Mode.TRACE, Mode.TRANSFER):
        raise InvalidName(f"--dnssec does not go with --{mode.value}")
    if arguments.anchors is not None and not arguments.dnssec:
        raise InvalidName("--anchors needs --dnssec")
    if not words.names:
        hint = ""
        if arguments.words:
            hint = "; a name that is also a type is written with a final dot"
        raise InvalidName(f"there is no name{hint}")
    return mode


def _settings(
    arguments: argparse.Namespace, words: Words, mode: Mode, conf: ResolvConf
) -> ResolverSettings:
    settings = ResolverSettings(order=Order.FIXED, authorities=arguments.ca)
    if mode is Mode.BULK:
        settings = replace(settings, order=Order.FASTEST)
    if not words.servers and mode is not Mode.TRACE:
        settings = with_system_options(settings, conf)
    if arguments.timeout is not None:
        timeout = min(settings.timeout, arguments.timeout)
        settings = replace(settings, total=arguments.timeout, timeout=timeout)
    if arguments.tries is not None:
        settings = replace(settings, tries=arguments.tries)
    return settings


def _items(
    arguments: argparse.Namespace, words: Words, conf: ResolvConf
) -> tuple[Item, ...]:
    check_count(len(words.names) * max(len(words.types), 1))
    search = conf.search if arguments.search else ()
    return tuple(
        item
        for name in words.names
        for item in make_items(
            name, words.types, words.rclass, arguments.reverse, search, conf.ndots
        )
    )


def _servers(
    arguments: argparse.Namespace, words: Words, mode: Mode, conf: ResolvConf
) -> tuple[Server, ...]:
    texts = words.servers
    if not texts:
        if mode is Mode.TRACE:
            return ()
        texts = (SYSTEM,)
    servers = parse_servers(texts, lambda: conf.servers)
    return tuple(dict.fromkeys(over(server, arguments.transport) for server in servers))


def _with_bulk(
    request: Request, arguments: argparse.Namespace, words: Words
) -> Request:
    if len(words.types) > 1:
        raise InvalidName("-f takes one type; a line may have its own")
    if arguments.anchors is not None and not arguments.dnssec:
        raise InvalidName("--anchors needs --dnssec")
    bulk = Bulk(
        file=arguments.file,
        window=arguments.window or WINDOW,
        rate=arguments.rate or 0.0,
        resume=arguments.resume,
        rtype=words.types[0] if words.types else 0,
        rclass=words.rclass,
        reverse=arguments.reverse,
    )
    return replace(request, bulk=bulk)


def main(argv: Sequence[str]) -> int:
    """Run C{netsvc lookup} with the arguments C{argv}, without the command's name.

    @return: the exit status: 0 answered, 2 in part, 9 not at all, 1 bad usage.
    """
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115 -- until the process ends
    if sys.stdout is None:
        print("netsvc lookup: standard output is closed", file=sys.stderr)
        return FAILED
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A name may hold what the terminal's encoding does not.
            stream.reconfigure(errors="backslashreplace")
    try:
        request = parse(argv)
        # Not before: --help and a bad option should not wait for Twisted.
        from netsvc.dns.lookups.main import run_lookup

        return run_lookup(request)
    except SystemExit as leaving:
        return int(leaving.code or 0)
    except KeyboardInterrupt:
        return FAILED
