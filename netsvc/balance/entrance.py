"""
Where clients come in: one listen string, and who is let through.

A connection passes the access list and the limits; then comes what stands
before a session (L{netsvc.balance.preface}), if anything does; then the session,
with TLS below it if we end that. A client behind a trusted proxy is judged by the
address that the proxy's header gives.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from twisted.internet.protocol import Protocol, ServerFactory

from netsvc.balance.acl import Acl, Networks
from netsvc.balance.announce import Announced
from netsvc.balance.dialer import Dialer
from netsvc.balance.preface import Preface, Prefaces
from netsvc.balance.routes import Routes
from netsvc.balance.session import NO_ROUTE, Session
from netsvc.balance.sessions import Sessions
from netsvc.balance.tls import LayerFactory
from netsvc.balance.upstream import Upstream
from netsvc.daemon.limits import RateTable

# Why a client was refused, beside the reasons of its limits.
DENIED = "denied"
TOTAL_RATE = "total-connection-rate"
PREFACES_FULL = "prefaces-full"

#: The key of the one bucket for all clients.
_ALL = "all"


@dataclass
class Door:
    """
    What the entrances of a balancer have in common.

    @ivar sessions: The live sessions, and the limits on them.
    @ivar routes: The pools.
    @ivar dialer: Connects to backends.
    @ivar prefaces: The connections that are no session yet.
    @ivar acl: Who is let in.
    @ivar trusted: Whose PROXY headers are read; L{None} if nobody's.
    @ivar rate: New connections in all.
    @ivar refused: How many were refused, by reason.
    """

    sessions: Sessions
    routes: Routes[Upstream]
    dialer: Dialer
    prefaces: Prefaces
    acl: Acl
    trusted: Networks | None = None
    rate: RateTable | None = None
    refused: Counter[str] = field(default_factory=Counter)

    def lets_in(self, host: str | None) -> bool:
        """Decide about a client, and count it as a session if it may come in."""
        if not self.acl.allows(host):
            self.refused[DENIED] += 1
            return False
        if self.rate is not None and not self.rate.allow(_ALL, self.sessions.now()):
            self.refused[TOTAL_RATE] += 1
            return False
        return self.sessions.admit(host)


class Entrance(ServerFactory):
    """Makes what serves the connections of one listen string."""

    noisy = False

    def __init__(self, door: Door, layers: LayerFactory | None = None) -> None:
        """
        @param door: What all entrances share.
        @param layers: TLS, if we end it.
        """
        self._door = door
        self._layers = layers

    @property
    def _hello(self) -> bool:
        """Whether to look at what clients ask for in their ClientHello."""
        return self._layers is None and self._door.routes.need_hello

    def buildProtocol(self, addr: Any) -> Protocol | None:
        """Make what serves a connection, or refuse it."""
        door = self._door
        host = getattr(addr, "host", None)
        header = door.trusted is not None and door.trusted.contains(host)
        hello = self._hello
        if header or hello:
            if not header and not door.acl.allows(host):
                door.refused[DENIED] += 1
                return None
            if door.prefaces.full:
                door.refused[PREFACES_FULL] += 1
                return None
            return Preface(door.prefaces, self._succeed, header=header, hello=hello)
        if not door.lets_in(host):
            return None
        return self._make(host)

    def _succeed(self, transport: Any, announced: Announced | None) -> Protocol | None:
        """Make what serves a connection after its preface, or refuse it."""
        door = self._door
        host = getattr(transport.getPeer(), "host", None)
        if announced is not None and announced.source is not None:
            host = announced.source[0]
        upstream = None
        if self._hello:
            name = announced.name if announced is not None else None
            protocols = announced.protocols if announced is not None else ()
            upstream = door.routes.find(name, protocols)
            if upstream is None:
                door.dialer.refuse(NO_ROUTE)
                return None
        if not door.lets_in(host):
            return None
        return self._make(host, upstream, announced)

    def _make(
        self,
        host: str | None,
        upstream: Upstream | None = None,
        announced: Announced | None = None,
    ) -> Protocol:
        """Make the session of a client that was let in, above TLS if need be."""
        door = self._door
        session = Session(door.dialer, door.routes, upstream, announced)
        session.connections = door.sessions
        session.host = host
        if self._layers is None:
            return session
        session._handshaking = True
        return self._layers.wrap(session)
