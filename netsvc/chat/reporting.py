"""What netsvc-chat tells about itself beside its connections: rooms, people, store."""

from __future__ import annotations

from collections import Counter
from typing import Final

from netsvc.chat.courier import Courier
from netsvc.chat.rooms import Room
from netsvc.chat.state import State
from netsvc.chat.store.store import Store
from netsvc.daemon.report import GAUGE, MAX_ROWS, Family, Sample, Table
from netsvc.daemon.reporting import gauge

#: Stands for the name of a room that is not for everybody to know.
HIDDEN: Final = "(hidden)"

_ROOMS: Final = ("Room", "Members", "Operators", "Modes", "Age (s)")


def rooms_table(state: State, milliseconds: int) -> Table:
    """
    Make the table of the rooms, the largest first.

    @param milliseconds: The time, in ms since the epoch.
    """
    largest = sorted(
        state.rooms.values(), key=lambda room: (-len(room.members), room.fold)
    )
    rows = tuple(_row(room, milliseconds) for room in largest[:MAX_ROWS])
    return Table("Rooms", _ROOMS, rows, len(largest))


def _row(room: Room, milliseconds: int) -> tuple[str | int | float, ...]:
    # Whoever may not see a room on IRC does not get to know its name here either.
    name = HIDDEN if room.secret or room.private else room.name
    operators = sum(room.operator(member) for member in room.members)
    modes = room.mode_letters(show_key=False)[0]
    age = max(0, milliseconds - room.created) / 1000
    return (name, len(room.members), operators, modes, age)


def families(state: State, courier: Courier, store: Store) -> tuple[Family, ...]:
    """Make the metrics of the hub and the store."""
    frontends = Counter(each.person.frontend for each in state.members.values())
    return (
        Family(
            "chat_members",
            GAUGE,
            "People in the chat, by the frontend through which they came.",
            tuple(Sample(n, {"frontend": name}) for name, n in frontends.items()),
        ),
        gauge("chat_rooms", "Rooms that there are.", len(state.rooms)),
        gauge("chat_members_most", "The most people at once.", state.most),
        gauge(
            "chat_undelivered",
            "Events that wait until they are stored.",
            courier.waiting,
        ),
        gauge(
            "chat_store_waiting",
            "Records that wait for the disk.",
            float(store.waiting),
        ),
        gauge(
            "chat_store_degraded",
            "1 while what is said is not stored, else 0.",
            float(store.degraded is not None),
        ),
    )
