"""Who may come in: lists of networks, by the peer's address.

An L{Acl} is an ordered list of rules, C{allow:10.0.0.0/8} or C{deny:all}; the first
that matches decides. L{Networks} is a plain set, for instance of the senders whose
PROXY header is believed. An address is turned into a number once, and compared.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_network
from socket import AF_INET, AF_INET6, inet_pton
from typing import Final

from netsvc.daemon.kinds import found

MAX_RULES: Final = 1024
"""How many rules or networks one list may have, for each connection asks them."""

ALL: Final = "all"
UNIX: Final = "unix"

_MAPPED: Final = 0xFFFF << 32  # ::ffff:0:0/96, RFC 4291 section 2.5.5.2
_LOW_32: Final = 2**32 - 1

#: What a peer is: the bits of its family, and its address as a number.
_Peer = tuple[int, int]

_UNIX_PEER: Final = (0, 0)
_OTHER_PEER: Final = (-1, 0)


@dataclass(frozen=True)
class Network:
    """A range of addresses, or a word for one.

    @ivar text: C{10.0.0.0/8}, C{2001:db8::1}, C{all} (every peer) or C{unix}
        (whoever comes through a UNIX socket).
    """

    text: str
    _bits: int = field(compare=False, repr=False)
    _mask: int = field(compare=False, repr=False)
    _value: int = field(compare=False, repr=False)

    def __str__(self) -> str:
        """Give the text back."""
        return self.text

    def _matches(self, peer: _Peer) -> bool:
        return self.text == ALL or (
            peer[0] == self._bits and peer[1] & self._mask == self._value
        )


@dataclass(frozen=True)
class Rule:
    """One line of an access list.

    @ivar allow: what happens to those that match: let in, or refused.
    @ivar network: who matches.
    """

    allow: bool
    network: Network

    def __str__(self) -> str:
        """Give the text back."""
        return f"{'allow' if self.allow else 'deny'}:{self.network}"


def parse_network(text: str) -> Network:
    """Read a network.

    IPv4-mapped IPv6 networks are those of IPv4, as their peers are.

    @param text: an address, a network with the length of its prefix, or a word.
    @raise ValueError: if it is none, or has bits set behind the prefix.
    """
    if text in (ALL, UNIX):
        return Network(text, 0, 0, 0)
    try:
        network = ip_network(text, strict=False)
    except ValueError:
        network = None
    # The library takes 10.0.0.0/255.0.0.0 too, and a scope; nobody else does.
    prefix = text.partition("/")[2]
    if network is None or "%" in text or (prefix and not prefix.isdigit()):
        raise ValueError(
            f"{found(text)} is not a network, such as 10.0.0.0/8, 2001:db8::/32,"
            f" 192.0.2.1, {ALL} or {UNIX}"
        )
    if not _is_exact(text, network):
        raise ValueError(f"{found(text)} has bits set behind the prefix: {network}?")
    bits = network.max_prefixlen
    value, mask = int(network.network_address), int(network.netmask)
    if bits == 128 and network.prefixlen >= 96 and value & ~_LOW_32 == _MAPPED:
        bits, value, mask = 32, value & _LOW_32, mask & _LOW_32
    return Network(text, bits, mask, value)


def parse_rule(text: str) -> Rule:
    """Read a rule: C{allow:} or C{deny:} and a network.

    @raise ValueError: if it is none.
    """
    action, colon, network = text.partition(":")
    if not colon or action not in ("allow", "deny"):
        raise ValueError(
            f"{found(text)} is not a rule, such as allow:10.0.0.0/8 or deny:all"
        )
    return Rule(action == "allow", parse_network(network))


def parse_allowed(text: str) -> Rule:
    """Read a network that is allowed."""
    return parse_rule(f"allow:{text}")


def parse_denied(text: str) -> Rule:
    """Read a network that is denied."""
    return parse_rule(f"deny:{text}")


def show_network(rule: Rule) -> str:
    """Show a rule's network alone."""
    return str(rule).partition(":")[2]


class Networks:
    """A set of networks."""

    def __init__(self, networks: Iterable[Network] = ()) -> None:
        """Take the networks.

        @raise ValueError: if there are more than L{MAX_RULES}.
        """
        self._networks = tuple(networks)
        _check_length(len(self._networks))

    def contains(self, host: str | bytes | None) -> bool:
        """Say whether a peer is in one of the networks.

        @param host: its address; see L{Acl.allows}.
        """
        if not self._networks:
            return False
        peer = _peer(host)
        return any(network._matches(peer) for network in self._networks)


class Acl:
    """An ordered list of rules."""

    def __init__(self, rules: Iterable[Rule] = ()) -> None:
        """Take the rules, in their order.

        @raise ValueError: if there are more than L{MAX_RULES}.
        """
        self._rules = tuple(rules)
        _check_length(len(self._rules))
        self._otherwise = not any(rule.allow for rule in self._rules)

    @classmethod
    def parse(cls, texts: Iterable[str]) -> Acl:
        """Read a list of rules; see L{parse_rule}."""
        return cls(map(parse_rule, texts))

    def allows(self, host: str | bytes | None) -> bool:
        """Decide about a peer.

        The first rule that matches decides. When none does, the peer is let in
        unless there is a rule that allows others.

        @param host: its address, of which a scope such as C{%eth0} is ignored
            and an IPv4-mapped one is IPv4. Whatever a UNIX socket gives
            (C{None}, bytes, an empty string, a path, an abstract name) is
            C{unix}. Other text is matched by C{all} alone.
        """
        if not self._rules:
            return True
        peer = _peer(host)
        for rule in self._rules:
            if rule.network._matches(peer):
                return rule.allow
        return self._otherwise


def _is_exact(text: str, network: IPv4Network | IPv6Network) -> bool:
    """Is the address that was written the first one of the network?"""
    return ip_network(text.partition("/")[0]).network_address == (
        network.network_address
    )


def _check_length(length: int) -> None:
    if length > MAX_RULES:
        raise ValueError(f"there are {length} rules, at most {MAX_RULES} are allowed")


def _peer(host: str | bytes | None) -> _Peer:
    """Turn the address of a peer into a number, without an exception."""
    if not host or isinstance(host, bytes) or host[0] in "/@\0":
        return _UNIX_PEER
    try:
        if ":" not in host:
            return 32, int.from_bytes(inet_pton(AF_INET, host))
        number = int.from_bytes(inet_pton(AF_INET6, host.partition("%")[0]))
    except (OSError, ValueError):
        return _OTHER_PEER
    if number & ~_LOW_32 == _MAPPED:
        return 32, number & _LOW_32
    return 128, number
