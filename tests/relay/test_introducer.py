"""/direct at the relay."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from netsvc.chat.line.frontend import LineFrontend
from netsvc.relay import introducer as module
from netsvc.relay.introducer import Introducer, plain, show
from netsvc.relay.introductions import Introduction, Left, Notice, Offer, Renamed
from tests.chat.line.kit import Client, LineChat
from tests.relay.kit import chance


class Case(SynchronousTestCase):
    """A chat with people on the relay."""

    def setUp(self) -> None:
        """Make it."""
        self.chat = LineChat()
        self.introducer = Introducer(chance())
        command = self.introducer.command
        self.chat.frontend = LineFrontend(
            self.chat.network, extra={command.name: command}
        )
        self.notices: dict[str, list[Notice]] = {}

    def come(
        self, nick: str, host: str = "", validated: bool = True, tells: bool = False
    ) -> Client:
        """
        Let somebody come.

        @param host: Where they are on the relay; empty for who is not there.
        @param tells: Whether their program takes notices.
        """
        client: Any = self.chat.client(nick)
        if host:
            client.address = (host, 1000 + len(self.notices))
            client.validated = validated
        if tells:
            client.notify = self.notices.setdefault(nick, []).append
        for each in list(self.chat.frontend.sessions):
            each.output.read()  # type: ignore[attr-defined]
        found: Client = client
        return found


class CommandTests(Case):
    """The command."""

    def test_text(self) -> None:
        """People are told in a line: address, name, role and key."""
        a, b = self.come("a", "192.0.2.1"), self.come("b", "192.0.2.2")
        self.assertEqual(
            a.ask("/direct b"),
            ["* b is asked to agree to a direct path within 120 s"],
        )
        self.assertEqual(
            b.read(),
            [
                "* a asks for a direct path to you: /direct a agrees, and tells each"
                " the address of the other"
            ],
        )
        self.assertEqual(a.ask("/direct b"), ["* b was asked already"])
        (to_b,) = b.ask("/direct A")
        (to_a,) = a.read()
        pattern = (
            r"\* direct: {} is at {}:1000, name [0-9a-f]{{16}}, you are {}, key"
            r" [0-9a-f]{{64}}"
        )
        self.assertRegex(to_b, pattern.format("a", "192.0.2.1", 0))
        self.assertRegex(to_a, pattern.format("b", "192.0.2.2", 1))
        self.assertEqual(to_a[-64:], to_b[-64:])
        self.assertEqual(
            a.ask("/direct b"), ["! you and b were introduced a moment ago"]
        )

    def test_programs(self) -> None:
        """Programs are told in notices."""
        a = self.come("a", "192.0.2.1", tells=True)
        b = self.come("b", "2001:db8::2", tells=True)
        c = self.come("c", "2001:db8:0::3%eth0", tells=True)
        self.assertEqual(
            a.ask("/direct b"), ["! you and b do not use the same version of IP"]
        )
        b.ask("/direct c")
        self.assertEqual(self.notices["c"], [Offer("b")])
        self.assertEqual(c.ask("/direct b"), [])
        (told,) = self.notices["b"]
        assert isinstance(told, Introduction)
        self.assertEqual(told.addresses[0][0], "2001:db8::3")
        self.assertEqual(self.notices["a"], [])

    def test_refused(self) -> None:
        """Only validated people of the relay who are in one room are introduced."""
        a = self.come("a", "192.0.2.1")
        b = self.come("b", "192.0.2.2", validated=False)
        line = self.come("line")
        away = self.come("away", "192.0.2.3")
        away.type("/part #lobby", "/join #other")
        a.read()
        for words, answer in (
            ("", "type it as /direct NICK"),
            ("a", "that is you"),
            ("line", "line does not come by UDP: all goes by the server"),
            ("b", "b has not shown yet that they are there"),
            ("away", "you are in no room with away"),
        ):
            self.assertEqual(a.ask(f"/direct {words}"), [f"! {answer}"])
        self.assertTrue(a.ask("/direct nobody")[0].startswith("! "))
        self.assertEqual(
            b.ask("/direct a"), ["! show that you are there first: type your code"]
        )
        self.assertEqual(
            line.ask("/direct a"),
            ["! a direct path begins at the UDP port, which you do not use"],
        )
        self.assertEqual(self.introducer.rules.counters.total(), 0)

    def test_not_spoken_to(self) -> None:
        """Who wants to hear of people with an account only is not asked by others."""
        a, b = self.come("a", "192.0.2.1"), self.come("b", "192.0.2.2")
        hub = self.chat.network.hub
        hub.set_user_modes(b.session.me, True, "R")
        (answer,) = a.ask("/direct b")
        self.assertTrue(answer.startswith("! "), answer)
        self.assertEqual(b.read(), [])

    def test_too_many(self) -> None:
        """Who asks everybody is refused."""
        self.introducer.rules._max_per_peer = 1
        a = self.come("a", "192.0.2.1")
        self.come("b", "192.0.2.2")
        self.come("c", "192.0.2.3")
        a.ask("/direct b")
        self.assertEqual(
            a.ask("/direct c"), ["! you wait for the answers of too many others"]
        )

    def test_no_address(self) -> None:
        """An address that is none is none."""
        a = self.come("a", "192.0.2.1")
        self.come("b", "/a/path")
        self.assertIn("does not come by UDP", a.ask("/direct b")[0])


class LaterTests(Case):
    """What becomes of those who were introduced."""

    def setUp(self) -> None:
        """Introduce two."""
        super().setUp()
        self.a = self.come("a", "192.0.2.1", tells=True)
        self.b = self.come("b", "192.0.2.2", tells=True)
        self.introduce()

    def introduce(self) -> None:
        self.a.ask("/direct b")
        self.b.ask("/direct a")
        for notices in self.notices.values():
            notices.clear()

    def test_renamed(self) -> None:
        """Those who know somebody are told of their new nick."""
        self.a.type("/nick anna")
        self.introducer.look()
        self.introducer.look()
        self.assertEqual(self.notices, {"a": [], "b": [Renamed("a", "anna")]})

    def test_gone(self) -> None:
        """Those who know somebody are told that they are gone."""
        self.introducer.gone(self.a.session)
        self.introducer.gone(self.a.session)
        self.assertEqual(self.notices, {"a": [], "b": [Left("a")]})
        self.b.type("/nick bea")
        self.introducer.look()
        self.introducer.gone(self.b.session)
        self.assertEqual(self.notices["a"], [])
        self.assertEqual(self.introducer._known, {})

    def test_lost(self) -> None:
        """Who has just gone has no nick to look at."""
        self.a.lose()
        self.introducer.look()
        self.assertEqual(self.notices["b"], [])

    def test_bounded(self) -> None:
        """The people whom somebody is told about are bounded."""
        self.patch(module, "MAX_ACQUAINTANCES", 1)
        c = self.come("c", "192.0.2.3", tells=True)
        self.a.ask("/direct c")
        c.ask("/direct a")
        self.introducer.gone(self.b.session)
        self.introducer.gone(c.session)
        self.assertEqual(self.notices["a"][-1], Left("c"))
        self.assertEqual(len(self.introducer._known[self.a.session]), 0)


class AddressTests(SynchronousTestCase):
    """Addresses."""

    def test_plain(self) -> None:
        """Scopes go, and IPv4 is IPv4 whatever it wears."""
        self.assertEqual(plain(("::ffff:192.0.2.1", 5)), ("192.0.2.1", 5))
        self.assertEqual(plain(("fe80::1%eth0", 5)), ("fe80::1", 5))
        self.assertEqual(show(("fe80::1", 5)), "[fe80::1]:5")
        self.assertEqual(show(("192.0.2.1", 5)), "192.0.2.1:5")
