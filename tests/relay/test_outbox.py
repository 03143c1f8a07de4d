"""What waits for a peer, and the datagrams that it goes out in."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from netsvc.relay.admission import Credit
from netsvc.relay.outbox import MAX_ANSWER, MAX_HELD, Outbox, packed
from tests.relay.relay_case import ANN, RelayCase


class OutboxTests(SynchronousTestCase):
    """The lines of one peer."""

    def test_packed(self) -> None:
        """A line that is longer than a datagram should be goes alone."""
        long = b"x" * 2000
        self.assertEqual(packed([long, b"y"], b"\n"), (long + b"\n", 1))
        self.assertEqual(packed([b"x", b"y"], b"\n"), (b"x\ny\n", 2))
        self.assertEqual(packed([b"x", b"y"], b""), (b"x\ny", 2))

    def test_validated(self) -> None:
        """All lines go out, with the peer's own ends, and nothing is left."""
        outbox, credit = Outbox(), Credit(True)
        self.assertFalse(outbox)
        self.assertEqual(list(outbox.datagrams(credit, b"")), [])
        self.assertTrue(outbox.put(b"one\r\ntwo\r\n", credit))
        self.assertTrue(outbox.put(b"three\r\n", credit))
        self.assertTrue(outbox)
        sent = list(outbox.datagrams(credit, b"\n"))
        self.assertEqual(sent, [b"one\ntwo\nthree\n"])
        self.assertFalse(outbox)

    def test_credit(self) -> None:
        """What a peer may not be sent yet waits until it may."""
        outbox, credit = Outbox(), Credit()
        outbox.put(b"x" * 1000 + b"\r\n" + b"y" * 1000 + b"\r\n", credit)
        credit.received(400)
        self.assertEqual(list(outbox.datagrams(credit, b"")), [b"x" * 1000])
        self.assertEqual(list(outbox.datagrams(credit, b"")), [])
        self.assertTrue(outbox)
        credit.validated = True
        self.assertEqual(list(outbox.datagrams(credit, b"")), [b"y" * 1000])

    def test_held(self) -> None:
        """What waits for a peer that is not validated is bounded; for others not."""
        outbox, credit = Outbox(), Credit()
        self.assertTrue(outbox.put(b"x" * (MAX_HELD - 2) + b"\r\n", credit))
        self.assertFalse(outbox.put(b"y\r\n", credit))
        # It still counts when it was tried in vain.
        self.assertEqual(list(outbox.datagrams(credit, b"")), [])
        self.assertFalse(outbox.put(b"y\r\n", credit))
        credit.validated = True
        self.assertTrue(outbox.put(b"z\r\n", credit))
        self.assertEqual(len(list(outbox.datagrams(credit, b""))), 2)


class AnswerTests(RelayCase):
    """Answers of a relay."""

    def test_long_answer(self) -> None:
        """An answer comes in as few datagrams as it takes, of whole lines."""
        self.enter(ANN)
        for number in range(20):
            self.say(ANN, b"/join #" + b"%d" % number * 30)
        answers = self.say(ANN, b"/list")
        self.assertGreater(len(answers), 1)
        for answer in answers:
            self.assertLessEqual(len(answer), MAX_ANSWER)
            self.assertTrue(answer.startswith(b"* "))
