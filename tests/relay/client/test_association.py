"""The client's end of a session, against a relay that a test plays."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from netsvc.relay.channel import END, MESSAGE, NEVER, TEXT, Channel
from netsvc.relay.client.association import HELLO_TIMEOUT, Association
from netsvc.relay.frames import (
    NO_TOKEN,
    Challenge,
    Frame,
    Gone,
    Hello,
    Packet,
    Refused,
    Welcome,
    decode,
    encode,
)
from tests.relay.kit import chance

TOKEN, SESSION, RESUME = b"t" * 16, b"s" * 8, b"r" * 16


class Case(SynchronousTestCase):
    """An association that has not said hello yet."""

    def setUp(self) -> None:
        """Begin."""
        self.end = Association(0.0, chance())
        self.channel = Channel(0.0)

    def said(self, now: float) -> list[Frame | None]:
        """Give what it sends."""
        return [decode(data) for data in self.end.datagrams(now)]

    def tell(self, frame: Frame, now: float = 0.0) -> None:
        """Send it a frame."""
        self.end.receive(encode(frame), now)

    def hello(self, now: float = 0.0) -> Hello:
        """Give the hello that it sends now."""
        (hello,) = self.said(now)
        assert isinstance(hello, Hello)
        return hello

    def enter(self) -> None:
        """Welcome it."""
        first = self.hello()
        self.tell(Challenge(first.nonce, TOKEN))
        self.hello()
        self.tell(Welcome(first.nonce, SESSION, RESUME, 7076))
        self.said(0.0)


class HelloTests(Case):
    """Getting in."""

    def test_in(self) -> None:
        """It gives the token back that it is sent, and has a session then."""
        first = self.hello()
        self.assertEqual((first.token, first.resume), (NO_TOKEN, NO_TOKEN))
        self.assertFalse(self.end.is_open)
        self.tell(Challenge(first.nonce, TOKEN))
        self.tell(Challenge(first.nonce, TOKEN))
        second = self.hello()
        self.assertEqual((second.nonce, second.token), (first.nonce, TOKEN))
        self.tell(Welcome(first.nonce, SESSION, RESUME, 7076))
        self.assertTrue(self.end.is_open)
        self.assertEqual(self.end.alternate, 7076)
        (packet,) = self.said(0.0)
        assert isinstance(packet, Packet)
        self.assertEqual(packet.session, SESSION)

    def test_again(self) -> None:
        """It says hello again with growing pauses, and gives up then."""
        times, now = [], 0.0
        while self.end.ended is None:
            times += [now] * len(self.said(now))
            now = max(now, self.end.next_at())
        self.assertEqual(times[:4], [0.0, 0.25, 0.75, 1.75])
        self.assertLess(len(times), 12)
        self.assertEqual(self.end.ended, f"no answer within {HELLO_TIMEOUT:g} s")
        self.assertEqual((self.end.next_at(), self.said(99.0)), (NEVER, []))

    def test_refused(self) -> None:
        """A refusal is the end, in words that are safe to show."""
        first = self.hello()
        self.tell(Refused(first.nonce, "no \x1b[31mroom"))
        self.assertEqual(self.end.ended, "the server refuses: no ^[[31mroom")

    def test_forged(self) -> None:
        """What does not know the attempt's name does nothing."""
        self.hello()
        for frame in (
            Challenge(bytes(8), TOKEN),
            Welcome(bytes(8), SESSION, RESUME),
            Refused(bytes(8), "no"),
            Gone(b""),
            Gone(bytes(8)),
            Packet(bytes(8), b"x"),
            Packet(b"", b"x" * 20),
        ):
            self.tell(frame)
            self.end.receive(b"\x05junk", 0.0)
        self.assertIsNone(self.end.ended)
        self.assertFalse(self.end.is_open)
        self.end.write(b"x")
        self.end.message(b"x")
        self.assertEqual(list(self.end.events()), [])
        self.assertEqual(self.end.waiting, 0)


class SessionTests(Case):
    """Once there is a session."""

    def setUp(self) -> None:
        """Get in."""
        super().setUp()
        self.enter()

    def test_lines(self) -> None:
        """Lines and messages go both ways."""
        self.channel.write(b"hello\n")
        self.channel.message(b"m")
        self.channel.finish()
        for data in self.channel.packets(0.1):
            self.tell(Packet(SESSION, data), 0.1)
        self.assertEqual(
            list(self.end.events()), [(TEXT, b"hello\n"), (MESSAGE, b"m"), (END, b"")]
        )
        self.end.write(b"x" * 40_000)
        self.end.message(b"n")
        for frame in self.said(0.2):
            assert isinstance(frame, Packet)
            self.channel.receive(frame.data, 0.2)
        self.assertEqual(len(list(self.channel.events())), 10)
        self.assertGreater(self.end.waiting, 0)

    def test_moved(self) -> None:
        """When its address has changed, it proves the new one, and goes on."""
        self.end.write(b"lost\n")
        (lost,) = self.said(1.0)
        self.tell(Challenge(SESSION, b"T" * 16), 1.1)
        (hello,) = self.said(1.1)
        self.assertEqual(hello, Hello(SESSION, b"T" * 16, RESUME))
        self.assertEqual(self.end.moves, 1)
        self.tell(Welcome(SESSION, SESSION, RESUME), 1.2)
        self.assertEqual(self.said(1.2), [lost])

    def test_never_fits(self) -> None:
        """Challenges that never end are not answered without end."""
        sent = 0
        for number in range(1000):
            self.tell(Challenge(SESSION, number.to_bytes(16, "big")), number / 1000)
            sent += sum(isinstance(f, Hello) for f in self.said(number / 1000))
        self.assertLessEqual(sent, 11)
        end = self.end = Association(0.0, chance())
        nonce = self.hello().nonce
        for number in range(1, 1000):
            self.tell(Challenge(nonce, number.to_bytes(16, "big")), number / 1000)
            sent += len(self.said(number / 1000))
        self.assertLessEqual(sent, 16)
        self.assertIsNone(end.ended)

    def test_gone(self) -> None:
        """When the relay knows nothing of it any more, it is over."""
        self.tell(Gone(b"x" * 8))
        self.assertTrue(self.end.is_open)
        self.tell(Refused(SESSION, "no"))
        self.tell(Welcome(b"x" * 8, SESSION, RESUME))
        self.tell(Challenge(b"x" * 8, TOKEN))
        self.assertTrue(self.end.is_open)
        self.tell(Gone(SESSION))
        self.assertEqual(
            self.end.ended, "the server knows nothing of this session any more"
        )
        self.tell(Gone(SESSION))
        self.assertEqual(self.said(5.0), [])

    def test_close(self) -> None:
        """When it is closed the relay is told, once."""
        self.end.close()
        self.end.close()
        self.assertEqual(self.said(1.0), [Gone(SESSION)])
        self.assertEqual(self.said(1.0), [])
        early = Association(0.0, chance())
        early.close()
        self.assertEqual(early.datagrams(0.0), [])

    def test_silence(self) -> None:
        """A relay that is not there any more is noticed."""
        now = 0.0
        while self.end.ended is None:
            now = max(now, self.end.next_at())
            self.end.datagrams(now)
        self.assertEqual(self.end.ended, "no answer for 30 s")
