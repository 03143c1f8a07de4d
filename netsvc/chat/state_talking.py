"""
Who hears what is said, and what of it is kept.

Nothing is decided here. What is said in a room that is gone, nobody hears.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from netsvc.chat.events import Kind, Said, Session
from netsvc.chat.names import fold, party
from netsvc.chat.records import record
from netsvc.chat.rooms import audience

if TYPE_CHECKING:
    from netsvc.chat.state import State


def said(state: State, event: Said) -> None:
    """Something is said, to a room, to some of it, or to a person."""
    member = state.of(event.source)
    own = None if member is None else member.session
    if member is not None and event.kind is not Kind.TAGS:
        member.active = event.time
    if event.to is not None:
        _said_to_one(state, event, own)
        return
    room = state.rooms.get(fold(event.target))
    if room is None:
        return
    ticket = 0
    if event.status:
        hearers = audience(room.with_status(event.status))
    else:
        hearers = room.audience()
        if event.lasting:
            ticket = state.keep(event, room)
    state.courier.deliver(event, hearers, own, ticket)


def _said_to_one(state: State, event: Said, own: Session | None) -> None:
    """Somebody says something to a person, perhaps to themselves."""
    assert event.to is not None
    hearer = state.members.get(fold(event.to.nick))
    ticket = 0
    us, them = event.source, event.to
    if (
        state.archive is not None
        # Two guests could not read it again: nothing says who they were.
        and (us.account is not None or them.account is not None)
        and event.lasting
    ):
        target = state.archive.direct_target(
            party(us.nick, us.account), party(them.nick, them.account)
        )
        ticket = state.courier.keep(record(event, target))
    hearers = {} if hearer is None else audience([hearer])
    state.courier.deliver(event, hearers, own, ticket)
    if hearer is not None and hearer.session is own:
        # To oneself: the message itself, beside the echo.
        state.courier.deliver(event, hearers, None)
