"""Tests of the user modes R and T, and of ACCEPT."""

from __future__ import annotations

import gc

from twisted.trial.unittest import SynchronousTestCase

from netsvc.chat.limits import HubLimits
from tests.chat.irc.kit import SERVER, Chat, Client


def codes(client: Client, line: str) -> list[str]:
    """Give what a line is answered with, by verb."""
    client.raw()
    client.send(line)
    return client.verbs()


class AccountsOnlyTests(SynchronousTestCase):
    """Mode R: those without an account do not write."""

    def setUp(self) -> None:
        """Ann has set it; bob has no account."""
        self.chat = Chat()
        self.ann = self.chat.client("ann")
        self.bob = self.chat.client("bob")
        self.ann.send("MODE ann +R")
        self.ann.raw()

    def assert_heard(self, heard: bool) -> None:
        """Bob writes to ann, and is heard or refused."""
        self.assertEqual(codes(self.bob, "PRIVMSG ann :hi"), [] if heard else ["477"])
        self.assertEqual(self.ann.verbs(), ["PRIVMSG"] if heard else [])

    def test_refused(self) -> None:
        """Who has no account gets 477, but for a NOTICE, which nothing answers."""
        self.assertEqual(
            self.bob.ask("PRIVMSG ann :hi"),
            [f":{SERVER} 477 bob ann :You must be logged in to message this user"],
        )
        self.assertEqual(self.bob.ask("NOTICE ann :hi"), [])
        self.assertEqual(self.ann.verbs(), [])

    def test_account(self) -> None:
        """Who has an account is heard, and one hears oneself."""
        self.chat.hub.set_account(self.bob.session.me, "bob")
        self.assert_heard(True)
        self.assertEqual(codes(self.ann, "PRIVMSG ann :hi"), ["PRIVMSG"])

    def test_accepted(self) -> None:
        """ACCEPT lets somebody write until it is taken back; * lists them."""
        self.assertEqual(self.ann.ask("ACCEPT bob,ann"), [])
        self.assert_heard(True)
        self.assertEqual(
            self.ann.ask("ACCEPT *"),
            [
                f":{SERVER} 281 ann :bob",
                f":{SERVER} 282 ann :End of ACCEPT list",
            ],
        )
        self.assertEqual(self.ann.ask("ACCEPT -bob"), [])
        self.assert_heard(False)
        self.assertEqual(codes(self.ann, "ACCEPT *"), ["282"])
        self.assertEqual(codes(self.ann, "ACCEPT nobody,,-bob"), ["401"])
        self.assertEqual(codes(self.ann, "ACCEPT"), ["461"])

    def test_answer(self) -> None:
        """Whom one writes to may answer."""
        self.ann.send("PRIVMSG bob :hi")
        self.ann.raw()
        self.assert_heard(True)

    def test_gone(self) -> None:
        """Who comes again under the nick of somebody accepted is not accepted."""
        self.ann.send("ACCEPT bob")
        self.bob.send("QUIT")
        self.chat.clock.advance(1)
        del self.bob
        gc.collect()
        self.assertEqual(codes(self.ann, "ACCEPT *"), ["282"])
        self.bob = self.chat.client("bob")
        self.assert_heard(False)

    def test_limit(self) -> None:
        """The list is bounded: the first is forgotten."""
        chat = Chat(limits=HubLimits(accepted=2))
        ann, *others = [chat.client(nick) for nick in ("ann", "bob", "cy", "dan")]
        for other in others:
            ann.send(f"ACCEPT {other.session.me.nick}")
        self.assertEqual(ann.ask("ACCEPT *")[0], f":{SERVER} 281 ann :cy dan")


class NoCtcpTests(SynchronousTestCase):
    """Mode T: no CTCP."""

    def test_refused(self) -> None:
        """CTCP requests are refused with 531; actions and plain words are heard."""
        chat = Chat()
        ann, bob = chat.client("ann"), chat.client("bob")
        self.assertEqual(codes(ann, "MODE ann +T"), ["MODE"])
        self.assertEqual(codes(bob, "PRIVMSG ann :\x01VERSION\x01"), ["531"])
        self.assertEqual(ann.verbs(), [])
        for text in ("\x01ACTION waves\x01", "VERSION?"):
            self.assertEqual(codes(bob, f"PRIVMSG ann :{text}"), [])
            self.assertEqual(ann.verbs(), ["PRIVMSG"])
