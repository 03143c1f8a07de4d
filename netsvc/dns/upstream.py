"""
Whom a DNS service asks: the servers of its settings, with validation if it is wanted.

All that can be wrong with them is told by L{ReloadError}, with the setting.
"""

from __future__ import annotations

import socket
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from netsvc.daemon.changes import ReloadError
from netsvc.dns import resolv_conf
from netsvc.dns.asking import Asks
from netsvc.dns.errors import DNSError, InvalidName
from netsvc.dns.resolver import Resolver
from netsvc.dns.resolver_settings import ResolverSettings
from netsvc.dns.servers import MAX_SERVERS, SYSTEM, TCP, UDP, Server, parse_servers
from netsvc.dns.settings import DNSSettings

#: The most bytes of a file with trust anchors, and of one with authorities.
_FILE_LIMIT = 1024 * 1024


@dataclass(frozen=True)
class Sources:
    """
    What an upstream is made of: one made of the same need not be made again.

    @ivar servers: Whom to ask.
    @ivar timeout: Seconds that a question may take.
    @ivar authorities: What the file of those has in it.
    @ivar anchors: What the file of the trust anchors has in it.
    @ivar dnssec: Whether answers are validated.
    """

    servers: tuple[Server, ...]
    timeout: float
    authorities: bytes | None
    anchors: bytes | None
    dnssec: bool

    def same_answers(self, other: Sources) -> bool:
        """Tell whether what another one has answered may be given for this one's."""
        return (
            self.servers == other.servers
            and self.anchors == other.anchors
            and self.dnssec == other.dnssec
        )


class Upstream:
    """
    Servers that are asked.

    @ivar sources: What it is made of.
    @ivar resolver: Asks them.
    @ivar asks: The same, with validation if that is wanted.
    """

    def __init__(
        self, sources: Sources, resolver: Resolver, validated: Any = None
    ) -> None:
        """
        @param sources: What it is made of.
        @param resolver: Asks them.
        @param validated: Validates; L{None}: nobody does.
        """
        self.sources = sources
        self.resolver = resolver
        self._validated = validated
        self.asks: Asks = resolver if validated is None else validated

    def counted(self) -> Counter[str]:
        """Give what was counted, by name."""
        counted: Counter[str] = Counter()
        for prefix, who in (("upstream", self.resolver), ("dnssec", self._validated)):
            if who is not None:
                for name, number in who.counters.items():
                    counted[f"{prefix}-{name}"] = number
        return counted


def has_names(settings: DNSSettings) -> bool:
    """
    Tell whether a server is to be looked up by name, which takes its time.

    @raise ReloadError: One is none.
    """
    return not all(each.is_address for each in _parsed(settings))


def _parsed(settings: DNSSettings) -> tuple[Server, ...]:
    """Give the servers, some of them perhaps by name."""
    try:
        return parse_servers(settings.upstream, _system_servers)
    except InvalidName as error:
        raise ReloadError("upstream", str(error)) from None


def find_sources(settings: DNSSettings) -> Sources:
    """
    Find the servers with their addresses, and read the files. It may block.

    @raise ReloadError: Something cannot be found or read.
    """
    servers = _parsed(settings)
    found = dict.fromkeys(each for server in servers for each in _addresses(server))
    return Sources(
        tuple(found)[:MAX_SERVERS],
        settings.upstream_timeout,
        _content("upstream_ca", settings.upstream_ca),
        _content("trust_anchor", settings.trust_anchor),
        settings.dnssec,
    )


def check_files(settings: DNSSettings) -> None:
    """
    Read the files of authorities and trust anchors, whether a server needs them or not.

    @raise ReloadError: One cannot be used.
    """
    if settings.upstream_ca is not None:
        # OpenSSL is loaded by those who need it.
        from netsvc.dns.tls import trust_root

        try:
            trust_root(settings.upstream_ca)
        except DNSError as error:
            raise ReloadError("upstream_ca", str(error)) from None
    if settings.trust_anchor is not None:
        content = _content("trust_anchor", settings.trust_anchor)
        _anchors(content, settings)


def check_others(sources: Sources, own: Iterable[Any]) -> None:
    """
    Refuse to ask ourselves.

    @param own: Our own addresses.
    @raise ReloadError: A server is this service itself.
    """
    addresses = list(own)
    for server in sources.servers:
        if any(_is(server, address) for address in addresses):
            raise ReloadError("upstream", f"{server} is this service itself")


def make_upstream(sources: Sources, settings: DNSSettings, reactor: Any) -> Upstream:
    """
    Make what asks.

    @raise ReloadError: A file cannot be used.
    """
    # dnspython and cryptography are loaded by those who need them.
    anchors = _anchors(sources.anchors, settings) if sources.dnssec else None
    try:
        resolver = Resolver(
            reactor,
            sources.servers,
            ResolverSettings(total=sources.timeout, authorities=settings.upstream_ca),
        )
    except DNSError as error:
        key = "upstream" if isinstance(error, InvalidName) else "upstream_ca"
        raise ReloadError(key, str(error)) from None
    if anchors is None:
        return Upstream(sources, resolver)
    from netsvc.dns.validated import ValidatedAsks

    validated = ValidatedAsks(resolver, sources.servers, anchors, reactor)
    return Upstream(sources, resolver, validated)


def _anchors(content: bytes | None, settings: DNSSettings) -> Any:
    """Read the trust anchors."""
    from netsvc.dns.dnssec.anchors import AnchorError, parse_anchors, root_anchors

    if content is None:
        return root_anchors()
    try:
        return parse_anchors(content.decode("utf-8", "replace"))
    except AnchorError as error:
        problem = f"{settings.trust_anchor}: {error}"
        raise ReloadError("trust_anchor", problem) from None


def _content(key: str, path: Path | None) -> bytes | None:
    """Read a file."""
    if path is None:
        return None
    try:
        with path.open("rb") as file:
            return file.read(_FILE_LIMIT)
    except OSError as error:
        raise ReloadError(key, f"{path}: {error.strerror}") from None


def _system_servers() -> tuple[Server, ...]:
    """Read the system's servers."""
    path = resolv_conf.PATH
    try:
        if not path.exists():
            raise ReloadError(
                "upstream",
                f"{SYSTEM}: there is no {path}; name a server, such as google",
            )
        return resolv_conf.load(path).servers
    except OSError as error:
        problem = f"{SYSTEM}: {path}: {error.strerror}"
        raise ReloadError("upstream", problem) from None


def _addresses(server: Server) -> list[Server]:
    """Look up the addresses of a server by the system's resolver."""
    if server.is_address:
        return [server]
    try:
        found = socket.getaddrinfo(server.host, server.port, type=socket.SOCK_STREAM)
    except OSError as error:
        problem = f"{server}: {error.strerror or error}"
        raise ReloadError("upstream", problem) from None
    return [replace(server, host=str(each[4][0])) for each in found]


def _is(server: Server, address: Any) -> bool:
    """Tell whether a server is one of our own addresses."""
    host, port = getattr(address, "host", None), getattr(address, "port", None)
    if server.transport not in (UDP, TCP) or server.port != port:
        return False
    own = ("127.0.0.1", "::1", "0.0.0.0", "::")
    return server.host == host or (host in own[2:] and server.host in own)
