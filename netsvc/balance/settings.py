"""The settings of netsvc-balance."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from netsvc.balance.acl import (
    Acl,
    Network,
    Networks,
    Rule,
    parse_allowed,
    parse_denied,
    parse_network,
    show_network,
)
from netsvc.balance.backends import (
    BackendKind,
    BackendSpec,
    check_backends,
    parse_backend,
)
from netsvc.balance.check_text import parse_statuses, unescape
from netsvc.balance.policy import POLICIES
from netsvc.daemon.listen import Listen, parse_listen
from netsvc.daemon.service_settings import LIMITS, TIMEOUTS, ServiceSettings
from netsvc.daemon.settings import (
    Choice,
    Count,
    Duration,
    FilePath,
    Flag,
    Parsed,
    Rate,
    RateLimit,
    SettingsError,
    Text,
    setting,
)

_BACKENDS = "Backends"
_CHECKS = "Health"
_PROXY = "PROXY protocol"
_TLS = "TLS"
_UDP = "UDP"


@dataclass(frozen=True, kw_only=True)
class BalanceSettings(ServiceSettings):
    """What a command line or a configuration file says about netsvc-balance."""

    listen: tuple[Listen, ...] = setting(
        Parsed("ENDPOINT", parse_listen),
        default=("tcp:8000",),
        repeat=True,
        short="l",
        help="Where to listen: tcp:, ssl:, tls:, unix:, systemd: or udp:, with"
        " Twisted's endpoint syntax.",
    )
    backend: tuple[BackendSpec, ...] = setting(
        Parsed("BACKEND", parse_backend),
        repeat=True,
        short="b",
        group=_BACKENDS,
        help="HOST:PORT or srv:NAME, then any of ,weight=N ,max=N ,backup ,name=TEXT"
        " ,send-proxy=v1|v2 ,tls ,tls-name=NAME ,tls-verify=no ,check-port=N and, to"
        " route by TLS ClientHello, ,sni=NAME ,alpn=PROTOCOL.",
    )
    policy: str = setting(
        Choice(*POLICIES),
        default="roundrobin",
        group=_BACKENDS,
        help="Which backend gets the next session.",
    )
    retries: int = setting(
        Count(0, 10),
        default=3,
        group=_BACKENDS,
        help="How many more backends to try for a client when one cannot be reached.",
    )
    queue: int = setting(
        Count(0, 1_000_000, zero_means="no queue"),
        default=1024,
        group=_BACKENDS,
        help="Clients that may wait while every backend has its max.",
    )
    queue_timeout: float = setting(
        Duration(0.01, 3600),
        default="5s",
        group=_BACKENDS,
        help="How long they may wait.",
    )
    queue_abort: bool = setting(
        Flag(),
        default=False,
        group=_BACKENDS,
        help="A client that has sent its end while it waits has left; else it may"
        " still want an answer. One whose connection breaks has left anyhow.",
    )
    resolver: tuple[str, ...] = setting(
        Text(255, 1),
        default=("system",),
        repeat=True,
        group=_BACKENDS,
        help="Whom to ask for backends by name: an address with or without a port,"
        " tcp://..., tls://HOST, https://HOST/PATH, kt, google, or system (what"
        " resolv.conf says).",
    )
    check: str = setting(
        Choice("auto", "none", "tcp", "send-expect", "http", "tls", "udp-echo"),
        default="auto",
        group=_CHECKS,
        help="How backends are checked; auto is tcp, or none if all listen on udp:."
        " A checked backend gets no session before a check has passed.",
    )
    check_interval: float = setting(
        Duration(0.05, 3600),
        default="2s",
        group=_CHECKS,
        help="Time from one check to the next.",
    )
    check_timeout: float = setting(
        Duration(0.01, 3600, zero_means="as the interval"),
        default=0.0,
        group=_CHECKS,
        help="A check that takes longer has failed.",
    )
    rise: int = setting(
        Count(1, 100),
        default=2,
        group=_CHECKS,
        help="Passed checks in a row that bring a backend up again.",
    )
    fall: int = setting(
        Count(1, 100),
        default=3,
        group=_CHECKS,
        help="Failed checks in a row that take a backend down.",
    )
    check_send: str = setting(
        Text(1024),
        default="",
        group=_CHECKS,
        help="What send-expect sends; \\r, \\n, \\xNN as in C.",
    )
    check_expect: str = setting(
        Text(1024),
        default="",
        group=_CHECKS,
        help="What send-expect looks for in the answer; any answer if empty.",
    )
    check_path: str = setting(
        Text(1024, 1),
        default="/",
        group=_CHECKS,
        help="The path that http asks for.",
    )
    check_host: str = setting(
        Text(255),
        default="",
        group=_CHECKS,
        help="The Host that http asks for; the backend's own if empty.",
    )
    check_status: str = setting(
        Parsed("STATUS", parse_statuses),
        default="200-399",
        group=_CHECKS,
        help="The statuses with which http has passed.",
    )
    eject_after: int = setting(
        Count(0, 1000, zero_means="never"),
        default=5,
        group=_CHECKS,
        help="Connect errors or early resets in a row that eject a backend.",
    )
    ejection_time: float = setting(
        Duration(0.1, 86400),
        default="30s",
        group=_CHECKS,
        help="How long it is ejected; longer when it happens again.",
    )
    max_ejected: int = setting(
        Count(0, 100),
        default=50,
        group=_CHECKS,
        help="The share of backends, in percent, that may be ejected at once.",
    )
    slow_start: float = setting(
        Duration(0.1, 86400, zero_means="off"),
        default=0.0,
        group=_CHECKS,
        help="Time in which a backend that comes up again gets its full share.",
    )
    max_connections_per_source: int = setting(
        Count(0, 1_000_000, zero_means="no limit"),
        default=0,
        group=LIMITS,
        help="Connections of one address (IPv6: of one /64).",
    )
    total_connection_rate: Rate | None = setting(
        RateLimit(),
        default="off",
        group=LIMITS,
        help="New connections in all.",
    )
    allow: tuple[Rule, ...] = setting(
        Parsed("NETWORK", parse_allowed, show_network),
        default=(),
        repeat=True,
        group=LIMITS,
        help="Serve only these sources: an address, a network, unix or all.",
    )
    deny: tuple[Rule, ...] = setting(
        Parsed("NETWORK", parse_denied, show_network),
        default=(),
        repeat=True,
        group=LIMITS,
        help="Do not serve these, even if they are allowed.",
    )
    client_timeout: float = setting(
        Duration(0.1, 3600),
        default="10s",
        group=TIMEOUTS,
        help="How long a client may take for its PROXY header and for TLS.",
    )
    connect_timeout: float = setting(
        Duration(0.01, 3600),
        default="5s",
        group=TIMEOUTS,
        help="How long a backend may take to accept a connection, TLS included.",
    )
    idle_timeout: float = setting(
        Duration(1, 7 * 86400, zero_means="never"),
        default="5m",
        group=TIMEOUTS,
        help="Close a session on which nothing has moved for so long before both"
        " sides have sent something, or after one has sent all.",
    )
    tunnel_timeout: float = setting(
        Duration(1, 7 * 86400, zero_means="never"),
        default="1h",
        group=TIMEOUTS,
        help="The same in between.",
    )
    drain_timeout: float = setting(
        Duration(0, 86400, zero_means="at once"),
        default="30s",
        group=TIMEOUTS,
        help="At SIGTERM or SIGINT, how long to let sessions finish.",
    )
    accept_proxy: bool = setting(
        Flag(),
        default=False,
        group=_PROXY,
        help="Read a PROXY header, v1 or v2, from those who are trusted; they must"
        " send one, and nobody else may.",
    )
    trust: tuple[Network, ...] = setting(
        Parsed("NETWORK", parse_network),
        default=(),
        repeat=True,
        group=_PROXY,
        help="Who is trusted: the addresses of the proxies in front.",
    )
    send_proxy: Literal["off", "v1", "v2"] = setting(
        Choice("off", "v1", "v2"),
        default="off",
        group=_PROXY,
        help="Tell every backend the client's address; udp: needs v2.",
    )
    alpn: tuple[str, ...] = setting(
        Text(255, 1),
        default=(),
        repeat=True,
        group=_TLS,
        help="Protocols that ssl: and tls: offer, the best first, such as h2.",
    )
    backend_tls: bool = setting(
        Flag(),
        default=False,
        group=_TLS,
        help="Speak TLS to every backend.",
    )
    backend_ca: Path | None = setting(
        FilePath(),
        default=None,
        group=_TLS,
        help="Certificates (PEM) of who may sign the backends'; else the system's.",
    )
    backend_name: str = setting(
        Text(255),
        default="",
        group=_TLS,
        help="The name that every backend's certificate must have; else its own.",
    )
    backend_verify: bool = setting(
        Flag(),
        default=True,
        group=_TLS,
        help="Take any certificate of a backend.",
    )
    udp_timeout: float = setting(
        Duration(0.1, 86400),
        default="1m",
        group=_UDP,
        help="Forget a UDP session on which nothing has moved for so long.",
    )
    udp_responses: int = setting(
        Count(0, 1_000_000, zero_means="any number"),
        default=0,
        group=_UDP,
        help="Forget a UDP session after so many answers: 1 for DNS.",
    )
    udp_sessions: int = setting(
        Count(1, 1_000_000),
        default=10_000,
        group=_UDP,
        help="UDP sessions at once; each has a socket.",
    )
    udp_rate: Rate | None = setting(
        RateLimit(),
        default="off",
        group=_UDP,
        help="Datagrams taken from one address (IPv6: from one /64).",
    )
    control: Path | None = setting(
        FilePath(),
        default=None,
        help="Socket for 'netsvc balance status' and its like.",
    )

    def validate(self) -> None:
        """Check what holds between the values."""
        try:
            check_backends(self.backend)
        except ValueError as error:
            raise SettingsError("backend", str(error)) from None
        if self.accept_proxy and not self.trust:
            raise SettingsError(
                "trust", "must be given with --accept-proxy: who may send a header"
            )
        if self.trust and not self.accept_proxy:
            raise SettingsError("trust", "is of use with --accept-proxy only")
        if self.check == "send-expect" and not (self.check_send or self.check_expect):
            raise SettingsError(
                "check", "send-expect needs --check-send or --check-expect"
            )
        for key, value in (
            ("check_send", lambda: unescape(self.check_send)),
            ("check_expect", lambda: unescape(self.check_expect)),
            ("deny", lambda: self.acl),
            ("trust", lambda: self.trusted),
        ):
            try:
                value()
            except ValueError as error:
                raise SettingsError(key, str(error)) from None
        if self.listens_on_udp and any(one.send_proxy == 1 for one in self.specs):
            raise SettingsError(
                "send_proxy", "v1 cannot tell the address of UDP clients, v2 can"
            )

    # What follows from the values.

    @property
    def listens_on_udp(self) -> bool:
        """Whether any listen string is of UDP."""
        return any(listen.kind == "udp" for listen in self.listen)

    @property
    def effective_check(self) -> str:
        """The kind of check, C{auto} resolved."""
        if self.check != "auto":
            return self.check
        streams = any(listen.kind != "udp" for listen in self.listen)
        return "tcp" if streams else "none"

    @property
    def specs(self) -> tuple[BackendSpec, ...]:
        """The backends, with what holds for all of them."""
        version = {"off": 0, "v1": 1, "v2": 2}[self.send_proxy]
        return tuple(
            replace(
                spec,
                send_proxy=spec.send_proxy or version,
                tls=spec.tls or self.backend_tls,
                tls_name=spec.tls_name or self.backend_name,
                tls_verify=spec.tls_verify and self.backend_verify,
            )
            for spec in self.backend
        )

    @property
    def looks_up(self) -> bool:
        """Whether a resolver is needed, or one was asked for."""
        by_address = all(spec.kind is BackendKind.ADDRESS for spec in self.backend)
        return not by_address or self.resolver != ("system",)

    @property
    def acl(self) -> Acl:
        """Whom to serve: who is denied comes first."""
        return Acl((*self.deny, *self.allow))

    @property
    def trusted(self) -> Networks | None:
        """Whose PROXY headers to read; L{None} if nobody's."""
        return Networks(self.trust) if self.accept_proxy else None
