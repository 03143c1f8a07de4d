"""Backend strings: what C{--backend} takes.

An address, a name or an SRV name, and then options, with commas between::

    10.0.0.1:80
    [2001:db8::1]:80,weight=3,max=100
    web.example.org:80,name=web          every address of the name is a backend
    srv:_http._tcp.example.org           so is every target of the SRV record
    10.0.0.9:80,backup                   used when no other is left
    10.0.0.1:443,tls,tls-name=www.example.org,send-proxy=v2
    10.0.0.1:443,sni=*.example.org       for clients that ask for such a name

This module only reads them: text in, L{BackendSpec} out. It resolves nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import ip_address
from typing import Any, Final, Protocol

from netsvc.daemon.kinds import found
from netsvc.daemon.targets import is_address

MAX_WEIGHT: Final = 256
"""The greatest weight of a backend; HAProxy's scale."""

MAX_BACKENDS: Final = 1024
"""How many backends may be named."""

MAX_ADDRESSES: Final = 64
"""How many addresses of one name are used; the others are left out."""

_MAX_CONNECTIONS = 1_000_000

#: A label of a host name; underscores are for SRV and for what people do anyway.
_LABEL = re.compile("[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?", re.I | re.A)

#: A last label by which a name could be taken for an IPv4 address.
_NUMBER = re.compile("[0-9]+|0x[0-9a-f]*", re.I | re.A)

#: What an IPv6 address consists of, with the scope that link-local ones have.
_IPV6 = re.compile("[0-9a-f:.]*:[0-9a-f:.]*(?:%[a-z0-9._-]{1,15})?", re.I | re.A)

_NAME = re.compile("[a-z0-9][a-z0-9._-]{0,63}", re.I | re.A)

_PROTOCOL = re.compile("[\x21-\x7e]{1,255}")  # of ALPN, in RFC 7301 any octets

_EXAMPLE = "such as 10.0.0.1:80"


class BackendKind(StrEnum):
    """How the addresses of a backend are found."""

    ADDRESS = "address"
    NAME = "name"
    SRV = "srv"


@dataclass(frozen=True)
class BackendSpec:
    """A backend string that has been read.

    @ivar text: the string itself; specifications are equal if it is.
    @ivar kind: how the addresses are found.
    @ivar host: an address without brackets, or a name in lower case.
    @ivar port: the port; 0 for an SRV name, whose records have their own.
    @ivar name: what people call it: C{name=}, else what stands before the options.
    @ivar weight: its share of new sessions, 0 to L{MAX_WEIGHT}; 0 is none.
    @ivar max_connections: how many sessions at once; 0 means no limit.
    @ivar backup: used only when no other backend is left.
    @ivar send_proxy: version of the PROXY protocol to send; 0 means none.
    @ivar tls: whether to speak TLS to it.
    @ivar tls_name: the name to ask for and to verify, if not the host.
    @ivar tls_verify: whether its certificate is verified.
    @ivar check_port: the port for checks; 0 means the same.
    @ivar sni: the server name whose clients it serves, C{*.} for any label in
        front; empty for those that no other serves.
    @ivar alpn: likewise the application protocol (RFC 7301).
    """

    text: str
    kind: BackendKind = field(compare=False)
    host: str = field(compare=False)
    port: int = field(compare=False)
    name: str = field(compare=False)
    weight: int = field(default=1, compare=False)
    max_connections: int = field(default=0, compare=False)
    backup: bool = field(default=False, compare=False)
    send_proxy: int = field(default=0, compare=False)
    tls: bool = field(default=False, compare=False)
    tls_name: str = field(default="", compare=False)
    tls_verify: bool = field(default=True, compare=False)
    check_port: int = field(default=0, compare=False)
    sni: str = field(default="", compare=False)
    alpn: str = field(default="", compare=False)

    def __str__(self) -> str:
        """Give the string back."""
        return self.text

    @property
    def server_name(self) -> str:
        """
        The name that its certificate has to have.

        Of SRV records it is the domain that was asked about (RFC 9525 section 6.2):
        what they answer may be forged.
        """
        if self.tls_name or self.kind is not BackendKind.SRV:
            return self.tls_name or self.host
        labels = self.host.split(".")
        while len(labels) > 1 and labels[0].startswith("_"):
            del labels[0]
        return ".".join(labels)

    @property
    def alike(self) -> tuple[object, ...]:
        """
        What makes it the same backend although it is described otherwise: where it
        is, and how one speaks to it.
        """
        host = _canonical(self.host)
        tls = (self.tls, self.tls_name, self.tls_verify)
        return (self.route, self.kind, host, self.port, self.send_proxy, *tls)

    @property
    def route(self) -> tuple[str, str]:
        """Whom it serves: server name and application protocol."""
        return self.sni, self.alpn


@dataclass(frozen=True)
class Resolved:
    """One address of a backend, as a resolver gave it.

    @ivar host: an IPv4 or IPv6 address.
    @ivar port: the port.
    @ivar weight: C{None} means that of the specification; so does
    @ivar backup: C{None}.
    """

    host: str
    port: int
    weight: int | None = None
    backup: bool | None = None


@dataclass(frozen=True)
class SrvRecord:
    """An SRV record (RFC 2782).

    @ivar target: the name of the host.
    @ivar port: its port.
    @ivar priority: the lowest is to be used first.
    @ivar weight: its share among those of the same priority, 0 to 65535.
    """

    target: str
    port: int
    priority: int
    weight: int


class Service(Protocol):
    """What counts of an SRV record; see L{SrvRecord}, which is one."""

    @property
    def target(self) -> str:
        """The name of the host."""

    @property
    def port(self) -> int:
        """Its port."""

    @property
    def priority(self) -> int:
        """The lowest is to be used first."""

    @property
    def weight(self) -> int:
        """Its share among those of the same priority, 0 to 65535."""


def scale_srv(records: Sequence[Service]) -> list[tuple[Service, int, bool]]:
    """Turn priorities and weights of SRV records into ours.

    Those of the lowest priority are primary backends, all others backups.
    Weights are scaled to 1..L{MAX_WEIGHT} within the primaries and within the
    backups; a weight of 0 becomes 1, "a very small chance" (RFC 2782).

    @return: each record with its weight, and whether it is a backup.
    """
    first = min((record.priority for record in records), default=0)
    largest = {False: MAX_WEIGHT, True: MAX_WEIGHT}
    for record in records:
        backup = record.priority != first
        largest[backup] = max(largest[backup], record.weight)
    scaled = []
    for record in records:
        backup = record.priority != first
        weight = round(record.weight * MAX_WEIGHT / largest[backup])
        scaled.append((record, max(1, weight), backup))
    return scaled


def parse_backend(text: str) -> BackendSpec:
    """Read a backend string.

    @raise ValueError: if it cannot be right, with what was found and what is
        allowed. Whether a name exists is seen when it is resolved.
    """
    try:
        return _parse(text)
    except ValueError as error:
        raise ValueError(f"{found(text)}: {error}") from None


def check_backends(specs: Sequence[BackendSpec]) -> None:
    """Refuse backends that cannot stand together.

    @raise ValueError: if there is none or too many, if two have one name, or if
        an address serves the same clients twice.
    """
    if not specs:
        raise ValueError(f"there is no backend; give one, {_EXAMPLE}")
    if len(specs) > MAX_BACKENDS:
        raise ValueError(
            f"there are {len(specs)} backends, at most {MAX_BACKENDS} are allowed"
        )
    names: dict[str, BackendSpec] = {}
    places: dict[tuple[object, ...], BackendSpec] = {}
    for spec in specs:
        place = (spec.route, spec.kind, _canonical(spec.host), spec.port)
        other = places.setdefault(place, spec)
        if other is not spec:
            raise ValueError(
                f"{found(spec.text)} and {found(other.text)} are the same backend"
            )
        if names.setdefault(spec.name, spec) is not spec:
            raise ValueError(
                f"two backends have the name {found(spec.name)}; give one name=NAME"
            )


def by_route(
    specs: Sequence[BackendSpec],
) -> dict[tuple[str, str], list[BackendSpec]]:
    """Group backends by the clients that they serve, in the order given.

    @return: the backends by server name and application protocol.
    """
    routes: dict[tuple[str, str], list[BackendSpec]] = {}
    for spec in specs:
        routes.setdefault(spec.route, []).append(spec)
    return routes


def _canonical(host: str) -> str:
    """Write an address in the one usual way; a name stays."""
    return str(ip_address(host)) if is_address(host) else host


def _parse(text: str) -> BackendSpec:
    place, *options = text.split(",")
    kind, host, port = _place(place)
    given: dict[str, Any] = {}
    for option in options:
        key, equals, value = option.partition("=")
        known = _OPTIONS.get(key)
        if known is None:
            raise ValueError(
                f"{found(key)} is not an option; there are {', '.join(_OPTIONS)}"
            )
        attribute, read = known
        if attribute in given:
            raise ValueError(f"{key} is given twice")
        if (read is None) == bool(equals):
            raise ValueError(
                f"{key} takes no value" if equals else f"{key} takes a value"
            )
        given[attribute] = True if read is None else read(key, value)
    if not given.get("tls") and {"tls_name", "tls_verify"} & given.keys():
        raise ValueError("tls-name and tls-verify are of use with tls only")
    given.setdefault("name", place)
    return BackendSpec(text=text, kind=kind, host=host, port=port, **given)


def _place(place: str) -> tuple[BackendKind, str, int]:
    """Read what stands before the options."""
    if place.startswith("srv:"):
        name = _host_name(place[4:])
        return BackendKind.SRV, name, 0
    host, colon, port = place.rpartition(":")
    if not colon or not host:
        raise ValueError(f"a backend is HOST:PORT, {_EXAMPLE}")
    number = _whole("the port", port, 1, 65535)
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
        if not _IPV6.fullmatch(host) or not is_address(host):
            raise ValueError(f"{found(host)} is not an IPv6 address")
        return BackendKind.ADDRESS, host, number
    if ":" in host:
        raise ValueError("an IPv6 address is written in brackets, such as [::1]:80")
    if is_address(host):
        return BackendKind.ADDRESS, host, number
    return BackendKind.NAME, _host_name(host), number


def _host_name(text: str) -> str:
    """Read a host name (RFC 1123 section 2.1), which no address can look like."""
    name = text.removesuffix(".")
    labels = name.split(".")
    if len(name) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise ValueError(f"{found(text)} is neither an address nor a host name")
    if _NUMBER.fullmatch(labels[-1]):
        raise ValueError(f"{found(text)} is not an IPv4 address")
    return name.lower()


def _whole(what: str, text: str, lowest: int, highest: int) -> int:
    """Read a whole number within bounds."""
    if not re.fullmatch("[0-9]{1,9}", text) or not lowest <= int(text) <= highest:
        raise ValueError(
            f"{what} is {found(text)}, not a number from {lowest} to {highest}"
        )
    return int(text)


def _number(lowest: int, highest: int) -> Callable[[str, str], int]:
    return lambda key, text: _whole(key, text, lowest, highest)


def _one_of(values: dict[str, object]) -> Callable[[str, str], object]:
    def read(key: str, text: str) -> object:
        if text not in values:
            raise ValueError(f"{key} is {found(text)}, not {' or '.join(values)}")
        return values[text]

    return read


def _matching(pattern: re.Pattern[str], what: str) -> Callable[[str, str], str]:
    def read(key: str, text: str) -> str:
        if not pattern.fullmatch(text):
            raise ValueError(f"{key} is {found(text)}, not {what}")
        return text

    return read


def _server_name(key: str, text: str) -> str:
    """Read a host name, with C{*.} in front for what is below it."""
    star = "*." if text.startswith("*.") else ""
    return star + _host_name(text.removeprefix(star))


#: Options, the attribute each sets, and what reads the value; C{None}: a flag.
_OPTIONS: Final[dict[str, tuple[str, Callable[[str, str], object] | None]]] = {
    "weight": ("weight", _number(0, MAX_WEIGHT)),
    "max": ("max_connections", _number(0, _MAX_CONNECTIONS)),
    "backup": ("backup", None),
    "name": (
        "name",
        _matching(_NAME, "letters, digits, dots, hyphens and underscores, at most 64"),
    ),
    "send-proxy": ("send_proxy", _one_of({"v1": 1, "v2": 2})),
    "tls": ("tls", None),
    "tls-name": ("tls_name", lambda key, text: _host_name(text)),
    "tls-verify": ("tls_verify", _one_of({"yes": True, "no": False})),
    "check-port": ("check_port", _number(1, 65535)),
    "sni": ("sni", _server_name),
    "alpn": ("alpn", _matching(_PROTOCOL, "the name of a protocol, such as h2")),
}
