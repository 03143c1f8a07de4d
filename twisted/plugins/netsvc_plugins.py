"""Shows C{twistd} and C{twist} netsvc's services and its endpoint prefix.

There is no C{__init__.py} beside this file, nor above it: one would hide, and in
a wheel overwrite, Twisted's own.
"""

from __future__ import annotations

from netsvc.parsers import client_parser as muxClient
from netsvc.parsers import server_parser as muxServer
from netsvc.services import balance, chat, dns, echo, netsvc, relay

__all__ = [
    "balance",
    "chat",
    "dns",
    "echo",
    "muxClient",
    "muxServer",
    "netsvc",
    "relay",
]
