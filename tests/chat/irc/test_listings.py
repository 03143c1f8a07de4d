"""Tests of NAMES and LIST, and of answers as fast as a client reads them."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from netsvc.chat.irc.commands.listings import NAMES_LIMIT
from netsvc.chat.irc.config import IrcConfig
from netsvc.chat.irc.pacing import PART
from netsvc.chat.rooms import Room
from tests.chat.irc.kit import SERVER, START, Chat, Client


class NamesTests(SynchronousTestCase):
    """NAMES."""

    def setUp(self) -> None:
        """Two in a room, one outside."""
        self.chat = Chat()
        self.ann, self.bob = self.chat.room("#c", "ann", "bob")
        self.eve = self.chat.client("eve")

    def _end(self, name: str) -> str:
        return f":{SERVER} 366 eve {name} :End of /NAMES list"

    def test_room(self) -> None:
        """Rule 30: a room is told with the name as asked, and its symbol."""
        self.assertEqual(
            self.eve.ask("NAMES #C"),
            [f":{SERVER} 353 eve = #C :@ann bob", self._end("#C")],
        )

    def test_secret(self) -> None:
        """Rule 30: a secret room has an at sign, and is empty for those outside."""
        self.ann.send("MODE #c +s")
        self.assertEqual(self.eve.ask("NAMES #c"), [self._end("#c")])
        self.assertEqual(
            self.bob.ask("NAMES #c")[-2], f":{SERVER} 353 bob @ #c :@ann bob"
        )

    def test_unknown(self) -> None:
        """Rule 30: an unknown or invalid room is 366 with the name as asked."""
        for name in ("#NoRoom", "invalid", "ann"):
            self.assertEqual(self.eve.ask(f"NAMES {name}"), [self._end(name)])

    def test_invisible(self) -> None:
        """Rule 30: who is invisible is told to those in the room only."""
        self.bob.send("MODE bob +i")
        self.assertEqual(self.eve.ask("NAMES #c")[0][-5:], ":@ann")
        self.assertEqual(self.ann.ask("NAMES #c")[0][-9:], ":@ann bob")

    def test_prefixes(self) -> None:
        """Rule 30: the highest prefix only, unless multi-prefix; masks if asked for."""
        self.ann.send("MODE #c +v ann")
        self.assertEqual(self.eve.ask("NAMES #c")[0][-9:], ":@ann bob")
        full = self.chat.client("full", "multi-prefix", "userhost-in-names")
        host = "192.0.2.1.cloak"
        self.assertEqual(
            full.ask("NAMES #c")[0],
            f":{SERVER} 353 full = #c :@+ann!ann@{host} bob!bob@{host}",
        )

    def test_several(self) -> None:
        """Several rooms are told one after the other, each once."""
        self.ann.send("JOIN #d")
        self.assertEqual(
            self.eve.ask("NAMES #c,#no,,#d,#C"),
            [
                f":{SERVER} 353 eve = #C :@ann bob",
                self._end("#C"),
                self._end("#no"),
                f":{SERVER} 353 eve = #d :@ann",
                self._end("#d"),
            ],
        )

    def test_too_many(self) -> None:
        """No more rooms are told than the limit; that is counted."""
        lines = self.eve.ask("NAMES " + ",".join(f"#{n}" for n in range(110)))
        self.assertEqual(len(lines), NAMES_LIMIT)
        self.assertEqual(self.chat.network.counters["irc-names-dropped"], 10)

    def test_all(self) -> None:
        """Without a name, all rooms that one may know of are told, with one end."""
        self.ann.send("JOIN #d", "JOIN #s", "MODE #s +s")
        self.assertEqual(
            self.eve.ask("NAMES"),
            [
                f":{SERVER} 353 eve = #c :@ann bob",
                f":{SERVER} 353 eve = #d :@ann",
                self._end("*"),
            ],
        )


class ListTests(SynchronousTestCase):
    """LIST."""

    def setUp(self) -> None:
        """Three rooms, one of them secret."""
        self.chat = Chat()
        self.ann, self.bob = self.chat.room("#c", "ann", "bob")
        self.ann.send("JOIN #d", "JOIN #s", "MODE #s +s", "TOPIC #d :what we do")
        self.eve = self.chat.client("eve")

    def _rooms(self, client: Client, line: str) -> list[str]:
        client.raw()
        client.send(line)
        lines = client.lines()
        self.assertEqual((lines[0].verb, lines[-1].verb), ("321", "323"))
        self.assertTrue(all(each.verb == "322" for each in lines[1:-1]))
        return [each.params[1] for each in lines[1:-1]]

    def test_answer(self) -> None:
        """Rule 29: a LIST is 321, a 322 for each room, and one 323."""
        self.assertEqual(
            self.eve.ask("LIST"),
            [
                f":{SERVER} 321 eve Channel :Users  Name",
                f":{SERVER} 322 eve #c 2 :",
                f":{SERVER} 322 eve #d 1 :what we do",
                f":{SERVER} 323 eve :End of /LIST",
            ],
        )

    def test_secret(self) -> None:
        """Rule 29: secret rooms are told to their members."""
        self.assertEqual(self._rooms(self.ann, "LIST"), ["#c", "#d", "#s"])
        self.assertEqual(self._rooms(self.eve, "LIST #s"), [])

    def test_names(self) -> None:
        """Names and masks ask for these rooms; one that is missing is no error."""
        self.assertEqual(self._rooms(self.eve, "LIST #D,#no"), ["#d"])
        self.assertEqual(self._rooms(self.eve, "LIST #no"), [])
        self.assertEqual(self._rooms(self.eve, "LIST #?"), ["#c", "#d"])
        self.assertEqual(self._rooms(self.eve, "LIST !#c"), ["#d"])

    def test_conditions(self) -> None:
        """Rule 29: users and minutes are compared strictly, and all must hold."""
        self.assertEqual(self._rooms(self.eve, "LIST >1"), ["#c"])
        self.assertEqual(self._rooms(self.eve, "LIST <2"), ["#d"])
        self.chat.clock.advance(180)
        self.ann.send("JOIN #new", "TOPIC #c :x")
        self.assertEqual(self._rooms(self.eve, "LIST C<3"), ["#new"])
        self.assertEqual(self._rooms(self.eve, "LIST C>2"), ["#c", "#d"])
        self.assertEqual(self._rooms(self.eve, "LIST C>3"), [])
        self.assertEqual(self._rooms(self.eve, "LIST T>2"), ["#d"])
        self.assertEqual(self._rooms(self.eve, "LIST T<3"), ["#c"])
        self.assertEqual(self._rooms(self.eve, "LIST C>2,T<3"), ["#c"])

    def test_dropped(self) -> None:
        """What goes beyond the limits is counted."""
        self._rooms(self.eve, "LIST " + ",".join(f">{n}" for n in range(12)))
        self.assertGreater(self.chat.network.counters["irc-list-dropped"], 0)


class PacingTests(SynchronousTestCase):
    """Answers that are longer than a send queue."""

    def setUp(self) -> None:
        """Start a chat of ten thousand rooms with topics."""
        self.chat = Chat(IrcConfig(command_rate=None, send_queue=512 * 1024))
        self.eve = self.chat.client("eve", "labeled-response", "batch")
        (ann,) = self.chat.room("#c", "ann")
        for n in range(10_000):
            room = self.chat.hub.state.rooms[f"#{n}"] = Room(f"#{n}", START)
            room.members[ann.session.me] = set()
            room.topic = "topic " * 20
        self.link = self.eve.link
        self.stream = self.link.stream

    def _read(self) -> None:
        """Let the client read all that was written."""
        self.link.unsent = 0
        self.stream.data = b""

    def test_all(self) -> None:
        """A list of ten thousand rooms never fills the queue of who reads it."""
        self.patch(self.link, "pending", lambda: len(self.stream.data))
        self.eve.send("LIST")
        most = count = 0
        for _ in range(200):
            most = max(most, len(self.stream.data))
            count += self.stream.data.count(b" 322 ")
            ended = b" 323 " in self.stream.data
            self._read()
            if ended:
                break
            self.assertTrue(self.link.held)
            self.chat.clock.advance(0.05)
        self.assertEqual(count, 10_001)
        self.assertLess(most, 3 * PART)
        self.assertFalse(self.link.held)
        self.assertEqual(self.chat.network.counters["irc-answer-cut"], 0)

    def test_small_queue(self) -> None:
        """A part is never more than a share of the send queue."""
        chat = Chat(IrcConfig(command_rate=None, send_queue=16 * 1024))
        eve = chat.client("eve")
        chat.hub.state.rooms.update(self.chat.hub.state.rooms)
        written = eve.link.stream.written
        eve.send("LIST")
        self.assertLess(eve.link.stream.written - written, 5 * 1024)

    def test_waits(self) -> None:
        """Nothing more is written while the client does not read."""
        self.eve.send("LIST")
        written = self.stream.written
        self.link.unsent = 256 * 1024
        self.chat.clock.advance(1)
        self.assertEqual(self.stream.written, written)
        self._read()
        self.chat.clock.advance(0.05)
        self.assertGreater(self.stream.written, written)

    def test_too_slow(self) -> None:
        """Who reads too slowly is told so, and gets the end of the answer."""
        self.eve.send("LIST")
        self.eve.raw()
        self.link.unsent = 256 * 1024
        self.chat.clock.advance(9.9)
        self.assertEqual(
            self.eve.raw(),
            [
                f":{SERVER} 263 eve LIST :You read too slowly: this is not all",
                f":{SERVER} 323 eve :End of /LIST",
            ],
        )
        self.assertEqual(self.chat.network.counters["irc-answer-cut"], 1)
        self.assertFalse(self.link.held)

    def test_gone(self) -> None:
        """Nothing more is written for who is gone."""
        self.eve.send("LIST")
        self.eve.lose()
        written = self.stream.written
        self.chat.clock.advance(9.9)
        self.assertEqual(self.stream.written, written)
        self.assertEqual(self.chat.network.counters["irc-answer-cut"], 0)

    def test_label(self) -> None:
        """A long answer with a label is one batch."""
        self.eve.raw()
        self.eve.send("@label=x LIST", "PING after")
        lines = []
        for _ in range(200):
            lines += self.eve.raw()
            self.chat.clock.advance(0.05)
        self.assertEqual(lines[0], f"@label=x :{SERVER} BATCH +1 labeled-response")
        self.assertEqual(lines[-2], f":{SERVER} BATCH -1")
        self.assertTrue(all(line.startswith("@batch=1 ") for line in lines[1:-2]))
        self.assertEqual(lines[-1], f":{SERVER} PONG {SERVER} :after")
