"""Tests of L{netsvc.chat.network}."""

from __future__ import annotations

from netsvc.chat.network import Network
from tests.chat.hub_case import HubCase
from tests.chat.hub_fakes import FakeSession, kinds


class NetworkTests(HubCase):
    """Tests of L{Network}."""

    def setUp(self) -> None:
        """A chat without anything besides its hub."""
        super().setUp()
        self.network = Network(
            hub=self.hub,
            name="irc.test.example",
            network="test",
            version="0",
            started=0,
            milliseconds=lambda: 0,
            seconds=lambda: 0.0,
            cloak=lambda address: "host",
        )

    def test_guest(self) -> None:
        """A guest's nick is one that nobody has, in any case, and never comes twice."""
        self.chat.enter("GUEST1")
        nicks = [self.network.guest() for _ in range(3)]
        self.assertEqual(nicks, ["guest2", "guest3", "guest4"])
        self.chat.enter("guest5")
        self.assertEqual(self.network.guest("Guest"), "Guest6")

    def test_operators(self) -> None:
        """Operators are told something, others not."""
        ann, bob = self.chat.enter("ann"), self.chat.enter("bob")
        self.hub.set_operator(ann, "root")
        self.network.tell_operators("look")
        self.assertEqual((kinds(ann), kinds(bob)), (["Announced"], []))

    def test_kill(self) -> None:
        """Who is killed leaves, and their connection ends, for a reason."""
        ann, bob = self.chat.room("#a", "ann", "bob")
        self.network.kill(ann, "spam")
        session = ann.session
        assert isinstance(session, FakeSession)
        self.assertEqual(session.closed, "spam")
        self.assertEqual(kinds(bob), ["Quit"])

    def test_rehash(self) -> None:
        """Without a configuration there is nothing to read again."""
        self.assertIn("nothing", self.network.rehash())
        self.network.noted("root", "kill", "ann")
