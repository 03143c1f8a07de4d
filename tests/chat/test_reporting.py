"""What netsvc-chat tells of rooms, people and its store."""

from __future__ import annotations

from typing import Any

from netsvc.chat.reporting import HIDDEN, families, rooms_table
from netsvc.daemon.report import MAX_ROWS
from tests.chat.hub_case import HubCase


class FakeStore:
    """A store that waits, and has lost its disk."""

    waiting = 3
    degraded = "no space left"


class ReportingTests(HubCase):
    """L{netsvc.chat.reporting}."""

    def test_rooms(self) -> None:
        """Rooms are listed by size, with their members and modes."""
        ann, bob = self.chat.enter("ann"), self.chat.enter("bob")
        self.hub.join(ann, "#small")
        for member in (ann, bob):
            self.hub.join(member, "#large")
        table = rooms_table(
            self.hub.state, self.hub.state.rooms["#small"].created + 5000
        )
        self.assertEqual([row[0] for row in table.rows], ["#large", "#small"])
        self.assertEqual(table.rows[1], ("#small", 1, 1, "+nt", 5.0))
        self.assertEqual(table.total, 2)

    def test_hidden(self) -> None:
        """The names of rooms that are not for all are not told, nor their keys."""
        ann = self.chat.enter("ann")
        for room, modes in (
            ("#secret", "+s"),
            ("#invited", "+i"),
            ("#keyed", "+k pass"),
        ):
            self.hub.join(ann, room)
            self.assertEqual(self.modes(ann, room, modes), [])
        table = rooms_table(self.hub.state, 0)
        self.assertEqual({row[0] for row in table.rows}, {HIDDEN})
        self.assertNotIn("pass", repr(table))

    def test_bounded(self) -> None:
        """No more rooms are listed than may be; all are counted."""
        ann = self.chat.enter("ann")
        rooms: dict[str, Any] = self.hub.state.rooms
        self.hub.join(ann, "#a")
        rooms.update({f"#{n}": rooms["#a"] for n in range(MAX_ROWS)})
        table = rooms_table(self.hub.state, 0)
        self.assertEqual((len(table.rows), table.total), (MAX_ROWS, MAX_ROWS + 1))

    def test_families(self) -> None:
        """People are counted by frontend, and nobody is named."""
        self.chat.enter("ann")
        store: Any = FakeStore()
        found = {
            (family.name, *sample.labels.values()): sample.value
            for family in families(self.hub.state, self.hub.courier, store)
            for sample in family.samples
        }
        self.assertEqual(found["chat_members", "line"], 1)
        self.assertEqual(found["chat_rooms",], 0)
        self.assertEqual(found["chat_store_waiting",], 3)
        self.assertEqual(found["chat_store_degraded",], 1)
        self.assertNotIn("ann", repr(found))
