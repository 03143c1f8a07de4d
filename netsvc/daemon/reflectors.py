"""
Source ports that no datagram from a client has, but a forged one may.

A service that answers datagrams can be made to answer another one that does, for ever,
by one forged datagram (CVE-2024-2169). Clients have other ports.
"""

from __future__ import annotations

from typing import Final

#: UDP services that answer a stranger's datagram, and would answer ours:
#: port 0 (nobody can be reached there), echo, systat, daytime, qotd, chargen,
#: time, DNS, TFTP, portmapper, NTP, NetBIOS, SNMP, CLDAP, RIP, IPMI, MS SQL,
#: L2TP, SSDP, WS-Discovery, SIP, mDNS, CoAP, Quake, Steam, memcached.
REFLECTORS: Final = frozenset(
    {0, 7, 11, 13, 17, 19, 37, 53, 69, 111, 123, 137, 161, 389, 520, 623, 1434}
    | {1701, 1900, 3702, 5060, 5353, 5683, 11211, 26000, 27015, 27960}
)

#: The lowest port that an ordinary client's socket has.
FIRST_UNPRIVILEGED: Final = 1024
