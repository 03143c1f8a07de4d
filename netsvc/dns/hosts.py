"""
The hosts file (hosts(5)), and the names that need no file: localhost (RFC 6761).
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from pathlib import Path

from netsvc.dns.errors import InvalidName
from netsvc.dns.names import from_text, is_within

#: Where it is.
PATH = Path("/etc/hosts")

#: Bytes that are read of it: lists of a hundred thousand names are about.
MAX_FILE = 16 * 1024 * 1024

_LOCALHOST = b"\x09localhost\0"
_LOOPBACK = ("127.0.0.1", "::1")


@dataclass(frozen=True)
class Hosts:
    """
    What the hosts file says.

    @ivar addresses: The addresses of each name; by the wire form in lower case.
    @ivar names: The names of each address, the first one is the canonical one.
    """

    addresses: dict[bytes, tuple[str, ...]] = field(default_factory=dict)
    names: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def lookup(self, name: bytes) -> tuple[str, ...]:
        """
        Give the addresses of a name; of localhost and what is below it, too.

        @param name: The wire form in any case.
        """
        key = name.lower()
        found = self.addresses.get(key, ())
        if not found and is_within(key, _LOCALHOST):
            return _LOOPBACK
        return found

    def reverse(self, address: str) -> tuple[str, ...]:
        """Give the names of an address."""
        return self.names.get(address, ())


def parse(text: str) -> Hosts:
    """Read the file's text; what is no address or no name is left out."""
    addresses: dict[bytes, list[str]] = {}
    names: dict[str, list[str]] = {}
    for line in text.splitlines():
        words = line.partition("#")[0].split()
        if len(words) < 2:
            continue
        try:
            address = str(ipaddress.ip_address(words[0]))
        except ValueError:
            continue
        for name in words[1:]:
            try:
                key = from_text(name).lower()
            except InvalidName:
                continue
            addresses.setdefault(key, []).append(address)
            names.setdefault(address, []).append(name)
    return Hosts(
        {key: tuple(dict.fromkeys(found)) for key, found in addresses.items()},
        {key: tuple(dict.fromkeys(found)) for key, found in names.items()},
    )


def load(path: Path = PATH) -> Hosts:
    """
    Read the file; one that is not there says nothing.

    @raise OSError: It is there, but cannot be read.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE)
    except FileNotFoundError:
        return Hosts()
    return parse(data.decode("utf-8", "replace"))
