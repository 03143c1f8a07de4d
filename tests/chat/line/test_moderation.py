"""Keeping order, and accounts: what operators and owners type."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from netsvc.chat.events import Change
from netsvc.chat.limits import HubLimits
from netsvc.chat.line.options import LineOptions
from netsvc.daemon.limits import Rate
from tests.chat.line.kit import FakeAccounts, LineChat, Waiting


class ModerationTests(SynchronousTestCase):
    """Keeping order."""

    def setUp(self) -> None:
        """Let an operator and somebody else in."""
        self.chat = LineChat(LineOptions(masks=1))
        self.alice, self.bob = self.chat.clients("alice", "bob")

    def test_operators(self) -> None:
        """Operators make operators, and take it back."""
        self.assertIn("only operators", self.bob.ask("/op bob")[0])
        self.alice.type("/op bob")
        self.assertEqual(self.bob.read(), ["* alice made bob an operator of #lobby"])
        self.assertIn("so already for bob", self.alice.ask("/op bob")[0])
        self.assertEqual(
            self.bob.ask("/deop alice", "/voice alice", "/devoice alice"),
            [
                "* bob made alice an operator of #lobby no more",
                "* bob gave alice a voice in #lobby",
                "* bob took the voice in #lobby from alice",
            ],
        )
        self.assertIn("nobody called x", self.bob.ask("/op x")[0])

    def test_ban(self) -> None:
        """Who is banned is put out, and cannot come back before the ban is lifted."""
        self.assertEqual(
            self.alice.ask("/ban bob spam"),
            [
                "* alice has banned *!*@192.0.2.2.cloak from #lobby",
                "* bob was kicked from #lobby by alice (spam)",
            ],
        )
        self.assertIn("you are banned from #lobby", self.bob.ask("/join #lobby")[-1])
        self.assertEqual(
            self.alice.ask("/ban"),
            ["* banned in #lobby: *!*@192.0.2.2.cloak (by alice [13:46])"],
        )
        self.assertIn("so already", self.alice.ask("/ban *!*@192.0.2.2.cloak")[-1])
        self.assertEqual(
            self.alice.ask("/unban bob"),
            ["* alice has lifted the ban of *!*@192.0.2.2.cloak from #lobby"],
        )
        self.assertIn("* bob has joined #lobby", self.bob.ask("/join #lobby"))
        self.assertEqual(self.alice.ask("/ban"), ["* nobody is banned in #lobby"])
        self.assertIn("nobody like bob", self.alice.ask("/unban bob")[0])

    def test_ban_behind_one_address(self) -> None:
        """Somebody at the address of an operator is banned by the nick alone."""
        self.chat.client("carol", "192.0.2.1")
        self.assertIn(
            "* alice has banned carol!*@* from #lobby", self.alice.ask("/ban carol")
        )
        self.assertEqual(
            self.alice.ask("/unban carol"),
            ["* alice has lifted the ban of carol!*@* from #lobby"],
        )

    def test_no_address_is_told(self) -> None:
        """A mask that fits somebody's real address is not found by their nick."""
        self.assertEqual(
            self.alice.ask("/ban *!*@192.0.2.2", "/ban *!*@*.2.cloak"),
            [
                "* alice has banned *!*@192.0.2.2 from #lobby",
                "* alice has banned *!*@*.2.cloak from #lobby",
            ],
        )
        self.assertEqual(
            self.alice.ask("/unban bob"),
            ["* alice has lifted the ban of *!*@*.2.cloak from #lobby"],
        )
        self.assertIn("nobody like bob", self.alice.ask("/unban bob")[0])
        self.assertIn("has lifted", self.alice.ask("/unban *!*@192.0.2.2")[0])

    def test_ban_of_an_account(self) -> None:
        """Somebody who is logged in is banned by the account."""
        self.chat.hub.set_account(self.bob.session.me, "robert")
        self.assertIn(
            "* alice has banned ~a:robert from #lobby", self.alice.ask("/ban bob")
        )

    def test_mute(self) -> None:
        """Who is muted stays, and may not speak."""
        self.assertEqual(
            self.alice.ask("/mute bob"),
            ["* alice has muted *!*@192.0.2.2.cloak in #lobby"],
        )
        self.assertIn("you are muted", self.bob.ask("hi")[-1])
        self.assertEqual(
            self.alice.ask("/mute x!*@*", "/mute")[1:],
            [
                "* muted in #lobby: *!*@192.0.2.2.cloak (by alice [13:46])",
                "* and 1 more",
            ],
        )
        self.assertEqual(
            self.alice.ask("/unmute bob", "/unmute x!*@*"),
            [
                "* alice has lifted the mute of *!*@192.0.2.2.cloak in #lobby",
                "* alice has lifted the mute of x!*@* in #lobby",
            ],
        )
        self.assertIn("/mute shows it", self.alice.ask("/unmute bob")[0])

    def test_list_full(self) -> None:
        """A list of bans that is full takes no more, and says so."""
        chat = LineChat(limits=HubLimits(list_entries=1))
        alice = chat.client("alice")
        alice.type("/ban a!*@*")
        self.assertIn("is full", alice.ask("/ban b!*@*")[0])

    def test_other_room(self) -> None:
        """A room may be named first."""
        self.alice.type("/join #x", "/kick #lobby bob")
        self.assertEqual(self.bob.read()[-1], "* bob was kicked from #lobby by alice")

    def test_modes(self) -> None:
        """Changes that others make are told in words."""
        self.chat.hub.set_modes(None, "#lobby", [Change(True, "m")])
        self.assertIn("irc.test.example lets only operators", self.bob.read()[-1])


class AccountTests(SynchronousTestCase):
    """Accounts."""

    def setUp(self) -> None:
        """Make a chat with one account."""
        self.accounts = FakeAccounts(alice="right")
        self.chat = LineChat(accounts=self.accounts)
        self.bob = self.chat.client("bob")

    def test_login(self) -> None:
        """Who logs in may have the nick; a wrong password is refused."""
        self.assertIn("belongs to an account", self.bob.ask("/nick alice")[0])
        self.assertEqual(
            self.bob.ask("/login alice wrong"),
            ["! the account or the password is wrong: try again"],
        )
        self.assertEqual(self.bob.ask("/login alice right"), ["* logged in as alice"])
        self.assertEqual(self.bob.ask("/nick alice"), ["* bob is now known as alice"])
        self.assertEqual(self.bob.ask("/login right"), ["* logged in as alice"])
        self.assertEqual(self.bob.ask("/logout"), ["* you are logged out"])
        self.assertIn("not logged in", self.bob.ask("/logout")[0])
        self.assertEqual(set(self.accounts.sources), {"192.0.2.1"})

    def test_guest(self) -> None:
        """A guest who logs in takes the account's name, unless somebody has it."""
        guest = self.chat.client()
        self.assertEqual(
            guest.ask("/login alice right"),
            ["* logged in as alice", "* guest2 is now known as alice"],
        )
        other = self.chat.client()
        self.assertEqual(other.ask("/login alice right"), ["* logged in as alice"])
        self.assertTrue(other.session.is_guest)

    def test_register(self) -> None:
        """An account may be made for one's nick, or for a name nobody else has."""
        self.assertEqual(self.bob.ask("/register pw"), ["* logged in as bob"])
        self.assertEqual(
            self.bob.ask("/register bob3 pw"),
            ["! you are logged in as bob: /logout first"],
        )
        self.assertEqual(self.accounts.passwords["bob"], "pw")
        guest = self.chat.client()
        self.assertEqual(
            guest.ask("/register bob2 pw pw"),
            ["* logged in as bob2", "* guest2 is now known as bob2"],
        )
        third = self.chat.client()
        self.assertIn("is taken", third.ask("/register BOB2 x")[0])
        self.assertIn("registered already", third.ask("/register alice x")[0])

    def test_password_change(self) -> None:
        """A password may be changed by who knows the old one."""
        self.assertIn("not logged in", self.bob.ask("/passwd a b")[0])
        self.bob.type("/login alice right")
        self.assertIn("another password", self.bob.ask("/passwd right new")[0])
        self.assertEqual(self.accounts.passwords["alice"], "new")
        self.assertIn("type it as", self.bob.ask("/passwd new")[0])

    def test_not_over_plain_connections(self) -> None:
        """Where they are asked to, passwords come over encrypted connections only."""
        self.chat.network.plain_login = False
        for line in ("/login alice right", "/register x", "/passwd a b"):
            self.assertIn("connect by TLS", self.bob.ask(line)[0])
        self.assertEqual(self.accounts.sources, [])
        secure = self.chat.connect(secure=True)
        self.assertIn("* logged in as alice", secure.ask("/login alice right"))

    def test_off(self) -> None:
        """Without accounts, that is said."""
        client = LineChat().client()
        self.assertIn("no accounts", client.ask("/login a b")[0])

    def test_slow(self) -> None:
        """While a password is checked the input waits; one who has gone is let be."""
        self.accounts.wait = Waiting()
        self.bob.read()
        self.bob.type("/login alice right", "hi")
        self.assertEqual((self.bob.read(), self.bob.held), ([], True))
        self.accounts.wait.done = True
        self.bob.go_on()
        self.assertEqual(self.bob.read(), ["* logged in as alice"])
        self.bob.type("/logout")
        self.accounts.wait = Waiting()
        self.bob.type("/login alice right")
        self.chat.network.kill(self.bob.session.me, "enough")
        self.accounts.wait.done = True
        self.bob.go_on()
        self.assertEqual(self.bob.failures, [])

    def test_too_fast(self) -> None:
        """What the hub finds too fast is told of."""
        chat = LineChat(
            limits=HubLimits(
                message_rate=Rate(1, 1), nick_rate=Rate(1, 1), join_rate=Rate(1, 2)
            )
        )
        client = chat.client()
        for line in ("hi", "/nick a{}", "/join #x{}"):
            answer = client.ask(line.format("a"), line.format("b"))[-1]
            self.assertIn("wait a little", answer)
