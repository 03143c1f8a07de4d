"""Events as bytes, for many readers at once."""

from __future__ import annotations

import gc
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from netsvc.chat.charset import CP949, UTF8
from netsvc.chat.events import Change as ModeChange
from netsvc.chat.events import Joined, Kind, ModesSet, Said, Source
from netsvc.chat.line.wire import LineWires
from tests.chat.line.kit import LineChat

ALICE = Source("alice", "line", "a.example")


def said(text: str, target: str = "#Lobby") -> Said:
    """Make a message of alice."""
    return Said(1, "m1", ALICE, target, Kind.MESSAGE, text)


class WireTests(SynchronousTestCase):
    """One wire for each character set and room."""

    def setUp(self) -> None:
        """Make wires that write nowhere."""
        self.sent: list[Any] = []
        self.wires = LineWires(lambda data, sessions: self.sent.append(data))

    def test_room(self) -> None:
        """Who is talking in the room sees no name of it, whatever its case."""
        here = self.wires.get(UTF8, "#lobby")
        self.assertEqual(here.encode(said("hi")), b"<alice> hi\r\n")
        there = self.wires.get(UTF8, "#other")
        self.assertEqual(there.encode(said("hi")), b"#Lobby <alice> hi\r\n")
        nowhere = self.wires.get(UTF8)
        self.assertEqual(nowhere.encode(said("hi")), b"#Lobby <alice> hi\r\n")

    def test_charset(self) -> None:
        """Each reads in their own character set."""
        event = said("\ub620 \U0001f600")
        data = self.wires.get(CP949, "#lobby").encode(event)
        self.assertEqual(data, b"<alice> \x8cc ?\r\n")
        data = self.wires.get(UTF8, "#lobby").encode(event)
        self.assertEqual(data.decode(), "<alice> \ub620 \U0001f600\r\n")

    def test_lines(self) -> None:
        """Several lines of one event all end as lines end in telnet."""
        changes = (ModeChange(True, "i"), ModeChange(True, "s"))
        data = self.wires.get().encode(ModesSet(1, "m", ALICE, "#x", changes))
        self.assertEqual(data.count(b"\r\n"), 2)
        self.assertEqual(data.count(b"\n"), 2)

    def test_encoded_once(self) -> None:
        """An event becomes bytes at most four times, however many wires there are."""
        wires = [
            self.wires.get(encoding, f"#r{number}")
            for encoding in (UTF8, CP949)
            for number in range(50)
        ]
        event = said("hi", "#r7")
        data = {wire.encode(event) for wire in wires}
        self.assertEqual(data, {b"<alice> hi\r\n", b"#r7 <alice> hi\r\n"})
        self.assertEqual(self.wires.renderings, 4)
        joined = Joined(1, "m2", ALICE, "#r7")
        for wire in wires:
            wire.encode(joined)
        self.assertEqual(self.wires.renderings, 6)

    def test_shared(self) -> None:
        """Equal readers share a wire, and one that nobody uses is gone."""
        wire = self.wires.get(UTF8, "#a")
        self.assertIs(self.wires.get(UTF8, "#a"), wire)
        other = self.wires.get(CP949, "#a")
        self.assertEqual(len(self.wires), 2)
        del wire, other
        gc.collect()
        self.assertEqual(len(self.wires), 0)

    def test_watching(self) -> None:
        """Line readers watch nobody, and need not know of hosts."""
        wire = self.wires.get()
        self.assertFalse(wire.extended_monitor)
        self.assertTrue(wire.shows_hosts)
        wire.send(b"x", [])
        self.assertEqual(self.sent, [b"x"])


class GroupTests(SynchronousTestCase):
    """Readers in the hub."""

    def test_one_rendering(self) -> None:
        """A message to a room of fifty, half of them elsewhere, is rendered twice."""
        chat = LineChat()
        clients = [chat.client() for _ in range(50)]
        for client in clients[25:]:
            client.type(f"/join #{client.nick}")
        before = chat.frontend.wires.renderings
        clients[0].type("hi")
        self.assertEqual(chat.frontend.wires.renderings, before + 2)
        self.assertEqual(clients[1].read()[-1], "<guest1> hi")
        self.assertEqual(clients[-1].read()[-1], "#lobby <guest1> hi")
        self.assertNotIn("<guest1> hi", clients[0].read())
