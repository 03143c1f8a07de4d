"""Which way what is said to somebody goes."""

from __future__ import annotations

from collections.abc import Callable

from twisted.trial.unittest import SynchronousTestCase

from netsvc.relay.client.paths import MAX_FRIENDS, MAX_TEXT, SOON
from netsvc.relay.introductions import Address, Introduction, Offer
from tests.relay.kit import RELAY, World


def between_peers(own: Address, to: Address, data: bytes) -> bool:
    """Lose what does not go by the relay."""
    return RELAY[0] not in (own[0], to[0])


class Case(SynchronousTestCase):
    """Two who know each other."""

    def setUp(self) -> None:
        """Let them come in."""
        self.world = World()
        self.alice = self.world.client("alice")
        self.bob = self.world.client("bob")
        self.alice.user.take()

    def befriend(self) -> None:
        """Have a private conversation."""
        self.alice.type("/msg bob one")
        self.bob.type("/msg alice two")
        self.world.run(1.0)
        self.assertIn(
            "* direct path to bob: 198.51.100.2:40002", self.alice.user.take()
        )
        self.assertIn(
            "* direct path to alice: 198.51.100.1:40001", self.bob.user.take()
        )

    def by_relay(self, act: Callable[[], object]) -> int:
        """Count the datagrams that the relay is sent meanwhile."""
        before = len(self.world.sent)
        act()
        return sum(to[0] == RELAY[0] for _, to, _ in self.world.sent[before:])


class AutoTests(Case):
    """By itself."""

    def test_conversation(self) -> None:
        """Two who write to each other have a direct path then, and are told."""
        self.alice.type("/msg bob one")
        self.assertEqual(self.alice.user.take(), ["-> bob: one"])
        self.assertEqual(
            self.bob.user.take(),
            [
                "* direct: alice asks for a direct path: /direct alice agrees, and"
                " tells each the address of the other",
                "-alice- one",
            ],
        )
        self.bob.type("/msg alice two")
        self.world.run(1.0)
        count = self.by_relay(lambda: self.alice.type("/msg bob three", "/w bob 넷"))
        self.assertEqual(count, 0)
        self.assertEqual(
            self.alice.user.take(),
            [
                "-bob- two",
                "* direct path to bob: 198.51.100.2:40002",
                "(direct) -> bob: three",
                "(direct) -> bob: 넷",
            ],
        )
        self.assertEqual(
            self.bob.user.take()[-2:], ["(direct) -alice- three", "(direct) -alice- 넷"]
        )

    def test_rooms(self) -> None:
        """What is said in a room goes by the relay all the same, commands too."""
        self.befriend()
        self.assertGreater(self.by_relay(lambda: self.alice.type("all")), 0)
        self.assertGreater(self.by_relay(lambda: self.alice.type("/msg #lobby x")), 0)
        self.assertEqual(self.bob.user.take(), ["<alice> all", "<alice> x"])
        self.assertEqual(self.alice.ask("/msg bob"), ["! type it as /msg NICK TEXT"])

    def test_long(self) -> None:
        """A long message becomes several; what could hurt a terminal does not pass."""
        self.befriend()
        words = "word " * 500
        self.alice.type(f"/msg bob {words}", "/msg bob \x1b[31mred")
        seen = self.bob.user.take()
        texts = [line.removeprefix("(direct) -alice- ") for line in seen]
        self.assertEqual(" ".join(texts[:-1]).split(), words.split())
        self.assertTrue(all(len(text) <= MAX_TEXT for text in texts))
        self.assertEqual(texts[-1], "^[[31mred")

    def test_lost(self) -> None:
        """What a lost path has not delivered goes by the relay, and it comes back."""
        self.befriend()
        self.world.lost = between_peers
        self.alice.type("/msg bob on the way")
        self.world.run(4.0)
        self.assertIn("-alice- on the way", self.bob.user.take())
        self.assertEqual(
            self.alice.user.take(),
            [
                "(direct) -> bob: on the way",
                "* direct path to bob is over: lost: no answer for 3 s",
                "-> bob: on the way",
            ],
        )
        self.assertIn("relay: lost: no answer", self.alice.ask("/path bob")[0])
        self.world.lost = lambda *_: False
        self.world.run(60.0)
        self.assertIn(
            "* direct path to bob: 198.51.100.2:40002", self.alice.user.take()
        )

    def test_hopeless(self) -> None:
        """Where no path comes about it is tried more and more rarely."""
        self.befriend()
        self.world.lost = between_peers
        self.world.run(3600.0)
        rounds = sum(data[0] == 6 for _, _, data in self.world.sent)
        self.assertLess(rounds, 1000)
        self.assertEqual(self.alice.user.take()[1:], [])
        before = len(self.world.sent)
        self.world.run(3600.0)
        self.assertFalse(any(data[0] == 6 for _, _, data in self.world.sent[before:]))

    def test_quit(self) -> None:
        """What goes directly has arrived before the goodbye."""
        self.befriend()
        dropped: list[bytes] = []

        def lost(own: Address, to: Address, data: bytes) -> bool:
            dropped.append(data)
            return between_peers(own, to, data) and len(dropped) < 3

        self.world.lost = lost
        self.alice.session.say("/msg bob wait for me")
        self.alice.session.say("/quit")
        self.world.run(3.0)
        self.assertEqual(self.alice.user.trouble, "")
        self.assertEqual(
            self.bob.user.take()[:2],
            ["(direct) -alice- wait for me", "* alice has quit (Quit)"],
        )

    def test_quit_by_relay(self) -> None:
        """If it cannot arrive directly any more, it goes by the relay before that."""
        self.befriend()
        self.world.lost = between_peers
        self.alice.session.say("/msg bob wait for me")
        self.alice.session.say("/quit")
        self.world.run(5.0)
        self.assertEqual(self.alice.user.trouble, "")
        self.assertIn("* goodbye", self.alice.user.take())
        seen = self.bob.user.take()
        self.assertLess(
            seen.index("-alice- wait for me"), seen.index("* alice has quit (Quit)")
        )

    def test_left(self) -> None:
        """The path to somebody who has left is over."""
        self.befriend()
        self.bob.type("/quit")
        self.world.run(1.0)
        self.assertEqual(self.alice.link.paths.next_at(), float("inf"))
        self.assertEqual(
            self.alice.ask("/path bob"),
            [
                "* path: all goes by the relay, no direct path with bob was tried",
                "* path: you are seen at 198.51.100.1:40001, by all alike",
            ],
        )

    def test_cut_off(self) -> None:
        """What may not have arrived when all ends is said."""
        self.befriend()
        self.world.lost = between_peers
        self.alice.session.say("/msg bob perhaps")
        self.world.peers.cut()
        self.world.run(0.1)
        self.assertIn("! bob may not have got this: perhaps", self.alice.user.take())

    def test_renamed(self) -> None:
        """A path goes with the person, and not with the nick."""
        self.befriend()
        self.bob.type("/nick robert")
        carol = self.world.client("bob")
        self.world.run(1.5)
        self.alice.type("/msg robert you", "/msg bob someone else")
        self.assertIn("(direct) -alice- you", self.bob.user.take())
        self.assertIn("-alice- someone else", carol.user.take())

    def test_renamed_at_once(self) -> None:
        """Who gets a nick of which there was a path gets a new start."""
        self.befriend()
        carol = self.world.client("carol")
        for one, two in ((self.alice, carol), (carol, self.alice)):
            one.type(f"/msg {'carol' if two is carol else 'alice'} hi")
        self.world.run(1.0)
        self.bob.type("/nick bobby")
        carol.type("/nick bob")
        self.world.run(1.5)
        self.assertIn("(direct) -> bob: to carol", self.alice.ask("/msg bob to carol"))
        self.assertIn("(direct) -alice- to carol", carol.user.take())

    def test_bounded(self) -> None:
        """What is kept of others is bounded."""
        for number in range(MAX_FRIENDS + 10):
            self.alice.link.paths.notice(Offer(f"n{number}"), 0.0)
        self.assertEqual(len(self.alice.link.paths._friends), MAX_FRIENDS)

    def test_bounded_open(self) -> None:
        """Also if there is a path to who is forgotten; they are told."""
        self.befriend()
        for number in range(MAX_FRIENDS):
            self.alice.session.say(f"/msg n{number} hi")
        self.world.run(0.5)
        self.assertIn(
            "* direct path to alice is over: the other side has ended it",
            self.bob.user.take(),
        )

    def test_crowd(self) -> None:
        """Nobody ends a path by asking under many nicks."""
        self.befriend()
        for number in range(3 * MAX_FRIENDS):
            self.alice.link.paths.notice(Offer(f"n{number}"), 0.0)
        self.assertIn("(direct) -> bob: still", self.alice.ask("/msg bob still"))

    def test_left_unheard(self) -> None:
        """What may not have arrived when somebody leaves is said."""
        self.befriend()
        self.world.lost = between_peers
        self.alice.session.say("/msg bob perhaps")
        self.bob.session.say("/quit")
        self.world.run(1.0)
        self.assertIn("! bob may not have got this: perhaps", self.alice.user.take())

    def introduction(self, *addresses: Address) -> Introduction:
        """Make an introduction to bob."""
        return Introduction(bytes(8), 0, bytes(32), "bob", addresses)

    def test_not_asked_for(self) -> None:
        """An introduction that was not asked for is none, nor is a second one."""
        paths, sent = self.alice.link.paths, self.world.sent
        told = self.introduction(("192.0.2.66", 4000), ("2001:db8::1", 4000))
        paths.notice(told, 0.0)
        self.alice.type("/msg bob hi")
        paths.notice(told, 0.0)
        begun = len(sent)
        paths.notice(self.introduction(("192.0.2.77", 4000)), 0.0)
        self.alice.type("go on")
        self.world.run(5.0)
        punched = {to for _, to, data in sent[begun:] if data[0] == 6}
        self.assertEqual(punched, {("192.0.2.66", 4000)})
        self.assertGreater(self.alice.link.unsent, 0)

    def test_no_victims(self) -> None:
        """No service, group of machines or nothing is sent anything."""
        paths = self.alice.link.paths
        self.alice.type("/msg bob hi")
        paths.notice(
            self.introduction(
                *(("192.0.2.66", 53), ("224.0.0.1", 4000), ("::", 4000)),
                ("127.0.0.1", 4000),
            ),
            0.0,
        )
        self.alice.type("go on")
        self.world.run(5.0)
        self.assertFalse([data for _, _, data in self.world.sent if data[0] == 6])
        self.assertIn("gave no address that can be used", self.alice.ask("/path")[0])

    def test_offers(self) -> None:
        """However often somebody asks, they are answered every some seconds only."""
        self.alice.type("/msg bob hi")
        asked: list[object] = []
        paths = self.alice.link.paths
        self.patch(paths, "_notify", asked.append)
        for number in range(1000):
            paths.notice(Offer("bob"), 100.0 + number / 100)
        self.assertEqual(len(asked), 2)

    def test_strangers(self) -> None:
        """Datagrams of nobody are ignored and counted."""
        self.befriend()
        link, stranger = self.alice.link, ("192.0.2.66", 66)
        (friend,) = link.paths._friends.values()
        assert friend.path is not None
        name = friend.path.introduction.name
        for number in range(10):
            link.datagram(b"\x06" + bytes(8) + bytes(40), stranger)
            head = b"\x06" + name + (99 + number).to_bytes(8, "big")
            link.datagram(head + bytes(40), stranger)
        self.assertEqual(link.paths.ignored, {"junk": 10, "forged": 10})
        self.assertTrue(friend.path.is_open)


class DirectTests(Case):
    """/direct and /path."""

    def test_by_hand(self) -> None:
        """Both ask by hand."""
        self.assertEqual(
            self.alice.ask("/direct bob"),
            ["* direct: bob is asked to agree to a direct path within 120 s"],
        )
        self.assertIn(
            "* path to bob: relay: bob is asked to agree to a direct path within 120 s",
            self.alice.ask("/path"),
        )
        self.assertIn(
            "* path to alice: relay: alice asks for a direct path, and you have not"
            " agreed",
            self.bob.ask("/path"),
        )
        self.assertEqual(
            self.bob.ask("/direct alice"),
            ["* direct path to alice: 198.51.100.1:40001"],
        )
        self.world.run(3.0)
        (line,) = self.bob.ask("/direct alice")
        self.assertIn(
            "* path to alice: direct to 198.51.100.1:40001, confirmed 3 s", line
        )

    def test_refused(self) -> None:
        """What the relay refuses is said, if it was asked for by hand."""
        self.assertTrue(self.alice.ask("/direct nobody")[0].startswith("! "))
        self.assertEqual(self.alice.ask("/direct alice"), ["! that is you"])
        self.assertEqual(self.alice.ask("/direct"), ["! type it as /direct NICK"])
        line = self.world.chat.client("carol")
        self.world.run(0.1)
        self.assertEqual(
            self.alice.ask("/direct carol"),
            ["! carol does not come by UDP: all goes by the server"],
        )
        line.lose()

    def test_not_by_hand(self) -> None:
        """It is not said if it was asked for by itself, but /path knows it."""
        line = self.world.chat.client("carol")
        self.world.run(0.1)
        self.assertEqual(self.alice.ask("/msg carol hi"), ["-> carol: hi"])
        self.assertIn("does not come by UDP", self.alice.ask("/path carol")[0])
        line.lose()

    def test_failed(self) -> None:
        """An attempt by hand that leads to nothing is told of, and why."""
        self.world.lost = between_peers
        self.alice.type("/direct bob")
        self.bob.type("/direct alice")
        self.assertIn("punching a hole", self.alice.ask("/path bob")[0])
        self.assertEqual(self.alice.ask("/direct bob"), [])
        self.world.run(4.0)
        (line,) = self.alice.user.take()
        self.assertIn("* path to bob: relay: no answer to 3", line)
        self.assertEqual(self.world.relay.introducer.rules.counters.total(), 2)

    def test_symmetric(self) -> None:
        """It is said that the own NAT is symmetric, if the relay has two ports."""
        world = World()

        def seen_as(own: Address, to: Address) -> Address:
            is_nat = own[0] == "198.51.100.1" and to[1] != RELAY[1]
            return (own[0], own[1] + to[1]) if is_nat else own

        world.seen_as = seen_as
        world.lost = between_peers
        alice, bob = world.client("alice"), world.client("bob")
        alice.type("/direct bob")
        bob.type("/direct alice")
        world.run(4.0)
        self.assertTrue(alice.ask("/path bob")[0].endswith("; your NAT is symmetric"))
        self.assertIn("* path: your NAT is symmetric (198", alice.ask("/path")[-1])

    def test_again(self) -> None:
        """A new introduction replaces a path; what was on its way is not lost."""
        self.befriend()
        self.world.lost = between_peers
        self.alice.session.say("/msg bob on the way")
        self.world.run(SOON)
        self.world.lost = lambda *_: False
        self.alice.type("/direct bob")
        self.bob.type("/direct alice")
        self.world.run(6.0)
        self.assertIn("-alice- on the way", self.bob.user.take())
        self.assertTrue(self.alice.link.paths.is_idle)


class ModeTests(SynchronousTestCase):
    """Force and never."""

    def test_never(self) -> None:
        """C{never} asks for nothing, agrees to nothing, and says so."""
        world = World()
        alice, bob = world.client("alice", "never"), world.client("bob")
        bob.type("/msg alice hi", "/direct alice")
        self.assertEqual(alice.user.take()[-1], "-bob- hi")
        self.assertEqual(alice.ask("/msg bob hi"), ["-> bob: hi"])
        self.assertEqual(
            alice.ask("/direct bob"),
            ["! --direct never was given: there are no direct paths"],
        )
        self.assertEqual(
            alice.ask("/path"),
            ["* path: all goes by the relay, no direct path was tried"],
        )
        self.assertFalse(
            any(
                data[0] in (0, 6)
                for own, _, data in world.sent
                if own[0].endswith(".1") and own != RELAY
            )
        )

    def test_never_introduced(self) -> None:
        """Not even an introduction makes it send anything to a peer."""
        world = World()
        alice, bob = world.client("alice", "never"), world.client("bob")
        session = next(
            each for each in world.peers.frontend.sessions if each.me.nick == "alice"
        )
        world.relay.introducer.request(session, "bob")
        bob.type("/direct alice")
        world.run(4.0)
        self.assertFalse(
            any(
                own[0].endswith(".1") and own != RELAY and data[0] == 6
                for own, _, data in world.sent
            )
        )
        self.assertEqual(alice.link.paths.next_at(), float("inf"))

    def test_force(self) -> None:
        """C{force} sends nothing to one person by the relay, and agrees to all."""
        world = World()
        alice, bob = world.client("alice", "force"), world.client("bob")
        self.assertEqual(
            alice.ask("/msg bob hi"),
            [
                "! not sent: there is no direct path to bob, and --direct force takes"
                " no other (/path bob says more)"
            ],
        )
        self.assertNotIn("-alice- hi", bob.user.take())
        bob.type("/direct alice")
        world.run(1.0)
        self.assertEqual(alice.ask("/msg bob hi"), ["(direct) -> bob: hi"])
        world.lost = between_peers
        alice.type("/msg bob lost")
        world.run(4.0)
        self.assertIn("! bob may not have got this: lost", alice.user.take())
        self.assertNotIn("-alice- lost", bob.user.take())

    def test_force_agrees(self) -> None:
        """C{force} agrees to whoever asks."""
        world = World()
        alice, bob = world.client("alice", "force"), world.client("bob")
        bob.type("/direct alice")
        world.run(1.0)
        self.assertIn("* direct path to bob: 198.51.100.2:40002", alice.user.take())
