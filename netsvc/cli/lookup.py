"""C{netsvc lookup}: asks DNS servers, compares them, and shows what they say."""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Sequence
from dataclasses import replace

from netsvc.cli.lookup_options import make_parser
from netsvc.dns import resolv_conf
from netsvc.dns.errors import InvalidName
from netsvc.dns.lookups.outcome import FAILED
from netsvc.dns.lookups.questions import make_items
from netsvc.dns.lookups.request import (
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
from netsvc.dns.lookups.words import Words, sort_words
from netsvc.dns.options import QueryOptions
from netsvc.dns.resolv_conf import ResolvConf
from netsvc.dns.resolver_settings import Order, ResolverSettings
from netsvc.dns.rrtypes import AXFR, IXFR
from netsvc.dns.servers import SYSTEM, Server, parse_servers

__all__ = ["main", "parse"]


def parse(argv: Sequence[str], environment: dict[str, str] | None = None) -> Request:
    """Read a command line.

    @param argv: its words, without the command's name.
    @raise SystemExit: it is wrong, or asks for help; that has been written.
    """
    parser = make_parser()
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
