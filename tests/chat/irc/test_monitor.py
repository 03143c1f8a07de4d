"""Tests of L{netsvc.chat.irc.commands.monitor}: MONITOR (IRCv3)."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from netsvc.chat.limits import HubLimits
from tests.chat.irc.kit import SERVER, Chat


class MonitorTests(SynchronousTestCase):
    """Tests of MONITOR."""

    def setUp(self) -> None:
        """Connect a watcher."""
        self.chat = Chat()
        self.ann = self.chat.client("ann")

    def test_add(self) -> None:
        """Who is added is told of as being there (730), or not (731)."""
        self.chat.client("Bob")
        self.assertEqual(
            self.ann.ask("MONITOR + bob,zoe,,cat"),
            [
                f":{SERVER} 730 ann :Bob!bob@192.0.2.1.cloak",
                f":{SERVER} 731 ann :zoe,cat",
            ],
        )

    def test_coming_and_going(self) -> None:
        """Coming, leaving and other nicks are told; a change of case is nothing."""
        self.ann.send("MONITOR + bob,robert")
        self.ann.raw()
        bob = self.chat.client("bob")
        bob.send("NICK BOB", "NICK Robert", "QUIT")
        mask = "192.0.2.1.cloak"
        self.assertEqual(
            [(line.verb, *line.params) for line in self.ann.lines()],
            [
                ("730", "*", f"bob!bob@{mask}"),
                ("731", "*", "BOB"),
                ("730", "*", f"Robert!bob@{mask}"),
                ("731", "*", "Robert"),
            ],
        )

    def test_remove(self) -> None:
        """Who is removed, or cleared, is told of no more."""
        self.ann.send("MONITOR + bob,cat,dan")
        self.ann.raw()
        self.assertEqual(self.ann.ask("MONITOR - bob,nobody"), [])
        self.chat.client("bob")
        self.assertEqual(self.ann.raw(), [])
        self.assertEqual(self.ann.ask("MONITOR c"), [])
        self.chat.client("cat")
        self.assertEqual(self.ann.raw(), [])
        self.assertEqual(
            self.ann.ask("MONITOR L"), [f":{SERVER} 733 ann :End of MONITOR list"]
        )
        self.assertEqual(self.chat.hub.state.watchers, {})

    def test_list(self) -> None:
        """L lists the nicks as they were given, S who is there."""
        self.chat.client("bob")
        self.ann.send("MONITOR + Bob,Zoe")
        self.assertEqual(
            self.ann.ask("MONITOR l"),
            [f":{SERVER} 732 ann :Bob,Zoe", f":{SERVER} 733 ann :End of MONITOR list"],
        )
        self.assertEqual(
            self.ann.ask("MONITOR S"),
            [
                f":{SERVER} 730 ann :bob!bob@192.0.2.1.cloak",
                f":{SERVER} 731 ann :Zoe",
            ],
        )

    def test_long_list(self) -> None:
        """A list that does not fit into a line takes several."""
        nicks = [f"somebody_with_a_long_name_{number}" for number in range(90)]
        for start in range(0, 90, 10):
            self.ann.send("MONITOR + " + ",".join(nicks[start : start + 10]))
        self.ann.raw()
        self.ann.send("MONITOR L")
        lines = self.ann.lines()
        self.assertGreater(len(lines), 5)
        self.assertTrue(all(len(line.raw) <= 510 for line in lines))
        found = [nick for line in lines[:-1] for nick in line.params[1].split(",")]
        self.assertEqual(found, nicks)

    def test_full(self) -> None:
        """Beyond the limit it is 734 with the limit and those left out."""
        chat = Chat(limits=HubLimits(watching=2))
        ann = chat.client("ann")
        self.assertEqual(
            ann.ask("MONITOR + a,b,c,d"),
            [
                f":{SERVER} 734 ann 2 c,d :Monitor list is full.",
                f":{SERVER} 731 ann :a,b",
            ],
        )
        self.assertEqual(ann.ask("MONITOR + A"), [f":{SERVER} 731 ann :A"])

    def test_masks(self) -> None:
        """What is no nick is never there, and takes no place."""
        self.assertEqual(
            self.ann.ask("MONITOR + *!user@host"), [f":{SERVER} 731 ann :*!user@host"]
        )
        self.assertEqual(self.ann.session.me.watching, {})

    def test_form(self) -> None:
        """Without what it needs it is 461; an unknown letter is nothing."""
        for line in ("MONITOR", "MONITOR +", "MONITOR -"):
            self.assertIn(" 461 ", self.ann.ask(line)[0])
        self.assertEqual(self.ann.ask("MONITOR X"), [])

    def test_leaving(self) -> None:
        """Who leaves watches no more."""
        self.ann.send("MONITOR + bob", "QUIT")
        self.assertEqual(self.chat.hub.state.watchers, {})

    def test_extended(self) -> None:
        """With extended-monitor AWAY, ACCOUNT and SETNAME of the watched are told."""
        caps = ("away-notify", "account-notify", "setname")
        cat = self.chat.client("cat", "extended-monitor", *caps)
        dan = self.chat.client("dan", *caps)
        bob = self.chat.client("bob")
        for client in (cat, dan):
            client.send("MONITOR + bob")
            client.raw()
        bob.send("AWAY :x", "SETNAME :B")
        bob.session.logged_in("robert")
        self.assertEqual(cat.verbs(), ["AWAY", "SETNAME", "ACCOUNT"])
        self.assertEqual(dan.raw(), [])
        for client in (cat, bob):
            client.send("JOIN #x")
        cat.raw()
        bob.send("AWAY")
        self.assertEqual(cat.verbs(), ["AWAY"])
