"""All that one run of C{netsvc lookup} is asked to do."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path
from typing import NamedTuple

from netsvc.dns.errors import InvalidName
from netsvc.dns.options import PLAIN, QueryOptions
from netsvc.dns.resolv_conf import ResolvConf
from netsvc.dns.resolver_settings import DEFAULT, ResolverSettings
from netsvc.dns.servers import HTTPS, PATH, PORTS, TLS, UDP, Server

#: Questions of one command line; for more there are files.
MAX_QUESTIONS = 1000

#: Lookups of a bulk run that are under way at once: by default, and at most.
WINDOW = 100
MAX_WINDOW = 10_000

#: Lookups a second at each server that can be asked for.
MAX_RATE = 1_000_000.0


class Form(Enum):
    """How answers are written."""

    TEXT = "text"
    SHORT = "short"
    JSON = "json"
    YAML = "yaml"


class Mode(Enum):
    """What is done."""

    LOOKUP = "lookup"
    COMPARE = "compare"
    TRACE = "trace"
    TRANSFER = "axfr"
    BULK = "bulk"


class Item(NamedTuple):
    """
    One question of the command line.

    @ivar name: The name or address as it was written.
    @ivar candidates: The names to ask for, in wire form, in their order: more than one
        with a search list.
    @ivar rtype: The record type.
    @ivar rclass: The class.
    """

    name: str
    candidates: tuple[bytes, ...]
    rtype: int
    rclass: int


@dataclass(frozen=True, slots=True)
class Bulk:
    """
    A bulk run.

    @ivar file: Where the names are; C{-} for standard input.
    @ivar window: Lookups under way at once.
    @ivar rate: Lookups a second at each server; 0 for as many as there may be.
    @ivar resume: Where it is kept how far the run has come.
    @ivar rtype: The type of lines without one; 0 for A, and PTR of addresses.
    @ivar rclass: The class.
    @ivar reverse: Whether all lines have to be addresses.
    """

    file: str
    window: int = WINDOW
    rate: float = 0.0
    resume: Path | None = None
    rtype: int = 0
    rclass: int = 1
    reverse: bool = False


@dataclass(frozen=True, slots=True)
class Request:
    """
    All that is asked for.

    @ivar mode: What to do.
    @ivar items: The questions.
    @ivar servers: Whom to ask. A host may be a name. Empty: with L{Mode.TRACE} the
        root servers.
    @ivar form: How to write it.
    @ivar options: What the queries ask for.
    @ivar settings: How to ask.
    @ivar dnssec: Whether answers are validated.
    @ivar anchors: A file with trust anchors; L{None} for the root's keys.
    @ivar bulk: The bulk run.
    """

    mode: Mode
    items: tuple[Item, ...]
    servers: tuple[Server, ...]
    form: Form = Form.TEXT
    options: QueryOptions = PLAIN
    settings: ResolverSettings = DEFAULT
    dnssec: bool = False
    anchors: Path | None = None
    bulk: Bulk = Bulk("-")


def over(server: Server, transport: str) -> Server:
    """
    Give a server as it is asked over another transport.

    @param server: One for which no transport was written; others stay.
    """
    if server.transport != UDP or transport == UDP:
        return server
    port = server.port if server.port != PORTS[UDP] else PORTS[transport]
    name = server.host if transport in (TLS, HTTPS) else ""
    path = PATH if transport == HTTPS else ""
    return replace(server, transport=transport, port=port, name=name, path=path)


def with_system_options(
    settings: ResolverSettings, conf: ResolvConf
) -> ResolverSettings:
    """Ask as resolv.conf wants it, for its own servers."""
    if conf.timeout is not None:
        settings = replace(settings, timeout=conf.timeout)
    if conf.attempts is not None:
        settings = replace(settings, tries=conf.attempts)
    return settings


def check_count(count: int) -> None:
    """
    Say if there are too many questions.

    @raise InvalidName: There are.
    """
    if count > MAX_QUESTIONS:
        raise InvalidName(f"{count} questions are too many; -f reads names from a file")
