"""STUN on a relay's port: what it is asked, within which budgets, and where from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netsvc.daemon.limits import source_key
from netsvc.relay.admission import is_private
from netsvc.relay.demux import What, classify
from netsvc.relay.routes import Address, plain
from netsvc.relay.stun_server import StunServer

if TYPE_CHECKING:
    from netsvc.relay.relay import Relay
    from netsvc.relay.server import RelayPort


class StunDoor:
    """Answers STUN on one port."""

    def __init__(
        self, relay: Relay, port: RelayPort, server: StunServer, *, raw: bool
    ) -> None:
        """
        @param relay: What all ports share.
        @param port: The port.
        @param server: Knows the answers.
        @param raw: Whether all that is not STUN for sure is a payload there.
        """
        self._relay = relay
        self._port = port
        self._server = server
        self._raw = raw

    def take(self, data: bytes, addr: Address, now: float) -> bool:
        """
        Answer a datagram whose first byte may be STUN's.

        @return: Whether it was that.
        """
        relay, port = self._relay, self._port
        what = classify(data)
        if what is What.OTHER or (what is What.CLASSIC_STUN and self._raw):
            return False
        refusal = self._refusal(what, addr[0], now)
        if refusal is not None:
            relay.counters[refusal] += 1
            return True
        other = port.other
        mine = here(port)
        theirs = None if other is None else here(other, mine)
        answer = self._server.answer(data, plain(addr), mine, theirs)
        if answer is None:
            relay.counters["stun-unanswered"] += 1
        elif relay.may_answer(addr[0], now):
            relay.counters["stun"] += 1
            to = (addr[0], addr[1] if answer.to_port is None else answer.to_port)
            if not port.refuses(to[1]):
                sender = port if not answer.other or other is None else other
                sender.send(answer.data, to)
        return True

    def _refusal(self, what: What, host: str, now: float) -> str | None:
        """Give why a host is not answered, as it is counted."""
        relay = self._relay
        if not relay.settings.stun:
            return "stun-off"
        classic = relay.settings.classic_stun
        if what is What.CLASSIC_STUN and (
            classic == "never" or (classic == "private" and not is_private(host))
        ):
            return "stun-classic-off"
        table = relay.stun_sources
        if table is not None and not table.allow(source_key(host), now):
            return "stun-rate"
        return None


def here(port: RelayPort, asked: Address | None = None) -> Address | None:
    """
    Give a port's address; on a wildcard, the one that the datagram was sent to.

    @param asked: That one, if another port knows it.
    """
    bound = port.transport.getHost()
    host: str | None = bound.host
    if host in ("0.0.0.0", "::"):
        if asked is not None:
            host = asked[0]
        elif hasattr(port.transport, "asked"):
            host = port.transport.asked()
        else:
            host = None
    return None if host is None else plain((host, bound.port))
