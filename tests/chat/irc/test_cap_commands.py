"""Tests of CAP and ISUPPORT, as far as they are not the wire's, and of a reload."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from netsvc.chat.irc.config import IrcConfig
from tests.chat.irc.kit import SERVER, Chat


class CapTests(SynchronousTestCase):
    """Tests of CAP, as far as it is not the negotiation itself."""

    def setUp(self) -> None:
        """Start a chat."""
        self.chat = Chat()

    def test_takes_effect(self) -> None:
        """A capability is in effect as soon as it is acknowledged, and no longer."""
        ann, bob = self.chat.room("#x", "ann", "bob")
        bob.send("CAP REQ :server-time", "CAP REQ :echo-message")
        bob.raw()
        ann.send("PRIVMSG #x :a")
        self.assertIn("time", bob.lines()[0].tags)
        bob.ask("CAP REQ :-server-time")
        ann.send("PRIVMSG #x :b")
        self.assertEqual(bob.lines()[0].tags, {})
        self.assertEqual(len(bob.ask("PRIVMSG #x :c")), 1)
        ann.raw()
        self.assertEqual(ann.ask("PRIVMSG #x :d"), [])

    def test_holds_registration(self) -> None:
        """LS and REQ hold the registration until END; END alone is nothing."""
        for line in ("CAP LS", "CAP REQ :batch"):
            client = self.chat.connect()
            client.send(line)
            client.raw()
            client.send("NICK ann", "USER a 0 * :A")
            self.assertEqual(client.raw(), [])
            client.send("CAP END")
            self.assertEqual(client.verbs()[0], "001")
            client.send("QUIT")
        client = self.chat.connect()
        self.assertEqual(client.ask("CAP LIST"), [f":{SERVER} CAP * LIST :"])
        self.assertEqual(client.ask("CAP END"), [])
        self.assertIn(" 461 * CAP ", client.ask("CAP")[0])
        self.assertIn(" 410 * FOO ", client.ask("CAP FOO")[0])

    def test_change_after_registration(self) -> None:
        """LS and REQ of a registered client answer by its nick, and hold nothing."""
        ann = self.chat.client("ann")
        self.assertIn("CAP ann LS", ann.ask("CAP LS")[0])
        self.assertIn("CAP ann ACK :batch", ann.ask("CAP REQ batch")[0])
        self.assertEqual(ann.ask("CAP END"), [])
        self.assertEqual(ann.ask("PING x"), [f":{SERVER} PONG {SERVER} :x"])


class IsupportTests(SynchronousTestCase):
    """Tests of ISUPPORT (IRCv3 C{draft/extended-isupport})."""

    def test_before_registration(self) -> None:
        """Who has the capability may ask before the registration, and gets a batch."""
        chat = Chat()
        client = chat.connect()
        client.send("CAP REQ :batch draft/extended-isupport")
        client.raw()
        client.send("ISUPPORT")
        lines = client.lines()
        reference = lines[0].params[0][1:]
        self.assertEqual(lines[0].params, [f"+{reference}", "draft/isupport"])
        self.assertEqual(lines[-1].params, [f"-{reference}"])
        for line in lines[1:-1]:
            self.assertEqual((line.verb, line.params[0]), ("005", "*"))
            self.assertEqual(line.tags, {"batch": reference})

    def test_plain(self) -> None:
        """Without the capability a registered client gets lines."""
        ann = Chat().client("ann")
        ann.send("ISUPPORT")
        self.assertEqual(set(ann.verbs()), {"005"})


class ReloadTests(SynchronousTestCase):
    """Tests of other settings while clients are there."""

    def test_told(self) -> None:
        """Clients are told of what is new by CAP and 005, as far as they read that."""
        chat = Chat()
        ann, bob = chat.client("ann", "batch"), chat.client("bob")
        old = chat.connect()
        old.send("CAP LS 302")
        old.raw()
        chat.frontend.reload(IrcConfig(targets=9, sts_port=6697, command_rate=None))
        self.assertEqual(
            next(line.params for line in ann.lines()),
            ["ann", "NEW", "sts=port=6697"],
        )
        lines = bob.lines()
        self.assertEqual([line.verb for line in lines], ["005"])
        self.assertIn("PRIVMSG:9", lines[0].params[1])
        self.assertEqual(old.verbs(), ["CAP"])
