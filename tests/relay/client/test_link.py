"""Clients at a relay, and what is between them."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from netsvc.relay.client.link import HIGH_WATER, RelaySettings, udp_link
from netsvc.relay.frame_peers import FULL
from netsvc.relay.introductions import Address
from tests.relay.kit import RELAY, Client, World


class Case(SynchronousTestCase):
    """A relay."""

    def setUp(self) -> None:
        """Make the world."""
        self.world = World()


class SessionTests(Case):
    """The session with the relay."""

    def test_talk(self) -> None:
        """What is said in a room, all in it hear."""
        alice, bob = self.world.client("alice"), self.world.client("bob")
        self.assertEqual(alice.ask("hello", "안녕"), ["* bob has joined #lobby"][1:])
        self.assertEqual(bob.user.take(), ["<alice> hello", "<alice> 안녕"])
        self.assertEqual(self.world.relay.admitted, ["198.51.100.1", "198.51.100.2"])

    def test_quit(self) -> None:
        """/quit is answered, and then all is closed on both sides."""
        alice = self.world.client("alice")
        alice.type("last words", "/quit")
        self.assertEqual(alice.user.trouble, "")
        self.assertEqual(alice.user.seen, ["* goodbye"])
        self.assertEqual((self.world.ports, self.world.peers.live), ({}, 0))
        self.world.run(60.0)
        self.assertEqual(self.world.reactor.getDelayedCalls(), [])
        self.assertEqual(self.world.relay.admitted, [])

    def test_loss(self) -> None:
        """With every third datagram lost all arrives, in order."""
        alice, bob = self.world.client("alice"), self.world.client("bob")
        count = 0

        def lost(own: Address, to: Address, data: bytes) -> bool:
            nonlocal count
            count += 1
            return count % 3 == 0

        self.world.lost = lost
        alice.user.take()
        for number in range(50):
            alice.type(f"line {number}")
        self.world.run(30.0)
        self.assertEqual(
            bob.user.take(), [f"<alice> line {number}" for number in range(50)]
        )
        alice.type("/quit")
        self.world.run(20.0)
        self.assertEqual(alice.user.trouble, "")
        self.assertEqual(self.world.peers.live, 1)

    def test_moved(self) -> None:
        """A client whose NAT gives it another address goes on, and nothing is lost."""
        alice, bob = self.world.client("alice"), self.world.client("bob")
        alice.user.take()
        moved: Address = ("198.51.100.1", 55_555)
        old = next(iter(self.world.ports))
        self.world.seen_as = lambda own, to: moved if own == old else own
        bob.type("to the old address")
        self.world.run(5.0)
        self.assertEqual(alice.user.take(), [])
        alice.type("I have moved")
        self.assertEqual(alice.user.take(), ["<bob> to the old address"])
        self.assertEqual(bob.user.take()[-1], "<alice> I have moved")
        self.assertEqual(self.world.relay.counters["frames-moved"], 1)

    def test_nobody_there(self) -> None:
        """Where nobody answers that is said after some time."""
        self.world.lost = lambda *_: True
        client = Client(self.world, "x", "auto", "relay.example")
        client.session.start()
        self.world.run(11.0)
        self.assertEqual(client.user.trouble, "no answer within 10 s")
        self.assertEqual(self.world.ports, {})

    def test_no_name(self) -> None:
        """A name that is none is said to be none, and one that takes too long, too."""
        for is_slow, why in ((False, "no such host"), (True, "no answer within 10 s")):
            self.world.reactor.nameResolver.is_slow = is_slow
            client = Client(self.world, "x", "auto", "nowhere.example")
            client.session.start()
            self.world.run(11.0)
            self.assertEqual(client.user.trouble, why)
        (answer,) = self.world.reactor.nameResolver.waiting
        answer()
        self.assertEqual(self.world.ports, {})

    def test_next_address(self) -> None:
        """When the first address of a name does not answer, the next one is tried."""
        names = self.world.reactor.nameResolver.names
        names["relay.example"] = ["2001:db8::99", RELAY[0]]
        client = Client(self.world, "x", "auto", "relay.example")
        client.session.start()
        self.world.run(5.0)
        self.assertIn("entered True", client.user.seen)
        self.assertEqual(list(self.world.ports), [("198.51.100.2", 40_002)])

    def test_refused(self) -> None:
        """A relay that is full says so."""
        self.world.relay.refuses = "max-connections"
        client = Client(self.world, "x", "auto", "relay.example")
        client.session.start()
        self.world.run(1.0)
        self.assertEqual(client.user.trouble, f"the server refuses: {FULL}")
        self.assertEqual(self.world.relay.counters["frames-refused"], 1)

    def test_comes_back(self) -> None:
        """After the relay was restarted a client comes back by itself."""
        alice = self.world.client("alice")
        self.world.peers.cut()
        self.world.run(3.0)
        self.assertIn("connected again", alice.user.seen)
        self.assertIn("* guest2 is now known as alice", alice.user.seen)
        self.assertEqual(alice.user.seen[-1], "entered True")
        self.assertEqual(self.world.peers.live, 1)

    def test_network_fails(self) -> None:
        """What the network refuses to send counts as lost on the way."""
        alice = self.world.client("alice")
        (port,) = self.world.ports.values()
        port.fails = True
        alice.type("x")
        self.assertGreater(alice.link.unsent, 0)
        port.fails = False
        self.world.run(3.0)
        bob = self.world.client("bob")
        alice.type("y")
        self.assertEqual(bob.user.take(), ["<alice> y"])

    def test_held(self) -> None:
        """Who types faster than the relay takes it is asked to wait."""
        alice = self.world.client("alice")
        self.world.lost = lambda own, to, data: own != RELAY
        line = "x" * 1000
        for _ in range(HIGH_WATER // 500):
            alice.session.say(line)
        self.assertTrue(alice.user.held_now)
        self.world.lost = lambda *_: False
        self.world.run(60.0)
        self.assertFalse(alice.user.held_now)

    def test_closed_early(self) -> None:
        """A client can be ended at any time, and leaves nothing behind."""
        client = Client(self.world, "x", "auto", "relay.example")
        client.session.start()
        client.session.leave()
        self.assertEqual(self.world.ports, {})
        self.world.reactor.nameResolver.is_slow = True
        client = Client(self.world, "x", "auto", "relay.example")
        client.session.start()
        client.session.leave()
        client.link.close()
        self.assertEqual(self.world.reactor.getDelayedCalls(), [])
        alice = Client(self.world, "alice", "auto", RELAY[0])
        self.world.reactor.nameResolver.is_slow = False
        alice.session.start()
        self.world.run(0.5)
        alice.session.leave()
        alice.session.leave()
        alice.link.send("nobody hears this")
        self.world.run(1.0)
        self.assertEqual((self.world.ports, self.world.peers.live), ({}, 0))

    def test_strangers(self) -> None:
        """What comes from others than the relay, or makes no sense, changes nothing."""
        alice = self.world.client("alice")
        (port,) = self.world.ports.values()
        stranger: Address = ("192.0.2.66", 66)
        sent = len(self.world.sent)
        for first in range(256):
            port.protocol.datagramReceived(bytes((first,)) * 40, stranger)
            port.protocol.datagramReceived(bytes((first,)) * 40, RELAY)
        port.protocol.datagramReceived(b"", RELAY)
        self.assertEqual(len(self.world.sent), sent)
        self.assertEqual(alice.ask("/nick anna"), ["* alice is now known as anna"])

    def test_maker(self) -> None:
        """What makes links makes those that were asked for."""
        make = udp_link(RelaySettings("relay.example", 7075, "never"))
        alice = self.world.client("alice")
        link = make(self.world.reactor, alice.session)
        self.assertEqual(link.paths.mode, "never")
