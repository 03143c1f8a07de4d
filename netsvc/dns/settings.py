"""The settings of netsvc-dns."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from netsvc.daemon.listen import Listen, parse_listen
from netsvc.daemon.service_settings import LIMITS, TIMEOUTS, ServiceSettings
from netsvc.daemon.settings import (
    Count,
    Duration,
    FilePath,
    Flag,
    Parsed,
    Rate,
    RateLimit,
    SettingsError,
    Size,
    setting,
)
from netsvc.dns.forwarder.access import Access, Allowed, parse_allowed
from netsvc.dns.names import from_text
from netsvc.dns.servers import PRESETS, SYSTEM, parse_server

_UPSTREAM = "Upstream"
_CACHE = "Cache"

#: A listen string that listens nowhere.
OFF = "off"


def parse_dns_listen(text: str) -> Listen | None:
    """
    Read a listen string, or C{off}.

    @raise ValueError: It is neither.
    """
    return None if text == OFF else parse_listen(text)


def parse_stream_listen(text: str) -> Listen | None:
    """
    Read a stream's listen string, or C{off}.

    @raise ValueError: It is neither.
    """
    listen = parse_dns_listen(text)
    if listen is not None and listen.kind == "udp":
        raise ValueError(
            "it listens on streams only: tcp:, ssl:, tls:, unix:, systemd:"
        )
    return listen


def _show_listen(listen: Listen | None) -> str:
    return OFF if listen is None else str(listen)


def parse_upstream(text: str) -> str:
    """
    Check a server or the name of a preset.

    @raise ValueError: It is neither.
    """
    text = text.removeprefix("@")
    if text != SYSTEM and text not in PRESETS:
        parse_server(text)
    return text


def parse_zone(text: str) -> str:
    """
    Check a domain name in ASCII.

    @raise ValueError: It is none.
    """
    from_text(text)
    return text


@dataclass(frozen=True, kw_only=True)
class DNSSettings(ServiceSettings):
    """What a command line or a configuration file says about netsvc-dns."""

    dns: tuple[Listen | None, ...] = setting(
        Parsed("ENDPOINT", parse_dns_listen, _show_listen),
        default=("udp:7053:interface=127.0.0.1", "tcp:7053:interface=127.0.0.1"),
        repeat=True,
        short="d",
        help="Where to listen for DNS: udp:, tcp:, unix:, systemd:, and for DNS over"
        " TLS ssl: or tls:, with Twisted's endpoint syntax; off for nowhere.",
    )
    doh: tuple[Listen | None, ...] = setting(
        Parsed("ENDPOINT", parse_stream_listen, _show_listen),
        default=(),
        repeat=True,
        help="Where to listen for DNS over HTTPS (HTTP/2, path /dns-query): ssl: or"
        " tls:, or tcp: behind a proxy that does TLS.",
    )
    line: tuple[Listen | None, ...] = setting(
        Parsed("ENDPOINT", parse_stream_listen, _show_listen),
        default=("tcp:7054:interface=127.0.0.1",),
        repeat=True,
        short="l",
        help="Where to listen for people who type names, over telnet or nc; off for"
        " nowhere.",
    )
    upstream: tuple[str, ...] = setting(
        Parsed("SERVER", parse_upstream),
        default=(SYSTEM,),
        repeat=True,
        short="u",
        group=_UPSTREAM,
        help="Whom to ask: an address with or without a port, tcp://..., tls://HOST,"
        " https://HOST/PATH, kt, google, or system (what resolv.conf says).",
    )
    dnssec: bool = setting(
        Flag(),
        default=False,
        group=_UPSTREAM,
        help="Validate answers, and pass over a server whose answers are forged.",
    )
    trust_anchor: Path | None = setting(
        FilePath(),
        default=None,
        group=_UPSTREAM,
        help="A file with DS or DNSKEY records to trust instead of the root's.",
    )
    upstream_ca: Path | None = setting(
        FilePath(),
        default=None,
        group=_UPSTREAM,
        help="Certificates (PEM) of who may sign those of upstream servers; else the"
        " system's.",
    )
    forward: tuple[str, ...] = setting(
        Parsed("NAME", parse_zone),
        default=(),
        repeat=True,
        group=_UPSTREAM,
        help="Ask upstream for this name and all below it, although it is special or"
        " private: test, home.arpa, 10.in-addr.arpa.",
    )
    upstream_timeout: float = setting(
        Duration(0.1, 60),
        default="5s",
        group=TIMEOUTS,
        help="How long a question may take upstream, with all servers and tries.",
    )
    drain_timeout: float = setting(
        Duration(0, 86400, zero_means="at once"),
        default="5s",
        group=TIMEOUTS,
        help="At SIGTERM or SIGINT, how long to let connections finish.",
    )
    idle_timeout: float = setting(
        Duration(1, 7 * 86400, zero_means="never"),
        default="2m",
        group=TIMEOUTS,
        help="Close a connection on which nothing has moved for so long.",
    )
    allow: tuple[Allowed, ...] = setting(
        Parsed("NETWORK", parse_allowed),
        default=("local",),
        repeat=True,
        short="a",
        group=LIMITS,
        help="Whom to serve: an address, a network, local (loopback and private"
        " networks), unix, or all: then others can use it against third parties.",
    )
    rate: Rate | None = setting(
        RateLimit(),
        default="5000/s:10000",
        group=LIMITS,
        help="Queries of one address (IPv6: of one /64).",
    )
    cache_entries: int = setting(
        Count(1, 10_000_000),
        default=100_000,
        group=_CACHE,
        help="Answers that are kept.",
    )
    cache_size: int = setting(
        Size(64 * 1024, 2**36),
        default="60M",
        group=_CACHE,
        help="Memory for them, about.",
    )
    max_ttl: float = setting(
        Duration(1, 7 * 86400),
        default="7d",
        group=_CACHE,
        help="The longest that an answer is kept.",
    )
    stale: float = setting(
        Duration(0, 7 * 86400, zero_means="not at all"),
        default="1d",
        group=_CACHE,
        help="For how long after its time an answer may serve if no other is to be"
        " had.",
    )

    def validate(self) -> None:
        """
        Check what holds between the values.

        @raise SettingsError: If it does not.
        """
        if not any(self.dns + self.doh + self.line):
            raise SettingsError("dns", "there is nothing to listen on")
        if self.trust_anchor is not None and not self.dnssec:
            raise SettingsError("trust_anchor", "it is of use with --dnssec only")
        try:
            Access(self.allow)
        except ValueError as error:
            raise SettingsError("allow", str(error)) from None
