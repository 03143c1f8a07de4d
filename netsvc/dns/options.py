"""What one query asks for beside its question."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from netsvc.dns.codes import AD, CD, NSID, RD, SUBNET
from netsvc.dns.errors import InvalidName
from netsvc.dns.servers import Server
from netsvc.dns.wire import PAYLOAD, pack_option


@dataclass(frozen=True, slots=True)
class QueryOptions:
    """
    What one query asks for.

    @ivar recursion: RD: whether the server is to ask others.
    @ivar dnssec: DO: whether signatures are wanted (RFC 3225).
    @ivar checking_disabled: CD: whether the server is not to validate (RFC 4035).
    @ivar authentic_data: AD: whether its validation is of interest (RFC 6840 5.7).
    @ivar nsid: Whether the server is asked which one it is (RFC 5001).
    @ivar subnet: The subnet for which the answer is wanted, C{192.0.2.0/24}, or
        empty (RFC 7871). C{0.0.0.0/0} asks that none be sent on.
    @ivar extra: More EDNS options, each a code and a value.
    @ivar edns: Whether EDNS is used at all. Without it no other EDNS option is sent.
    @ivar payload: How many bytes of UDP payload may be sent to us.
    @ivar servers: Ask these of the resolver's servers only; empty for all.
    @ivar deadline: Seconds that the lookup may take; L{None} for the resolver's own.
    """

    recursion: bool = True
    dnssec: bool = False
    checking_disabled: bool = False
    authentic_data: bool = False
    nsid: bool = False
    subnet: str = ""
    extra: tuple[tuple[int, bytes], ...] = ()
    edns: bool = True
    payload: int = PAYLOAD
    servers: tuple[Server, ...] = ()
    deadline: float | None = None

    @property
    def flags(self) -> int:
        """The flags of the query's header."""
        return (
            (RD if self.recursion else 0)
            | (CD if self.checking_disabled else 0)
            | (AD if self.authentic_data else 0)
        )

    def packed(self) -> bytes:
        """
        Write the EDNS options.

        @raise InvalidName: C{subnet} is none.
        """
        pieces = [pack_option(code, value) for code, value in self.extra]
        if self.nsid:
            pieces.append(pack_option(NSID, b""))
        if self.subnet:
            pieces.append(pack_option(SUBNET, _subnet(self.subnet)))
        return b"".join(pieces)


def _subnet(text: str) -> bytes:
    """Write a client subnet (RFC 7871 section 6)."""
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise InvalidName(f"{text!r} is no subnet") from None
    length = network.prefixlen
    address = network.network_address.packed[: (length + 7) // 8]
    family = 1 if network.version == 4 else 2
    return family.to_bytes(2, "big") + bytes((length, 0)) + address


#: A plain query.
PLAIN = QueryOptions()
