"""The service makers: one list that the plugin file and C{netsvc run} share.

Each entry names its C{tap} module and imports nothing of it, so that C{twistd
--help} stays quick. C{netsvc.parsers} is no service and not listed.
"""

from __future__ import annotations

from twisted.application.service import ServiceMaker

echo = ServiceMaker(
    "netsvc echo",
    "netsvc.echo.tap",
    "Echo over TCP, UDP and TLS (RFC 862).",
    "netsvc-echo",
)

balance = ServiceMaker(
    "netsvc balance",
    "netsvc.balance.tap",
    "One entrance for several computers, over TCP and UDP.",
    "netsvc-balance",
)

chat = ServiceMaker(
    "netsvc chat",
    "netsvc.chat.tap",
    "Chat rooms for telnet, IRC clients and people's own programs.",
    "netsvc-chat",
)

relay = ServiceMaker(
    "netsvc relay",
    "netsvc.relay.tap",
    "Chat rooms over UDP, STUN, and introductions.",
    "netsvc-relay",
)

dns = ServiceMaker(
    "netsvc dns",
    "netsvc.dns.tap",
    "DNS lookups for people and programs: a caching forwarder.",
    "netsvc-dns",
)

netsvc = ServiceMaker(
    "netsvc",
    "netsvc.tap",
    "The services that a configuration file asks for, in one daemon.",
    "netsvc",
)

ALL = (echo, balance, chat, relay, dns, netsvc)
