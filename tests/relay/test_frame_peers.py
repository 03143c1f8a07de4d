"""The relay's side of the frames, against clients that a test plays by hand."""

from __future__ import annotations

import random
from typing import Any

from twisted.internet import defer
from twisted.trial.unittest import SynchronousTestCase

from netsvc.relay.channel import END, MESSAGE, TEXT, Channel
from netsvc.relay.frame_peer import HIGH_WATER, LINGER
from netsvc.relay.frames import (
    Challenge,
    Frame,
    Gone,
    Hello,
    Packet,
    Welcome,
    decode,
    encode,
)
from netsvc.relay.introductions import Address, Ask, Introduction
from netsvc.relay.introductions import decode as read_notice
from netsvc.relay.introductions import encode as write_notice
from tests.chat.line.kit import Bans
from tests.relay.kit import World

ONE: Address = ("192.0.2.1", 1111)
TWO: Address = ("192.0.2.2", 2222)


class Hand:
    """A client without a machine: the test sends each datagram."""

    def __init__(self, world: World, address: Address, nonce: bytes) -> None:
        """Begin with nothing."""
        self.world, self.address, self.nonce = world, address, nonce
        self.channel = Channel(0.0)
        self.name = self.resume = b""
        self._next = 0
        self.has_ended = False

    def send(self, frame: Frame, address: Address | None = None) -> list[Frame | None]:
        """Send a frame; give what comes back to that address."""
        return self.raw(encode(frame), address)

    def raw(self, data: bytes, address: Address | None = None) -> list[Frame | None]:
        """Send bytes."""
        world = self.world
        begun = len(world.sent)
        to = address or self.address
        world.peers.datagram(data, to, world.reactor.seconds())
        world.run(0.01)
        return [decode(data) for _, each, data in world.sent[begun:] if each == to]

    def enter(self) -> Hand:
        """Get in, and take what one is told then."""
        (challenge,) = self.send(Hello(self.nonce))
        assert isinstance(challenge, Challenge)
        welcome, *packets = self.send(Hello(self.nonce, challenge.token))
        assert isinstance(welcome, Welcome)
        self.name, self.resume = welcome.session, welcome.resume
        self.take(packets)
        return self

    def take(self, frames: list[Frame | None]) -> None:
        """Take packets."""
        now = self.world.reactor.seconds()
        for frame in frames:
            if isinstance(frame, Packet):
                self.channel.receive(frame.data, now)

    def talk(self, *lines: str) -> list[str]:
        """Type lines, and give what is seen then."""
        for line in lines:
            self.channel.write(f"{line}\n".encode())
        return self.exchange()

    def exchange(self) -> list[str]:
        """Send and take what there is, and give the lines that came."""
        lines: list[str] = []
        self.notices: list[Any] = []
        for _ in range(20):
            self.mail()
            lines += self._read()
            packets = self.channel.packets(self.world.reactor.seconds())
            for data in packets:
                self.send(Packet(self.name, data))
            if not packets:
                return lines
        raise AssertionError("it never ends")

    def mail(self) -> None:
        """Take what was sent here since the last time."""
        begun, self._next = self._next, len(self.world.sent)
        sent = self.world.sent[begun:]
        self.take([decode(data) for _, to, data in sent if to == self.address])

    def _read(self) -> list[str]:
        events = list(self.channel.events())
        self.notices += [read_notice(data) for kind, data in events if kind == MESSAGE]
        self.has_ended = self.has_ended or any(kind == END for kind, _ in events)
        text = b"".join(data for kind, data in events if kind == TEXT)
        return text.decode().split("\r\n")[:-1]

    @property
    def session(self) -> Any:
        """The session of this client at the relay."""
        return self.world.peers._by_name[self.name].session


class Case(SynchronousTestCase):
    """A relay."""

    def setUp(self) -> None:
        """Make it."""
        self.world = World()
        self.peers, self.relay = self.world.peers, self.world.relay
        self.one = Hand(self.world, ONE, b"1" * 8)
        self.two = Hand(self.world, TWO, b"2" * 8)

    def count(self, name: str) -> int:
        """Give a counter."""
        return self.relay.counters[f"frames-{name}"]


class AdmissionTests(Case):
    """Who gets in."""

    def test_challenge(self) -> None:
        """An address that has proved nothing gets a small challenge, and no session."""
        for number in range(10):
            (answer,) = self.one.send(Hello(number.to_bytes(8, "big")))
            assert isinstance(answer, Challenge)
        self.assertEqual((self.peers.live, self.count("challenges")), (0, 10))
        received = sum(len(encode(Hello(bytes(8)))) for _ in range(10))
        self.assertLess(sum(len(data) for *_, data in self.world.sent), received)

    def test_forged(self) -> None:
        """A token that was sent to another address is none."""
        (challenge,) = self.one.send(Hello(self.one.nonce))
        assert isinstance(challenge, Challenge)
        (answer,) = self.two.send(Hello(self.two.nonce, challenge.token))
        self.assertIsInstance(answer, Challenge)
        self.assertEqual(self.peers.live, 0)

    def test_budget(self) -> None:
        """Strangers are answered within the relay's budget only."""
        self.relay.answers = False
        self.assertEqual(self.one.send(Hello(self.one.nonce)), [])
        self.assertEqual(self.one.send(Packet(b"x" * 8, bytes(13))), [])

    def test_in(self) -> None:
        """Who gives the token back is greeted, behind the welcome."""
        self.one.enter()
        lines = self.one.exchange()
        self.assertIn("* guest1 has joined #lobby", lines)
        self.assertEqual((self.peers.live, self.count("sessions")), (1, 1))
        self.assertEqual(self.one.session.me.person.frontend, "udp")

    def test_welcome_lost(self) -> None:
        """A welcome that was lost is said again, and there is one session."""
        self.one.enter()
        cookie = self.relay.tokens.cookie(*ONE, 0.0)
        (welcome, *_) = self.one.send(Hello(self.one.nonce, bytes.fromhex(cookie)))
        assert isinstance(welcome, Welcome)
        self.assertEqual((welcome.session, self.peers.live), (self.one.name, 1))

    def test_another(self) -> None:
        """Another client at the same address takes the place of the one before."""
        self.one.enter()
        other = Hand(self.world, ONE, b"9" * 8).enter()
        self.assertEqual(self.peers.live, 1)
        self.assertEqual(self.relay.admitted, [ONE[0]])
        self.assertEqual(
            self.one.send(Packet(self.one.name, bytes(13))), [Gone(self.one.name)]
        )
        self.assertIn("guest", other.session.me.nick)

    def test_banned(self) -> None:
        """Who is banned is told so, and is not there then."""
        bans: Any = Bans(**{"192_0_2_1": "spam"})
        self.world.chat.network.bans = bans
        self.one.enter()
        (line,) = self.one.exchange()
        self.assertEqual(line, "! you are banned from this server: spam")
        self.one.exchange()
        self.assertEqual(self.peers.live, 0)

    def test_random(self) -> None:
        """No datagram whatever raises, makes a session, or is answered with more."""
        chance = random.Random(11)
        received = 0
        for number in range(20_000):
            size = chance.randrange(200)
            data = bytes((5, chance.randrange(8))) + chance.randbytes(size)
            received += len(data)
            self.peers.datagram(data, (f"192.0.2.{number % 250}", number), 1.0)
        self.assertEqual(self.peers.live, 0)
        self.assertLess(sum(len(data) for *_, data in self.world.sent), received)
        self.assertGreater(self.count("junk"), 0)


class SessionTests(Case):
    """Sessions."""

    def setUp(self) -> None:
        """Let both in."""
        super().setUp()
        self.one.enter().exchange()
        self.two.enter().exchange()
        self.one.exchange()

    def test_talk(self) -> None:
        """What one says the others hear, in one datagram where it fits."""
        self.assertEqual(self.one.talk("hello", "there"), [])
        self.assertEqual(self.two.exchange(), ["<guest1> hello", "<guest1> there"])

    def test_heard(self) -> None:
        """The others are sent it at once, and again until they have it."""
        self.world.run(1.0)
        begun = len(self.world.sent)
        self.one.talk("hello")
        self.world.run(3.0)
        sent = [data for _, to, data in self.world.sent[begun:] if to == TWO]
        self.assertGreater(len(sent), 1)
        self.assertTrue(all(b"<guest1> hello" in data for data in sent))
        self.assertEqual(self.two.exchange(), ["<guest1> hello"])
        begun = len(self.world.sent)
        self.world.run(3.0)
        self.assertFalse([1 for _, to, _ in self.world.sent[begun:] if to == TWO])

    def test_moved(self) -> None:
        """A session moves when its new address is proved, with the resume token."""
        new: Address = ("192.0.2.77", 7)
        packet = Packet(self.one.name, self.packet())
        (challenge,) = self.one.send(packet, new)
        assert isinstance(challenge, Challenge)
        self.assertEqual(challenge.nonce, self.one.name)
        for resume, name in ((b"x" * 16, self.one.name), (self.one.resume, b"x" * 8)):
            answer = self.one.send(Hello(name, challenge.token, resume), new)
            self.assertEqual(answer, [Gone(name)])
        hello = Hello(self.one.name, challenge.token, self.one.resume)
        welcome, *_ = self.one.send(hello, new)
        assert isinstance(welcome, Welcome)
        self.assertEqual(welcome.session, self.one.name)
        self.assertEqual((self.peers.live, self.count("moved")), (2, 1))
        self.one.address = new
        self.assertEqual(self.one.talk("/nick anna"), ["* guest1 is now known as anna"])
        # Again, from where it is already.
        self.one.send(hello)
        self.assertEqual(self.count("moved"), 1)

    def packet(self) -> bytes:
        """Give a packet of the first one's channel."""
        self.one.channel.ask()
        return self.one.channel.packets(self.world.reactor.seconds())[0]

    def test_moved_onto(self) -> None:
        """Who moves to an address where somebody was takes their place."""
        (challenge,) = self.one.send(Packet(self.one.name, self.packet()), TWO)
        assert isinstance(challenge, Challenge)
        self.one.send(Hello(self.one.name, challenge.token, self.one.resume), TWO)
        self.assertEqual(self.peers.live, 1)
        self.assertEqual(self.relay.admitted, [ONE[0]])

    def test_unproved(self) -> None:
        """From an address that is not proved nothing is taken."""
        self.one.channel.write(b"/quit\n")
        for data in self.one.channel.packets(self.world.reactor.seconds()):
            self.one.send(Packet(self.one.name, data), ("192.0.2.66", 6))
        self.one.send(Gone(self.one.name), ("192.0.2.66", 6))
        self.assertEqual(self.peers.live, 2)

    def test_gone(self) -> None:
        """A client that says that it is gone is gone."""
        self.one.send(Gone(self.one.name))
        self.assertEqual(self.peers.live, 1)
        self.one.send(Gone(b"x" * 8))
        self.two.exchange()
        self.world.run(1.0)
        member = self.world.chat.hub.state.members.get("guest1")
        self.assertIsNone(member)

    def test_quit(self) -> None:
        """Who leaves is told so, and when that has arrived all is over."""
        self.assertEqual(self.one.talk("/quit"), ["* goodbye"])
        self.assertTrue(self.one.has_ended)
        self.one.exchange()
        self.assertEqual((self.peers.live, self.relay.admitted), (1, [TWO[0]]))

    def test_quit_unheard(self) -> None:
        """A goodbye that nobody acknowledges is not waited for long."""
        self.one.channel.write(b"/quit\n")
        for data in self.one.channel.packets(self.world.reactor.seconds()):
            self.one.send(Packet(self.one.name, data))
        self.assertEqual(self.peers.live, 2)
        self.world.run(LINGER + 0.1)
        self.assertEqual(self.peers.live, 1)

    def test_end(self) -> None:
        """A client may end its side of the channel."""
        self.one.channel.write(b"last\n")
        self.one.channel.finish()
        self.one.exchange()
        self.assertTrue(self.one.has_ended)
        self.assertEqual(self.two.exchange()[0], "<guest1> last")
        self.assertEqual(self.peers.live, 1)

    def test_impatient(self) -> None:
        """Who answers is not silent, however short the time for that is."""
        self.relay.peer_timeout = 3.0
        client = self.world.client("zed")
        self.world.run(30.0)
        self.assertIn("* in #lobby", client.ask("/who")[0])

    def test_silent(self) -> None:
        """A peer that is silent for too long is gone."""
        self.world.run(self.relay.peer_timeout + 1)
        self.assertEqual(self.peers.live, 0)
        self.assertEqual(self.relay.admitted, [])
        self.world.run(2.0)
        self.assertEqual(self.world.reactor.getDelayedCalls(), [])

    def test_slow(self) -> None:
        """Who does not take what is sent is cut when too much waits."""
        limit = self.relay.line_options.send_queue
        peer = self.peers._by_name[self.one.name]
        self.one.session.show("x" * (HIGH_WATER * 2))
        self.assertIn(self.one.session, self.peers.frontend.paused)
        self.one.session.show("x" * limit)
        self.world.run(0.1)
        self.assertEqual(self.peers.live, 1)
        self.assertEqual(self.world.chat.counters["line-send-queue"], 1)
        peer.write(b"nobody")
        peer.go_on()
        peer.lost("again")

    def test_fast_again(self) -> None:
        """Who has taken it is not slow any more."""
        self.one.session.show("x" * (HIGH_WATER * 2))
        for _ in range(60):
            self.world.run(0.1)
            self.one.exchange()
        self.assertEqual(self.peers.frontend.paused, set())

    def test_work(self) -> None:
        """A command that takes time makes the next line wait, and nothing is lost."""
        waiting: Any = defer.Deferred()
        self.world.chat.memory.wait = waiting
        self.one.talk("/history", "/nick later")
        peer = self.peers._by_name[self.one.name]
        self.assertTrue(peer.channel.held)
        waiting.callback(None)
        self.world.run(20.0)
        self.assertFalse(peer.channel.held)
        self.assertEqual(self.one.session.me.nick, "later")

    def test_work_left(self) -> None:
        """Work of somebody who has gone is ended, and waits for nobody."""
        waiting: Any = defer.Deferred()
        self.world.chat.memory.wait = waiting
        self.one.talk("/history", "x")
        peer = self.peers._by_name[self.one.name]
        self.one.send(Gone(self.one.name))
        peer.release()
        self.world.run(1.0)
        self.assertEqual(self.peers.live, 1)

    def test_mistake(self) -> None:
        """A mistake of ours is reported, and the session goes on."""

        def wrong(session: Any, nick: str) -> str:
            raise RuntimeError("ours")

        self.relay.introducer.request = wrong  # type: ignore[method-assign]
        self.one.channel.message(write_notice(Ask("guest2")))
        self.one.exchange()
        (notice,) = self.one.notices
        self.assertEqual(
            getattr(notice, "text", ""), "something went wrong, and was reported"
        )
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)

    def test_nonsense(self) -> None:
        """Notices that make no sense are ignored and counted; so are too many."""
        self.one.channel.message(b"nonsense")
        for _ in range(25):
            self.one.channel.message(write_notice(Ask("guest2")))
        for _ in range(5):
            self.one.exchange()
        self.assertGreaterEqual(self.count("junk"), 5)
        before = self.count("junk")
        self.one.send(Packet(self.one.name, b"junk"))
        self.assertEqual(self.count("junk"), before + 1)

    def test_introduced(self) -> None:
        """Both who have asked are told where the other one is, and the same key."""
        found = []
        for hand, nick in ((self.one, "guest2"), (self.two, "guest1")):
            hand.channel.message(write_notice(Ask(nick)))
            hand.exchange()
        for hand in (self.one, self.two):
            found += [n for n in hand.notices if isinstance(n, Introduction)]
            hand.exchange()
            found += [n for n in hand.notices if isinstance(n, Introduction)]
        told = {each.nick: each for each in found}
        self.assertEqual(told["guest2"].addresses, (TWO,))
        self.assertEqual(told["guest1"].addresses, (ONE,))
        self.assertEqual(told["guest1"].key, told["guest2"].key)
        self.assertEqual(sorted(each.role for each in found), [0, 1])

    def test_closing(self) -> None:
        """Who is leaving is introduced to nobody."""
        self.one.channel.write(b"/quit\n")
        self.one.channel.message(write_notice(Ask("guest2")))
        self.one.exchange()
        self.assertEqual(self.relay.introducer.rules.counters.total(), 0)

    def test_stop(self) -> None:
        """At the end all are told, and who does not hear it is cut."""
        self.peers.stop("The server is stopping")
        self.assertEqual(self.peers.live, 2)
        self.assertEqual(self.one.exchange()[-1], "! The server is stopping")
        self.one.exchange()
        self.peers.cut()
        self.assertEqual((self.peers.live, self.world.sent[-1][1]), (0, TWO))
        self.assertEqual(self.relay.admitted, [])
        self.assertEqual(self.world.reactor.getDelayedCalls(), [])
        self.peers.cut()
