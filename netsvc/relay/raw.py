"""
Raw mode: datagrams go byte for byte to the others in the room.

A datagram that is a command of L{CONTROL}, in text and short, is one, and is answered;
everything else is a payload, for those who talk in the room where its sender does.
Whoever has sent no command is never sent any text of
ours. Nothing is kept, and nobody is told who comes and goes.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakValueDictionary

from netsvc.chat.admission import check_say
from netsvc.chat.charset import UTF8, Encoding
from netsvc.chat.events import Event, HubError, Session
from netsvc.chat.line.frontend import LineFrontend
from netsvc.chat.line.wire import LineWire, LineWires
from netsvc.relay.fan_out import send_all
from netsvc.relay.text_peer import TextPeer

if TYPE_CHECKING:
    from netsvc.relay.relay import Relay

#: Commands of raw peers. What begins otherwise is a payload.
CONTROL: Final = (
    "help",
    "join",
    "list",
    "nick",
    "part",
    "quit",
    "resume",
    "token",
    "who",
)

#: Bytes that a command may have; longer datagrams are payloads.
MAX_CONTROL: Final = 512

_CONTROL: Final = re.compile(
    rb"/(?:%b)(?: [^\x00-\x1f\x7f]*)?\r?\n?" % "|".join(CONTROL).encode()
)


def is_control(data: bytes) -> bool:
    """Say whether a datagram is a command."""
    return len(data) <= MAX_CONTROL and _CONTROL.fullmatch(data) is not None


class SilentWire(LineWire):
    """How events look to raw peers: not at all."""

    __slots__ = ()

    def encode(self, event: Event) -> bytes:
        """Show nothing."""
        return b""


class SilentWires(LineWires):
    """The wires of raw peers: one for each room, so that it tells who talks there."""

    def __init__(self) -> None:
        """Start with none."""
        super().__init__(_nobody)
        self._silent: WeakValueDictionary[str | None, SilentWire] = (
            WeakValueDictionary()
        )

    def get(self, encoding: Encoding = UTF8, room: str | None = None) -> LineWire:
        """Give the wire of a room, whatever the character set."""
        wire = self._silent.get(room)
        if wire is None:
            wire = SilentWire(UTF8, room, _nobody, self._rendered)
            self._silent[room] = wire
        return wire


def _nobody(data: bytes, sessions: Sequence[Session]) -> None:
    """What shows nothing sends nothing."""


def make_silent(frontend: LineFrontend) -> LineFrontend:
    """Have a frontend show no events."""
    frontend.wires = SilentWires()
    return frontend


class RawPeer(TextPeer):
    """A peer that sends payloads."""

    __slots__ = ("_asked",)

    def __init__(self, *args: Any) -> None:
        """Take what L{TextPeer} takes."""
        self._asked = False
        super().__init__(*args)

    def receive(self, data: bytes) -> None:
        """Take a datagram that is not empty."""
        if is_control(data):
            self._asked = True
            super().receive(data)
        else:
            self._relay_payload(data)

    def write(self, data: bytes) -> None:
        """Send text, to those who have asked for some."""
        if self._asked:
            super().write(data)

    def _relay_payload(self, data: bytes) -> None:
        """Send a payload to the others in the room."""
        relay, session = self._relay, self.session
        member = session.member
        room = None
        if member is not None and session.room is not None:
            room = member.rooms.get(session.room)
        if room is None or member is None:
            relay.counters["raw-no-room"] += 1
            return
        try:
            check_say(room, member, "")
        except HubError:
            relay.counters["raw-refused"] += 1
            return
        if relay.may_fan_out(room.fold, self.heard):
            group = room.audience().get(session.wire, ())
            others: list[TextPeer] = [
                each.stream  # type: ignore[attr-defined]
                for each in group
                if each is not session
            ]
            send_payload(relay, data, others, self.credit.validated)


def send_payload(
    relay: Relay, data: bytes, peers: Sequence[TextPeer], validated: bool
) -> None:
    """
    Send a payload to many; to those who are not validated as far as they may.

    @param validated: Whether its sender is. Strangers do not hear strangers: two echo
        services, made peers by two forged datagrams, would go on for ever.
    """
    if relay.limited:
        strangers = relay.limited.intersection(peers)
        if strangers:
            peers = [each for each in peers if each not in strangers]
            for each in strangers:
                if validated and each.credit.take(len(data)):
                    each.send(data)
                else:
                    relay.counters["no-credit"] += 1
    send_all(relay, (data, data, data), peers)
