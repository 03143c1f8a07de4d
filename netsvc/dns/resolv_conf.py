"""
resolv.conf: which servers the system asks, and how it completes short names.

As resolver(5) says; what a line means that is wrong is said, and the line left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from netsvc.daemon.targets import is_address
from netsvc.dns.errors import InvalidName
from netsvc.dns.names import from_text
from netsvc.dns.servers import TCP, Server, parse_server

#: Where it is.
PATH = Path("/etc/resolv.conf")

#: Bytes that are read of it.
MAX_FILE = 64 * 1024

#: Servers that count; and domains to search.
MAX_SERVERS = 8
MAX_SEARCH = 32

#: The most that options may ask for (resolver(5)).
MAX_NDOTS = 15
MAX_TIMEOUT = 30
MAX_ATTEMPTS = 5

#: Whom the system asks if nobody is named.
LOCAL = Server("udp", "127.0.0.1", 53)


@dataclass(frozen=True)
class ResolvConf:
    """
    What resolv.conf says.

    @ivar servers: The servers.
    @ivar search: Domains that complete short names.
    @ivar ndots: Dots from which on a name is asked for as it is at first.
    @ivar timeout: Seconds until the next try; L{None} if it does not say.
    @ivar attempts: How often each server is asked; L{None} if it does not say.
    @ivar rotate: Whether servers are asked in turn.
    @ivar trust_ad: Whether the AD bit of the servers' answers can be trusted.
    @ivar problems: What is wrong with it, a line each.
    """

    servers: tuple[Server, ...] = (LOCAL,)
    search: tuple[str, ...] = ()
    ndots: int = 1
    timeout: float | None = None
    attempts: int | None = None
    rotate: bool = False
    trust_ad: bool = False
    problems: tuple[str, ...] = ()


def parse(text: str, search: str = "", options: str = "") -> ResolvConf:
    """
    Read the file's text.

    @param search: C{LOCALDOMAIN} of the environment: in place of the file's.
    @param options: C{RES_OPTIONS} of the environment: after the file's.
    """
    servers: list[Server] = []
    domains: list[str] = []
    words: list[str] = []
    problems: list[str] = []
    for number, line in enumerate(text.splitlines(), 1):
        keyword, *values = _words(line) or [""]
        if keyword == "nameserver":
            if len(values) == 1 and is_address(values[0]):
                servers.append(parse_server(values[0]))
            else:
                problems.append(f"line {number}: nameserver takes one address")
        elif keyword in ("search", "domain"):
            domains = values  # the last one counts
            if not values:
                problems.append(f"line {number}: {keyword} takes a domain")
        elif keyword == "options":
            words += values
        elif keyword and keyword != "sortlist":
            problems.append(f"line {number}: {keyword!r} is unknown")
    if search:
        domains = search.split()
    found = ResolvConf(
        tuple(dict.fromkeys(servers))[:MAX_SERVERS] or (LOCAL,),
        tuple(_domains(domains, problems))[:MAX_SEARCH],
    )
    for word in words + options.split():
        found = _with_option(found, word)
    return replace(found, problems=tuple(problems))


def _words(line: str) -> list[str]:
    """Split a line; a comment is one whose first character is # or ;."""
    return [] if line[:1] in ("#", ";") else line.split()


def _domains(domains: list[str], problems: list[str]) -> Iterator[str]:
    """Give those that are domain names."""
    for domain in domains:
        try:
            from_text(domain)
        except InvalidName as error:
            problems.append(str(error))
        else:
            yield domain.rstrip(".")


def _with_option(conf: ResolvConf, word: str) -> ResolvConf:
    """Add one option; those that mean nothing here are left out."""
    name, _, value = word.partition(":")
    if value.isascii() and value.isdigit() and len(value) < 10:
        number = int(value)
        if name == "ndots":
            return replace(conf, ndots=min(number, MAX_NDOTS))
        if name == "timeout" and number:
            return replace(conf, timeout=float(min(number, MAX_TIMEOUT)))
        if name == "attempts" and number:
            return replace(conf, attempts=min(number, MAX_ATTEMPTS))
    elif word == "rotate":
        return replace(conf, rotate=True)
    elif word == "trust-ad":
        return replace(conf, trust_ad=True)
    elif word == "use-vc":
        servers = tuple(replace(server, transport=TCP) for server in conf.servers)
        return replace(conf, servers=servers)
    return conf


def load(path: Path = PATH, search: str = "", options: str = "") -> ResolvConf:
    """
    Read the file; one that is not there says nothing.

    @raise OSError: It is there, but cannot be read.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE)
    except FileNotFoundError:
        data = b""
    return parse(data.decode("utf-8", "replace"), search, options)


def candidates(name: str, search: tuple[str, ...], ndots: int) -> tuple[str, ...]:
    """
    Say which names a short name may stand for, in the order in which to ask.

    @param name: As it was written; with a final dot it is complete.
    @param search: The domains that complete it.
    @param ndots: Dots from which on it is asked for as it is at first.
    """
    if name.endswith("."):
        return (name,)
    completed = tuple(f"{name}.{domain}" for domain in search)
    if name.count(".") >= ndots:
        return (name, *completed)
    return (*completed, name)
