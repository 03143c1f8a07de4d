"""Tests of PING, silence and leaving.

Rule numbers are those of the chat reference, section 1.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from netsvc.chat.irc.config import IrcConfig
from tests.chat.irc.kit import SERVER, Chat


class PingTests(SynchronousTestCase):
    """Tests of rule 8: PING and PONG."""

    def setUp(self) -> None:
        """Start a chat."""
        self.chat = Chat()

    def test_ping(self) -> None:
        """A token comes back from the server, as the second parameter; none is 409."""
        client = self.chat.connect()
        self.assertEqual(client.ask("PING LAG12"), [f":{SERVER} PONG {SERVER} :LAG12"])
        self.assertEqual(client.ask("PING :a b"), [f":{SERVER} PONG {SERVER} :a b"])
        self.assertIn(" 409 ", client.ask("PING")[0])
        self.assertIn(" 409 ", client.ask("PING :")[0])

    def test_long(self) -> None:
        """A token that does not fit is cut."""
        client = self.chat.connect()
        answer = client.ask("PING " + "x" * 505)[0]
        self.assertEqual(len(answer), 510)
        self.assertIn("x" * 450, answer)

    def test_silence(self) -> None:
        """Who is silent is asked, and given up with the cause; any line is a sign."""
        ann, bob = self.chat.room("#x", "ann", "bob")
        clock, frontend = self.chat.clock, self.chat.frontend
        for _ in range(25):
            clock.advance(5)
            bob.send("PONG whatever")
            for _ in range(5):
                frontend.tick()
        self.assertEqual(ann.verbs(), ["PING"])
        for _ in range(30):
            clock.advance(5)
            bob.send("PONG whatever")
            for _ in range(5):
                frontend.tick()
        self.assertEqual(ann.verbs(), ["ERROR"])
        self.assertTrue(ann.closed)
        self.assertEqual(self.chat.network.counters["irc-ping-timeout"], 1)
        quits = bob.lines()
        self.assertEqual([line.verb for line in quits], ["QUIT"])
        self.assertRegex(quits[0].params[0], r"^Ping timeout: 2\d\d seconds$")

    def test_short(self) -> None:
        """A short timeout is kept to the second."""
        chat = Chat(IrcConfig(ping_interval=1, ping_timeout=2, command_rate=None))
        ann = chat.client("ann")
        seen = []
        for _ in range(3):
            chat.clock.advance(1)
            chat.frontend.tick()
            seen.append(ann.verbs())
        self.assertEqual(seen, [[], ["PING"], ["ERROR"]])

    def test_late(self) -> None:
        """Who was not looked at for long is asked first, and has time to answer."""
        chat = Chat(IrcConfig(ping_interval=10, ping_timeout=20, command_rate=None))
        ann = chat.client("ann")
        for seconds, verbs in ((5, []), (900, ["PING"]), (9, []), (1, ["ERROR"])):
            chat.clock.advance(seconds)
            for _ in range(5):
                chat.frontend.tick()
            self.assertEqual(ann.verbs(), verbs)

    def test_never(self) -> None:
        """An interval of 0 asks nobody."""
        chat = Chat(IrcConfig(ping_interval=0, command_rate=None))
        ann = chat.client("ann")
        chat.clock.advance(100_000)
        for _ in range(10):
            chat.frontend.tick()
        self.assertEqual(ann.raw(), [])


class QuitTests(SynchronousTestCase):
    """Tests of rule 11: leaving."""

    def setUp(self) -> None:
        """Bring two into two rooms."""
        self.chat = Chat()
        self.ann, self.bob = self.chat.room("#x", "ann", "bob")
        for client in (self.ann, self.bob):
            client.send("JOIN #y")
            client.raw()
        self.ann.raw()

    def test_quit(self) -> None:
        """QUIT is answered by ERROR and the end; peers see one QUIT with the reason."""
        self.ann.send("QUIT :so long", "PRIVMSG #x :unheard")
        self.assertEqual(
            self.ann.raw(), ["ERROR :Closing Link: 192.0.2.1 (Quit: so long)"]
        )
        self.assertTrue(self.ann.closed)
        mask = "ann!ann@192.0.2.1.cloak"
        self.assertEqual(self.bob.raw(), [f":{mask} QUIT :Quit: so long"])

    def test_without_reason(self) -> None:
        """A QUIT without a reason has a default one."""
        self.ann.send("QUIT")
        self.assertEqual(self.bob.lines()[0].params, ["Quit"])

    def test_lost(self) -> None:
        """A lost connection gives peers a QUIT with the cause, and nothing more."""
        self.ann.lose("Connection lost")
        self.assertEqual(self.bob.lines()[0].params, ["Connection lost"])
        self.ann.session.close("again")
        self.bob.send("PRIVMSG #x :hello")
        self.assertEqual((self.bob.raw(), self.ann.raw()), ([], []))
        self.assertNotIn(self.ann.session, self.chat.frontend.sessions)

    def test_unregistered(self) -> None:
        """QUIT works before the registration, and frees nothing that was not had."""
        client = self.chat.connect()
        client.send("NICK cat", "QUIT :x")
        self.assertEqual(client.verbs(), ["ERROR"])
        self.chat.client("cat")

    def test_all(self) -> None:
        """The frontend can end all connections."""
        stranger = self.chat.connect(None)
        self.chat.frontend.close("The server is stopping")
        self.assertEqual(
            stranger.raw(), ["ERROR :Closing Link: local (The server is stopping)"]
        )
        self.assertTrue(self.ann.closed and self.bob.closed)

    def test_killed(self) -> None:
        """Who is killed is told why, and so are the peers."""
        self.chat.network.kill(self.ann.session.me, "spam")
        self.assertIn("(spam)", self.ann.raw()[0])
        self.assertEqual(self.bob.lines()[0].params, ["spam"])
