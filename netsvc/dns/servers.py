"""
Servers to ask: what people write, and what it means.

    - C{192.0.2.1}, C{192.0.2.1:5353}, C{2001:db8::1}, C{[2001:db8::1]:5353}: UDP,
      and TCP for what does not fit.
    - C{udp://...}, C{tcp://...}: the same; the latter over TCP only.
    - C{tls://HOST[:PORT]}: DNS over TLS (RFC 7858). C{HOST} is what the certificate
      has to be for. C{tls://192.0.2.1#dns.example} names both: where to connect, and
      what the certificate is for, in either order.
    - C{https://HOST[:PORT]/PATH[#ADDRESS]}: DNS over HTTPS (RFC 8484).
    - C{?pin=BASE64} after these two: the SHA-256 of the public key (RFC 7858 appendix
      A), which is trusted in place of any authority. May be repeated.
    - C{kt}, C{google}: see L{PRESETS}. C{system}: what resolv.conf names.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlsplit

from netsvc.daemon.targets import is_address
from netsvc.dns.errors import InvalidName

UDP = "udp"
TCP = "tcp"
TLS = "tls"
HTTPS = "https"

#: The port of each transport.
PORTS = {UDP: 53, TCP: 53, TLS: 853, HTTPS: 443}

#: The path of a DoH server for which none is written (RFC 8484 section 4.1.1).
PATH = "/dns-query"

#: How many servers one list may have.
MAX_SERVERS = 64

#: Servers by the name of who runs them.
PRESETS = {
    "kt": ("168.126.63.1", "168.126.63.2"),
    "google": ("8.8.8.8", "8.8.4.4"),
}

_LABEL = "[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?"

#: A name in ASCII that a certificate can have (RFC 1123 section 2.1).
_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*\.?")

#: The name of the servers that the system uses.
SYSTEM = "system"


@dataclass(frozen=True, slots=True)
class Server:
    """
    One server, and how to ask it.

    @ivar transport: L{UDP} (with TCP for what does not fit), L{TCP}, L{TLS} or
        L{HTTPS}.
    @ivar host: A literal address, or a name that has to be looked up first.
    @ivar port: A port number.
    @ivar name: What its certificate has to be for: a name or an address.
    @ivar path: The path of its URL, for L{HTTPS}.
    @ivar pins: SHA-256 digests of the public keys that it may have; if there are
        any, C{name} is not verified.
    """

    transport: str
    host: str
    port: int
    name: str = ""
    path: str = ""
    pins: tuple[bytes, ...] = ()

    @property
    def is_address(self) -> bool:
        """Whether C{host} is a literal address."""
        return is_address(self.host)

    def __str__(self) -> str:
        """Write it as short as it can be read again, but for pins."""
        other = "" if self.name in ("", self.host) else self.name
        shown = self.host
        if self.transport == HTTPS and other:
            # The URL has the name; where to connect comes after it.
            shown, other = other, shown
        if ":" in shown:
            shown = f"[{shown}]"
        if self.port != PORTS[self.transport]:
            shown = f"{shown}:{self.port}"
        elif self.transport == UDP:
            return self.host
        if self.transport == UDP:
            return shown
        end = f"#{other}" if other else ""
        return f"{self.transport}://{shown}{self.path}{end}"


def parse_server(text: str) -> Server:
    """
    Read one server.

    @param text: See the module; no preset.
    @raise InvalidName: It is none.
    """
    if "://" not in text:
        host, port = _host_and_port(text, PORTS[UDP])
        return Server(UDP, host, port)
    try:
        parts = urlsplit(text)
    except ValueError:
        raise InvalidName(f"{text!r} is no server") from None
    transport = parts.scheme
    if transport not in PORTS:
        raise InvalidName(f"{text!r}: the transport is udp, tcp, tls or https")
    encrypted = transport in (TLS, HTTPS)
    if parts.username is not None or (
        not encrypted and (parts.query or parts.fragment)
    ):
        raise InvalidName(f"{text!r} has more than a {transport} server can have")
    if parts.path not in ("", "/") and transport != HTTPS:
        raise InvalidName(f"{text!r}: only https:// has a path")
    host, port = _host_and_port(parts.netloc, PORTS[transport])
    if not encrypted:
        return Server(transport, host, port)
    host, name = _host_and_name(host, parts.fragment, text)
    path = (parts.path if parts.path not in ("", "/") else PATH) * (transport == HTTPS)
    pins = _pins(parts.query, text)
    if not pins and name.isascii() and not (is_address(name) or _NAME.fullmatch(name)):
        raise InvalidName(f"{text!r}: no certificate can have the name {name!r}")
    return Server(transport, host, port, name, path, pins)


def _host_and_name(host: str, other: str, text: str) -> tuple[str, str]:
    """Tell where to connect from what the certificate is for."""
    if not other:
        return host, host
    if is_address(other):
        return other, host
    if not is_address(host):
        raise InvalidName(f"{text!r}: one of the two has to be an address")
    return host, other


def _pins(query: str, text: str) -> tuple[bytes, ...]:
    """Read the pins of a URL."""
    pins = []
    for key, value in parse_qsl(query.replace("+", "%2B"), keep_blank_values=True):
        try:
            pin = base64.b64decode(value, validate=True)
        except binascii.Error:
            pin = b""
        if key != "pin" or len(pin) != 32:
            raise InvalidName(f"{text!r}: a pin is a SHA-256 digest in Base64")
        pins.append(pin)
    return tuple(pins)


def _host_and_port(text: str, default: int) -> tuple[str, int]:
    """
    Split a host from a port.

    @raise InvalidName: One of them is none.
    """
    if is_address(text):
        return text, default
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        good = bool(bracket) and ":" in host and is_address(host)
    else:
        host, colon, rest = text.partition(":")
        rest = colon + rest
        good = bool(host) and all(each.isalnum() or each in "-._" for each in host)
    port = default
    if rest:
        digits = rest[1:]
        good = good and rest[0] == ":" and digits.isascii() and digits.isdigit()
        port = int(digits) if good and len(digits) <= 5 else 0
    good = good and (is_address(host) or _is_name(host))
    if not good or not 0 < port < 65536 or _is_like_an_address(host):
        raise InvalidName(f"{text!r} is no server")
    return host, port


def _is_name(host: str) -> bool:
    """Tell whether the system can be asked for a name: its labels are not too long."""
    try:
        return len(host.encode("idna")) < 254
    except UnicodeError:
        return False


def _is_like_an_address(host: str) -> bool:
    """Tell whether a host that is no address looks like one: 192.0.2.300."""
    last = host.rpartition(".")[2]
    return last.isdigit() and not is_address(host)


def parse_servers(
    texts: Iterable[str], system: Callable[[], tuple[Server, ...]]
) -> tuple[Server, ...]:
    """
    Read servers and presets.

    @param texts: What people write, each perhaps after an C{@}.
    @param system: Gives the servers that the system uses.
    @return: Each server once, in order.
    @raise InvalidName: One is none, or there are too many.
    """
    found: dict[Server, None] = {}
    for text in texts:
        text = text.removeprefix("@")
        if text == SYSTEM:
            found.update(dict.fromkeys(system()))
            continue
        for each in PRESETS.get(text, (text,)):
            found[parse_server(each)] = None
    if len(found) > MAX_SERVERS:
        raise InvalidName(f"more than {MAX_SERVERS} servers")
    return tuple(found)
