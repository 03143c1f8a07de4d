"""Direct paths, through NATs in memory."""

from __future__ import annotations

import random
from collections.abc import Callable
from heapq import heappop, heappush

from hypothesis import example, given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netsvc.relay.channel import HEADER, NEVER, PING
from netsvc.relay.direct import MAX_CANDIDATES, NUMBERS, DirectPath, name_of
from netsvc.relay.introductions import Address, Introduction
from netsvc.relay.sealing import Seal
from tests.relay.kit import chance

NAME, KEY = b"12345678", b"k" * 32
PUBLIC: tuple[Address, Address] = (("198.51.100.1", 1000), ("198.51.100.2", 2000))


class Nat:
    """
    A NAT whose filter depends on address and port, as most do (RFC 4787).

    @ivar kind: C{none}, C{cone} or C{symmetric}.
    @ivar public: Where it shows its machine to the relay.
    """

    def __init__(self, kind: str, public: Address) -> None:
        """Begin."""
        self.kind, self.public = kind, public
        self._shown: dict[Address, Address] = {}
        self._allowed: set[tuple[Address, Address]] = set()

    def out(self, to: Address) -> Address:
        """Give where something that goes out seems to come from."""
        shown = self.public
        if self.kind == "symmetric":
            host, port = shown
            shown = self._shown.setdefault(to, (host, port + 1 + len(self._shown)))
        self._allowed.add((shown, to))
        return shown

    def lets_in(self, to: Address, own: Address) -> bool:
        """Say whether something that comes gets in."""
        if self.kind == "none":
            return to == self.public
        return (to, own) in self._allowed


class Pair:
    """Two sides and what is between them."""

    def __init__(
        self, one: str = "none", two: str = "none", seed: int = 0, loss: float = 0.0
    ) -> None:
        """Introduce them."""
        self.now = 0.0
        self.loss = loss
        self.nats = [Nat(one, PUBLIC[0]), Nat(two, PUBLIC[1])]
        self.paths = [path(0), path(1)]
        self.said: list[list[bytes]] = [[], []]
        self.lost: Callable[[int, bytes], bool] = lambda side, data: False
        self._random = random.Random(seed)
        self._way: list[tuple[float, int, int, Address, Address, bytes]] = []
        self.count = 0

    def step(self) -> bool:
        """Let the next thing happen."""
        for side, end in enumerate(self.paths):
            for data, to in end.datagrams(self.now):
                own = self.nats[side].out(to)
                self.count += 1
                if self._random.random() >= self.loss and not self.lost(side, data):
                    when = self.now + 0.02
                    heappush(self._way, (when, self.count, 1 - side, own, to, data))
        when = min(end.next_at() for end in self.paths)
        when = min(when, self._way[0][0]) if self._way else when
        if when == NEVER:
            return False
        self.now = max(self.now, when)
        while self._way and self._way[0][0] <= self.now:
            _, _, side, own, to, data = heappop(self._way)
            if self.nats[side].lets_in(to, own):
                end = self.paths[side]
                end.receive(data, own, self.now)
                self.said[side] += end.messages
                end.messages = []
        return True

    def run(self, seconds: float) -> None:
        """Let time go by."""
        end = self.now + seconds
        while self.now < end and self.step():
            pass


def path(role: int, addresses: tuple[Address, ...] = ()) -> DirectPath:
    """Make one side."""
    told = Introduction(NAME, role, KEY, "x", addresses or (PUBLIC[1 - role],))
    return DirectPath(told, Seal(KEY, NAME, role), 0.0, chance(role))


class PunchTests(SynchronousTestCase):
    """Coming about."""

    def test_matrix(self) -> None:
        """A path comes about but where a symmetric NAT meets a NAT."""
        for one in ("none", "cone", "symmetric"):
            for two in ("none", "cone", "symmetric"):
                pair = Pair(one, two)
                pair.run(5.0)
                works = "none" in (one, two) or "symmetric" not in (one, two)
                for side in pair.paths:
                    self.assertEqual(side.is_open, works, (one, two, side.ended))
                    if not works:
                        self.assertIn("no answer to 3", side.ended or "")
                        self.assertEqual(side.next_at(), NEVER)

    @settings(max_examples=30, deadline=None)
    @given(st.integers(0, 2**32), st.floats(0, 0.3))
    @example(9, 0.25)
    def test_loss(self, seed: int, loss: float) -> None:
        """With loss it comes about too, and all messages arrive once and in order."""
        pair = Pair("cone", "cone", seed, loss)
        pair.run(2.5)
        for side in (0, 1):
            self.assertTrue(pair.paths[side].is_open, pair.paths[side].ended)
            for number in range(20):
                pair.paths[side].send(b"%d" % number)
        pair.run(20.0)
        for side in (0, 1):
            end = pair.paths[side]
            wanted = [b"%d" % number for number in range(20)]
            got, left = pair.said[1 - side], end.left()
            self.assertEqual(got, wanted[: len(got)])
            if end.ended is None:
                self.assertEqual((got, left), (wanted, []))
            else:
                # What may not have arrived goes by the relay.
                self.assertEqual(left[-1:] or got[-1:], [b"19"])
                self.assertGreaterEqual(len(got) + len(left), 20)

    def test_one_way(self) -> None:
        """Who is heard but does not hear is not spoken to, and it is said so."""
        pair = Pair()
        pair.lost = lambda side, data: side == 0
        pair.run(5.0)
        self.assertFalse(pair.paths[0].is_open or pair.paths[1].is_open)
        self.assertTrue(pair.paths[0].was_heard)
        self.assertIn("(they are heard, but do not hear us)", pair.paths[0].ended or "")

    def test_last_punch_lost(self) -> None:
        """Packets confirm a path as well, where the punch that did so is lost."""
        pair = Pair()
        dropped: list[bytes] = []

        def lost(side: int, data: bytes) -> bool:
            if side == 1 and pair.paths[1].is_open and len(dropped) < 3:
                dropped.append(data)
                return True
            return False

        pair.lost = lost
        pair.run(3.0)
        self.assertTrue(pair.paths[0].is_open)
        self.assertEqual(len(dropped), 3)

    def test_quiet(self) -> None:
        """Once it is confirmed there are no more punches, only keepalives."""
        pair = Pair("cone", "cone")
        pair.run(1.0)
        before = pair.count
        pair.run(60.0)
        self.assertLess(pair.count - before, 40)
        self.assertTrue(pair.paths[0].is_open and pair.paths[1].is_open)
        self.assertGreater(pair.paths[0].heard_at, 40.0)
        self.assertLess(abs((pair.paths[0].round_trip or 0.04) - 0.04), 0.02)


class EndTests(SynchronousTestCase):
    """Ending."""

    def setUp(self) -> None:
        """Open a path."""
        self.pair = Pair("cone", "cone")
        self.pair.run(1.0)
        self.one, self.two = self.pair.paths

    def test_lost(self) -> None:
        """A path on which nothing comes back is lost soon, with what did not arrive."""
        self.one.send(b"before")
        self.pair.run(0.5)
        self.pair.loss = 1.0
        self.one.send(b"a")
        self.one.send(b"b")
        begun = self.pair.now
        while self.one.is_open:
            self.pair.step()
        self.assertLess(self.pair.now - begun, 3.5)
        self.assertEqual(self.one.ended, "lost: no answer for 3 s")
        self.assertEqual(self.one.left(), [b"a", b"b"])
        self.assertEqual(self.pair.said[1], [b"before"])

    def test_silence(self) -> None:
        """A path that is silent is lost on both sides after a while."""
        self.pair.loss = 1.0
        self.pair.run(60.0)
        self.assertFalse(self.one.is_open or self.two.is_open)

    def test_close(self) -> None:
        """The other side is told of the end."""
        self.one.close("enough")
        self.one.close("again")
        self.pair.run(0.5)
        self.assertEqual(self.one.ended, "enough")
        self.assertEqual(self.two.ended, "the other side has ended it")
        early = path(0)
        early.close("enough")
        self.assertEqual(early.datagrams(0.0), [])

    def test_numbers(self) -> None:
        """It ends before a number is used twice."""
        self.one._number = NUMBERS - 1
        self.one.send(b"x")
        self.pair.run(0.1)
        self.assertEqual(self.one.ended, "all numbers are used up")

    def test_moved(self) -> None:
        """Another address of the other side is used once it is confirmed."""
        nat = self.pair.nats[0]
        self.pair.nats[1].kind = "none"
        nat.public = ("198.51.100.1", 7777)
        self.one.send(b"from elsewhere")
        self.pair.run(1.0)
        self.assertEqual(self.two.address, nat.public)
        self.assertEqual(self.pair.said[1], [b"from elsewhere"])
        self.two.send(b"heard")
        self.pair.run(1.0)
        self.assertEqual(self.pair.said[0], [b"heard"])


class HostileTests(SynchronousTestCase):
    """What others send."""

    def setUp(self) -> None:
        """Open a path, and keep what is sent on it."""
        self.pair = Pair()
        self.kept: list[tuple[int, bytes]] = []

        def keep(side: int, data: bytes) -> bool:
            self.kept.append((side, data))
            return False

        self.pair.lost = keep
        self.pair.run(1.0)
        self.one, self.two = self.pair.paths
        self.stranger: Address = ("192.0.2.66", 666)

    def test_forged(self) -> None:
        """What nobody who has the key has made is ignored, counted, not answered."""
        self.one.datagrams(self.pair.now)
        chances = random.Random(1)
        for number in range(2000):
            head = b"\x06" + NAME + (10**6 + number).to_bytes(8, "big")
            self.one.receive(head + chances.randbytes(30), self.stranger, 1.0)
        self.one.receive(b"", self.stranger, 1.0)
        self.one.receive(b"\x06" + b"x" * 16, self.stranger, 1.0)
        self.assertEqual(self.one.ignored, {"forged": 2000, "junk": 2})
        self.assertEqual(self.one.datagrams(self.pair.now), [])
        self.assertTrue(self.one.is_open)

    def test_replayed(self) -> None:
        """What has come before is ignored, from wherever it comes again."""
        sealed = [data for side, data in self.kept if side == 1]
        for data in sealed:
            self.assertFalse(self.one.receive(data, self.stranger, 1.0))
        self.assertEqual(self.one.ignored["replayed"], len(sealed))
        self.assertEqual(self.one.address, PUBLIC[1])

    def test_overtaken(self) -> None:
        """Who catches a datagram and sends it on from elsewhere gains nothing."""
        self.pair.lost = lambda side, data: False
        self.two.send(b"secret")
        ((data, _),) = self.two.datagrams(self.pair.now)
        self.assertTrue(self.one.receive(data, self.stranger, self.pair.now))
        out = self.one.datagrams(self.pair.now)
        # A punch to see who is there; all else goes where it went.
        self.assertEqual([to for _, to in out].count(self.stranger), 1)
        self.assertEqual(self.one.address, PUBLIC[1])

    def punch(self, number: int, data: bytes) -> bytes:
        """Seal something as the other side."""
        head = b"\x06" + NAME + number.to_bytes(8, "big")
        return head + Seal(KEY, NAME, 1).seal(number, head, data)

    def test_victim(self) -> None:
        """
        Whoever was introduced and forges a victim's address has it sent no more than
        they send, and cannot have it taken for theirs.
        """
        one, now, sent = path(0), 0.0, 0
        one.receive(self.punch(0, b"\x01" + b"mine" + bytes(4)), self.stranger, now)
        for number in range(1, 4):
            carried = b"\x02" + HEADER.pack(PING, 0, 0, 0)
            one.receive(self.punch(number, carried), self.stranger, now)
        while one.ended is None:
            sent += sum(to == self.stranger for _, to in one.datagrams(now))
            now += 0.05
        self.assertIsNone(one.confirmed_at)
        self.assertLessEqual(sent, 4)

    def test_candidates(self) -> None:
        """The addresses that are tried are bounded."""
        for number in range(100):
            self.two.send(b"x")
            self.pair.now += 0.001
            for data, _ in self.two.datagrams(self.pair.now):
                self.one.receive(data, ("192.0.2.1", number), self.pair.now)
        self.assertEqual(len(self.one._candidates), MAX_CANDIDATES)
        punch = bytes((1,)) + bytes(8)
        head = b"\x06" + NAME + (10**6).to_bytes(8, "big")
        sealed = Seal(KEY, NAME, 1).seal(10**6, head, punch)
        self.one.receive(head + sealed, self.stranger, self.pair.now)
        self.assertEqual(len(self.one._candidates), MAX_CANDIDATES)

    def test_nonsense(self) -> None:
        """Nonsense of the other side is counted."""
        seal = Seal(KEY, NAME, 1)
        for number, data in enumerate((b"\x09", b"\x01short", b"\x02junk"), 10**6):
            head = b"\x06" + NAME + number.to_bytes(8, "big")
            sealed = seal.seal(number, head, data)
            self.assertTrue(self.one.receive(head + sealed, PUBLIC[1], 1.0))
        self.assertEqual(self.one.ignored["junk"], 2)

    def test_after_end(self) -> None:
        """A path that has ended takes nothing."""
        self.one.close("enough")
        self.assertFalse(self.one.receive(self.kept[0][1], PUBLIC[1], 1.0))

    def test_names(self) -> None:
        """Only a datagram of a direct path has a name."""
        self.assertEqual(name_of(b"\x06" + NAME + bytes(8)), NAME)
        self.assertIsNone(name_of(b"\x05" + NAME + bytes(8)))
        self.assertIsNone(name_of(b"\x06" + NAME))
