"""Tests of clients that send too fast, or read too slowly."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from netsvc.chat.irc.config import IrcConfig
from netsvc.chat.irc.intake import TURN
from netsvc.daemon.limits import Rate
from tests.chat.irc.kit import Chat


class RateTests(SynchronousTestCase):
    """Tests of the command rate: what is too fast waits."""

    def test_delayed(self) -> None:
        """Lines beyond the burst are done later, in order, and none is lost."""
        chat = Chat(IrcConfig())
        ann = chat.client("ann")
        chat.clock.advance(100)
        ann.send(*(f"PING {number}" for number in range(150)))
        self.assertEqual(len(ann.raw()), 100)
        self.assertTrue(ann.link.held)
        self.assertTrue(chat.network.counters["irc-command-rate"])
        ann.send("PING last")
        chat.clock.advance(1)
        self.assertEqual(len(ann.raw()), 25)
        chat.clock.advance(2)
        lines = ann.lines()
        self.assertEqual(len(lines), 26)
        self.assertEqual(lines[-1].params[1], "last")
        self.assertFalse(ann.link.held)

    def test_cut(self) -> None:
        """Who goes on too fast for long is cut; who stops meanwhile is not."""
        chat = Chat(IrcConfig(flood_patience=10))
        ann = chat.client("ann")
        chat.clock.advance(100)
        for _ in range(2):
            ann.send(*["PING x"] * 320)
            for _ in range(9):
                chat.clock.advance(1)
            self.assertFalse(ann.closed)
            for _ in range(4):
                chat.clock.advance(1)
            self.assertFalse(ann.link.held)
        ann.send(*["PING x"] * 400)
        for _ in range(11):
            chat.clock.advance(1)
        self.assertTrue(ann.closed)
        self.assertIn("(Excess Flood)", ann.raw()[-1])
        self.assertEqual(chat.network.counters["irc-flood-cut"], 1)
        self.assertEqual(chat.network.counters["irc-command-rate"], 3)

    def test_small_burst(self) -> None:
        """However small the burst, who was too fast for once is not cut for that."""
        for burst in (1, 2):
            chat = Chat(IrcConfig())
            ann = chat.client("ann")
            rate = Rate(2.0, burst)
            chat.frontend.reload(IrcConfig(flood_patience=10, command_rate=rate))
            for _ in range(5):
                chat.clock.advance(9)
                ann.send(*["PING x"] * 4)
            self.assertFalse(ann.closed)
            self.assertEqual(chat.network.counters["irc-flood-cut"], 0)

    def test_no_end_of_patience(self) -> None:
        """Without a patience, who sends too fast only waits."""
        chat = Chat(IrcConfig(flood_patience=0, command_rate=Rate(2.0, 4)))
        ann = chat.client("ann")
        ann.raw()
        ann.send(*["PING x"] * 200)
        for _ in range(100):
            chat.clock.advance(1)
        self.assertFalse(ann.closed)
        self.assertEqual(len(ann.raw()), 200)

    def test_waiting_is_no_silence(self) -> None:
        """Who waits for the rate is not taken for dead."""
        chat = Chat(IrcConfig(ping_interval=1, ping_timeout=2))
        ann = chat.client("ann")
        ann.send(*["PONG"] * 400)
        for _ in range(10):
            chat.clock.advance(1)
            for _ in range(5):
                chat.frontend.tick()
        self.assertFalse(ann.closed)

    def test_empty_lines(self) -> None:
        """A stream of empty lines is too fast, too, and its connection is not read."""
        chat = Chat(IrcConfig())
        ann = chat.client("ann")
        chat.clock.advance(100)
        for _ in range(10):
            ann.session.receive(b"\n" * 4096)
        self.assertTrue(ann.link.held)
        chat.clock.advance(10)
        self.assertFalse(ann.link.held)
        self.assertEqual(ann.ask("PING x")[-1].split()[-1], ":x")

    def test_end_while_waiting(self) -> None:
        """When a client's half of the connection ends, what it sent is done first."""
        chat = Chat(IrcConfig())
        ann = chat.client("ann")
        chat.clock.advance(100)
        ann.send(*(f"PING {number}" for number in range(110)))
        ann.session.intake.end()
        self.assertFalse(ann.closed)
        chat.clock.advance(1)
        verbs = ann.verbs()
        self.assertEqual((len(verbs), verbs[-1]), (111, "ERROR"))
        self.assertTrue(ann.closed)

    def test_work_costs(self) -> None:
        """A command that looks at many people is worth several others."""
        chat = Chat(IrcConfig())
        ann = chat.client("ann")
        for number in range(39):
            chat.client(f"c{number}")
        chat.clock.advance(100)
        ann.raw()
        ann.send(*["WHO *nobody"] * 100)
        self.assertEqual(ann.verbs(), ["315"] * 34)
        chat.clock.advance(1)
        self.assertIn(len(ann.verbs()), (8, 9))

    def test_cost_is_bounded(self) -> None:
        """What comes behind the dearest command waits until the budget is full."""
        chat = Chat(IrcConfig())
        ann = chat.client("ann")
        ann.session.intake.charge(1e9)
        self.assertEqual(ann.ask("PING x"), [])
        chat.clock.advance(4.1)
        self.assertEqual(ann.verbs(), ["PONG"])

    def test_turns(self) -> None:
        """Who sends a lot of work at once lets others have a turn in between."""
        chat = Chat()
        ann = chat.client("ann")
        ann.raw()
        now = iter(range(1000))
        chat.network.seconds = lambda: next(now) * TURN / 4
        ann.send(*(f"PING {number}" for number in range(10)))
        self.assertEqual(len(ann.raw()), 4)
        self.assertTrue(ann.link.held)
        chat.clock.advance()
        self.assertEqual(len(ann.raw()), 6)
        self.assertFalse(ann.link.held)

    def test_gone_while_waiting(self) -> None:
        """What a client that is gone had sent is dropped."""
        chat = Chat(IrcConfig())
        ann, bob = chat.client("ann"), chat.client("bob")
        chat.clock.advance(100)
        ann.send(*["PRIVMSG bob :x"] * 110)
        bob.raw()
        ann.lose()
        chat.clock.advance(10)
        self.assertEqual(bob.raw(), [])


class SlowReaderTests(SynchronousTestCase):
    """Tests of clients that do not take what is sent to them."""

    def setUp(self) -> None:
        """Bring three into a room."""
        self.chat = Chat()
        self.ann, self.bob, self.cat = self.chat.room("#x", "ann", "bob", "cat")
        for client in (self.ann, self.bob, self.cat):
            client.raw()

    def test_cut(self) -> None:
        """One whose queue is too long is cut, with that reason; others lose nothing."""
        self.bob.session.pause()
        self.bob.link.unsent = self.chat.frontend.config.send_queue
        self.ann.send("PRIVMSG #x :one")
        self.assertFalse(self.bob.closed)
        self.bob.link.unsent += 1
        self.ann.send("PRIVMSG #x :two", "PRIVMSG #x :three")
        self.chat.clock.advance()
        self.assertTrue(self.bob.link.aborted)
        self.assertEqual(self.cat.verbs(), ["PRIVMSG"] * 3 + ["QUIT"])
        quits = self.ann.lines()
        self.assertEqual([line.params for line in quits], [["SendQ exceeded"]])
        self.assertEqual(self.chat.network.counters["irc-send-queue"], 1)

    def test_own_replies(self) -> None:
        """What the client asked for itself counts, too."""
        self.bob.session.pause()
        self.bob.link.unsent = self.chat.frontend.config.send_queue + 1
        self.bob.send("PING x")
        self.bob.lose()
        self.chat.clock.advance()
        self.assertTrue(self.bob.link.aborted)

    def test_resumed(self) -> None:
        """Who has taken it is looked at no more."""
        self.bob.session.pause()
        self.bob.session.resume()
        self.bob.link.unsent = self.chat.frontend.config.send_queue + 1
        self.ann.send("PRIVMSG #x :one")
        self.chat.clock.advance()
        self.assertFalse(self.bob.closed)
