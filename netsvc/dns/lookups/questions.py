"""Questions from names as people write them: every script, addresses, short names."""

from __future__ import annotations

from collections.abc import Sequence

from netsvc.daemon.targets import is_address
from netsvc.dns.errors import InvalidName
from netsvc.dns.idn import to_ascii, to_wire
from netsvc.dns.lookups.request import Item
from netsvc.dns.names import reverse_name
from netsvc.dns.resolv_conf import candidates
from netsvc.dns.rrtypes import IN, PTR, A


def make_items(
    name: str,
    types: Sequence[int] = (),
    rclass: int = IN,
    reverse: bool = False,
    search: Sequence[str] = (),
    ndots: int = 1,
) -> tuple[Item, ...]:
    """
    Make the questions about one name.

    @param name: A name of any script, or an address, which means its reverse name.
    @param types: None means A, or PTR for an address.
    @param reverse: Whether it has to be an address.
    @param search: Domains that complete a short name.
    @param ndots: Dots from which on a name is asked for as it is at first.
    @raise InvalidName: It is none.
    """
    if is_address(name):
        wires: tuple[bytes, ...] = (reverse_name(name),)
        types = types or (PTR,)
    elif reverse:
        raise InvalidName(f"{name!r} is no address")
    else:
        if not name.isascii():
            name, written = to_ascii(name), name
        else:
            written = name
        found = candidates(name, tuple(search), ndots)
        wires = tuple(dict.fromkeys(to_wire(each) for each in found))
        types = types or (A,)
        name = written
    return tuple(Item(name, wires, rtype, rclass) for rtype in types)
