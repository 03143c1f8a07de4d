"""What tests of the hub share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from twisted.trial.unittest import SynchronousTestCase

from netsvc.chat.events import Change, Event, HubError, Reason
from netsvc.chat.member import Member
from tests.chat.hub_fakes import Chat, FakeSession, FakeWire

E = TypeVar("E", bound=Event)


class HubCase(SynchronousTestCase):
    """Tests of a hub with which nobody is connected at first."""

    def setUp(self) -> None:
        """Start a hub."""
        self.chat = Chat()
        self.hub = self.chat.hub

    def refused(
        self, reason: Reason, call: Callable[..., object], *args: Any, **kwargs: Any
    ) -> HubError:
        """Call, which is refused for this reason."""
        error = self.assertRaises(HubError, call, *args, **kwargs)
        assert isinstance(error, HubError)
        self.assertIs(error.reason, reason)
        return error

    def modes(self, member: Member | None, room: str, text: str) -> list[HubError]:
        """Change modes as in C{+o ann -k}: each letter, then its argument."""
        changes = []
        for word in text.split():
            if word[0] in "+-" and len(word) == 2:
                changes.append(Change(word[0] == "+", word[1]))
            else:
                last = changes.pop()
                changes.append(Change(last.adding, last.letter, word))
        return self.hub.set_modes(member, room, changes)


def last(member: Member, kind: type[E]) -> E:
    """Give the last event of a kind that somebody has caused."""
    session = member.session
    assert isinstance(session, FakeSession)
    return [each for each in session.owned if isinstance(each, kind)][-1]


def shown(wire: FakeWire, kind: type[E]) -> list[E]:
    """Give the events of a kind that were shown by a wire."""
    return [each for each in wire.encoded if isinstance(each, kind)]
