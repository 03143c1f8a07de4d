"""What a relay tells about itself."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Final

from netsvc.daemon.listen import show
from netsvc.daemon.report import MAX_CONNECTIONS, Connected, ServiceReport
from netsvc.daemon.reporting import counter, gauge, listening
from netsvc.relay.text_peer import TextPeer

if TYPE_CHECKING:
    from netsvc.relay.service import RelayService

#: Counters that say why a datagram was dropped.
DROPPED: Final = (
    "dropped-by-kernel",
    "flood",
    "group",
    "guess",
    "junk",
    "loop",
    "newcomers",
    "no-credit",
    "queue-full",
    "rate",
    "raw-no-room",
    "raw-refused",
    "reflector",
    "room-rate",
    "source-newcomers",
    "source-strangers",
    "strangers",
    "stun-rate",
)

#: A counter of the whole process.
_OF_PROCESS: Final = "log-write-errors"


def report(service: RelayService) -> ServiceReport:
    """Tell what is going on."""
    relay = service.relay
    counted = service.counters()
    counted.pop(_OF_PROCESS, None)
    frames = sum(port.frames.live for port in service.ports if port.frames is not None)
    dropped = {name: counted[name] for name in DROPPED if counted.get(name)}
    peers = relay.peers
    now = relay.seconds()
    return ServiceReport(
        service=service.service,
        listening=listening(service.listeners),
        live=len(peers) + frames,
        connections=tuple(
            _connected(each, now) for each in islice(peers, MAX_CONNECTIONS)
        ),
        counters=counted,
        families=(
            counter(
                "datagrams_dropped",
                "Datagrams that were neither answered nor passed on.",
                "reason",
                dropped,
            ),
            gauge("relay_peers", "Peers that send text or payloads.", len(peers)),
            gauge(
                "relay_strangers",
                "Those of them that have not shown that they read at their address.",
                peers.strangers,
            ),
            gauge("relay_channels", "Peers that run netsvc chat.", frames),
        ),
    )


def _connected(peer: TextPeer, now: float) -> Connected:
    """Describe a peer."""
    member = peer.session.member
    return Connected(
        transport="udp",
        local="",
        peer=show(peer.host, peer.port),
        state="open" if peer.credit.validated else "handshake",
        age=max(0.0, now - peer.session.since),
        quiet=max(0.0, now - peer.heard),
        received=0,
        queued=0,
        what="" if member is None else member.nick,
    )
