"""Fuzz targets of the relay's server."""

from __future__ import annotations

from netsvc.relay import stun
from netsvc.relay.admission import FACTOR
from netsvc.relay.stun import StunError
from netsvc.relay.stun_server import Credential, StunServer
from tests.relay.relay_case import ANN, BOB, DAN, EVE, Address, RelayCase

#: Whoever sends the datagrams; the last two are strangers.
PEERS = (ANN, BOB, EVE, DAN)


class _Relay(RelayCase):
    """A relay, outside of a test."""

    def runTest(self) -> None:
        """Not a test."""


def stun_message(data: bytes) -> None:
    """
    A datagram is a STUN message or is refused; an answer is small, and is one itself
    that nobody answers.
    """
    try:
        asked = stun.parse(data)
    except StunError:
        pass
    else:
        stun.fingerprint_fits(asked)
        stun.integrity_fits(asked, b"secret")
    for server in (StunServer(), StunServer(Credential(b"ann", b"secret"))):
        answer = server.answer(data, ("2001:db8::1", 5), ("::1", 1), ("::2", 2))
        if answer is not None:
            assert len(answer.data) <= FACTOR * len(data), answer
            assert stun.parse(answer.data).kind in (stun.SUCCESS, stun.ERROR)
            assert server.answer(answer.data, ("192.0.2.1", 5)) is None


def relay_datagrams(data: bytes) -> None:
    """
    Datagrams from several peers make no trouble, and a stranger gets three times what
    it has sent at most.

    The first byte says how peers are admitted; of each datagram, the first byte says
    whose it is, and the second one how long it is.
    """
    case = _Relay()
    case.setUp()
    first = data[0] if data else 0
    how = ("auto", "credit", "cookie")[first % 3]
    case.make(admission=how, raw=first >= 128, newcomer_rate="off")
    received: dict[Address, int] = dict.fromkeys(PEERS, 0)
    sent = dict(received)
    at = 1
    while at + 1 < len(data):
        peer, size = PEERS[data[at] % len(PEERS)], data[at + 1]
        body = data[at + 2 : at + 2 + size]
        at += 2 + size
        case.port.datagramReceived(body, peer)
        received[peer] += len(body)
        case.clock.advance(data[at - 1] % 3 if at <= len(data) else 0)
        for each in PEERS:
            sent[each] += sum(map(len, case.got(each)))
        for stranger in (EVE, DAN):
            known = case.relay.peers.get((1, stranger))
            if known is not None and known.credit.validated:
                continue  # the bytes have hit on a proof: then it is none
            assert sent[stranger] <= FACTOR * received[stranger], (stranger, sent)
    case.service.drain(0)
    assert not len(case.relay.peers)
    assert not case.relay.limited
