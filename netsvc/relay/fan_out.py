"""What is for many peers: the same bytes, in as few system calls as it takes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, cast

from netsvc.chat.events import Session
from netsvc.chat.line.frontend import LineFrontend
from netsvc.multiplex.batch import Batch
from netsvc.relay.commands import commands_of
from netsvc.relay.recipient import Forms, Recipient

if TYPE_CHECKING:
    from netsvc.chat.line.session import LineSession
    from netsvc.relay.relay import Relay
    from netsvc.relay.text_peer import TextPeer


class TextFrontend(LineFrontend):
    """The line side of a chat, for peers: a line of a room is a datagram to each."""

    def __init__(self, relay: Relay) -> None:
        """Start without peers."""
        super().__init__(relay.network, relay.line_options, extra=commands_of(relay))
        self._relay = relay

    def _send(self, data: bytes, sessions: Sequence[Session]) -> None:
        """Send lines to the peers of some sessions."""
        relay, line = self._relay, cast("Sequence[LineSession]", sessions)
        lines = (data,) if data.count(b"\n") == 1 else data.splitlines(True)
        if relay.batch is not None and not relay.mixed and not relay.limited:
            # As nearly always: nothing is asked of a peer but what is sent to it.
            headers = [each.output.packed for each in line]  # type: ignore[attr-defined]
            for each_line in lines:
                relay.batch.send(
                    _forms(relay, each_line),
                    headers,
                    lambda n, error: _peer(line[n]).failed_to_send(error),
                )
            return
        peers = [_peer(each) for each in line]
        strangers = relay.limited.intersection(peers)
        if strangers:
            peers = [each for each in peers if each not in strangers]
        for each_line in lines:
            forms = _forms(relay, each_line)
            for stranger in strangers:
                stranger.room_line(forms)
            send_all(relay, forms, peers)


def _peer(session: LineSession) -> TextPeer:
    return cast("TextPeer", session.output)


def _forms(relay: Relay, line: bytes) -> Forms:
    """Give a line in the form of each way to end it; and remember it."""
    bare = line.rstrip(b"\r\n")
    relay.echoes.sent(bare)
    return bare, bare + b"\n", line


def send_all(relay: Relay, forms: Forms, peers: Sequence[Recipient]) -> None:
    """
    Send a datagram to many; an error of one does not keep it from the others.

    @param forms: The datagram in the form of each way to end lines.
    """
    if not relay.mixed and relay.batch is not None:
        _send_batch(relay.batch, forms, peers)
        return
    groups: dict[Batch | None, list[Recipient]] = {}
    for peer in peers:
        groups.setdefault(peer.batch, []).append(peer)
    for batch, group in groups.items():
        if batch is None:
            _send_each(forms, group)
        else:
            _send_batch(batch, forms, group)


def _send_batch(batch: Batch, forms: Forms, peers: Sequence[Recipient]) -> None:
    """Send in as few system calls as it takes."""
    batch.send(
        forms,
        [peer.packed for peer in peers],
        lambda number, error: peers[number].failed_to_send(error),
    )


def _send_each(forms: Forms, peers: Iterable[Recipient]) -> None:
    """Send in a system call for each peer."""
    rest = iter(peers)
    peer: Recipient
    while True:
        try:
            # One try for all: it is set up again only after an error.
            for peer in rest:
                peer.sendto(forms[peer.form], peer.to)
            return
        except OSError as error:
            peer.failed_to_send(error)
