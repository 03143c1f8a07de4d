"""What STUN tells of the own NAT."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from netsvc.relay import stun
from netsvc.relay.channel import NEVER
from netsvc.relay.client.mapping import TRIES, WAIT, Mapping
from netsvc.relay.introductions import Address
from tests.relay.kit import RELAY, SECOND, chance

HERE: Address = ("198.51.100.9", 4000)
THERE: Address = ("198.51.100.9", 4001)


def answer(question: bytes, seen: Address) -> bytes:
    """Answer as a server does that sees a client there."""
    transaction = stun.parse(question).transaction
    value = stun.xor_address(seen, transaction)
    return stun.message(
        stun.SUCCESS, transaction, stun.attribute(stun.XOR_MAPPED_ADDRESS, value)
    )


class MappingTests(SynchronousTestCase):
    """Asking."""

    def setUp(self) -> None:
        """Know nothing."""
        self.mapping = Mapping(chance())

    def learn(self, *seen: Address) -> None:
        """Ask, and be answered by as many ports."""
        self.mapping.ask(RELAY, SECOND if len(seen) > 1 else 0, 0.0)
        questions = self.mapping.datagrams(0.0)
        self.assertEqual(
            [where for _, where in questions],
            [RELAY, (RELAY[0], SECOND)][: len(seen)],
        )
        for (question, _), each in zip(questions, seen, strict=True):
            self.assertTrue(self.mapping.receive(answer(question, each)))

    def test_cone(self) -> None:
        """A NAT that shows both ports the same address is not symmetric."""
        self.learn(HERE, HERE)
        self.assertIs(self.mapping.is_symmetric, False)
        self.assertEqual(
            self.mapping.words(), "you are seen at 198.51.100.9:4000, by all alike"
        )
        self.assertEqual(self.mapping.datagrams(1.0), [])
        self.assertEqual(self.mapping.next_at(), NEVER)
        self.mapping.again(2.0)
        self.assertEqual(self.mapping.next_at(), NEVER)

    def test_symmetric(self) -> None:
        """A NAT that shows them different addresses is."""
        self.learn(HERE, THERE)
        self.assertIs(self.mapping.is_symmetric, True)
        self.assertEqual(
            self.mapping.words(),
            "your NAT is symmetric (198.51.100.9:4000, 198.51.100.9:4001)",
        )

    def test_one_port(self) -> None:
        """With one port to ask it is not known."""
        self.learn(HERE)
        self.assertTrue(self.mapping.is_known)
        self.assertIsNone(self.mapping.is_symmetric)
        self.assertEqual(self.mapping.words(), "you are seen at 198.51.100.9:4000")

    def test_lost(self) -> None:
        """It asks some times, each time what it does not know yet, and then no more."""
        self.assertEqual((self.mapping.words(), self.mapping.next_at()), ("", NEVER))
        self.mapping.again(0.0)
        self.assertEqual(self.mapping.next_at(), NEVER)
        self.mapping.ask(RELAY, SECOND, 0.0)
        ((first, _), _) = self.mapping.datagrams(0.0)
        self.assertEqual(self.mapping.datagrams(WAIT / 2), [])
        self.assertTrue(self.mapping.receive(answer(first, HERE)))
        rounds = 0
        while self.mapping.next_at() != NEVER:
            found = self.mapping.datagrams(self.mapping.next_at())
            self.assertTrue({where for _, where in found} <= {(RELAY[0], SECOND)})
            rounds += bool(found)
        self.assertEqual(rounds, TRIES - 1)
        self.mapping.again(9.0)
        self.assertEqual(self.mapping.next_at(), 9.0)

    def test_junk(self) -> None:
        """What is no answer to a question of its own is none."""
        self.mapping.ask(RELAY, 0, 0.0)
        ((question, _),) = self.mapping.datagrams(0.0)
        transaction = stun.parse(question).transaction
        for data in (
            b"junk",
            question,
            answer(stun.message(stun.REQUEST, bytes(12)), HERE),
            stun.message(stun.SUCCESS, transaction),
            stun.message(
                stun.SUCCESS,
                transaction,
                stun.attribute(stun.XOR_MAPPED_ADDRESS, b"no address"),
            ),
        ):
            self.assertFalse(self.mapping.receive(data), data)
        self.assertIsNone(self.mapping.here)
