"""Zone transfers, message by message, over a transport in memory."""

from __future__ import annotations

from typing import Any

import dns.message
import dns.rcode
import dns.rrset
from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from netsvc.dns.errors import BadReply, ConnectionClosed, Refused, ServerTimeout
from netsvc.dns.lookups.transfer import Transfer
from netsvc.dns.names import from_text
from netsvc.dns.result import Question, Record
from netsvc.dns.rrtypes import AXFR
from tests.dns.lookups.kit import SERVER

SOA = "ns.x.test. admin.x.test. 1 2 3 4 5"


class Transport(StringTransport):
    """Notes that it was closed."""

    aborted = False

    def abortConnection(self) -> None:
        """Note it."""
        self.aborted = True


class TransferTests(SynchronousTestCase):
    """From the first SOA record to the second."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.taken: list[Record] = []
        self.protocol = Transfer(
            self.clock,
            SERVER,
            Question(from_text("x.test"), AXFR),
            b"\1\2",
            5.0,
            self.taken.extend,
            most=10,
        )
        self.done = self.protocol._done
        self.transport = Transport()
        self.protocol.makeConnection(self.transport)
        query = self.transport.value()
        self.assertEqual(int.from_bytes(query[:2], "big"), len(query) - 2)
        self.query = dns.message.from_wire(query[2:])

    def message(self, *records: tuple[str, str], **changes: Any) -> bytes:
        """Write a message with records."""
        reply = dns.message.make_response(self.query)
        for rtype, text in records:
            rrset = dns.rrset.from_text("x.test.", 60, "IN", rtype, text)
            reply.answer.append(rrset)
        reply.set_rcode(changes.get("rcode", dns.rcode.NOERROR))
        if not changes.get("question", True):
            reply.question.clear()
        wire = reply.to_wire()
        return len(wire).to_bytes(2, "big") + wire

    def say(self, *records: tuple[str, str], **changes: Any) -> None:
        self.protocol.dataReceived(self.message(*records, **changes))

    def failed(self, kind: type[Exception]) -> Any:
        error = self.failureResultOf(self.done, kind).value
        self.assertTrue(self.transport.aborted)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        return error

    def test_messages(self) -> None:
        """Records come in any number of messages, the later ones without a question."""
        self.say(("SOA", SOA), ("A", "192.0.2.1"))
        self.clock.advance(4)
        self.say(("A", "192.0.2.2"), question=False)
        self.clock.advance(4)
        self.say(("SOA", SOA), ("A", "6.6.6.6"), question=False)
        self.successResultOf(self.done)
        self.assertEqual(len(self.taken), 4)
        self.assertEqual(self.protocol.records, 4)
        self.assertTrue(self.transport.aborted)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_pieces(self) -> None:
        """How the stream is cut does not matter."""
        data = self.message(("SOA", SOA)) + self.message(("SOA", SOA))
        for position in range(len(data)):
            self.protocol.dataReceived(data[position : position + 1])
        self.successResultOf(self.done)
        self.assertEqual(len(self.taken), 2)

    def test_refused(self) -> None:
        """A refusal is an error of its own."""
        self.say(rcode=dns.rcode.REFUSED)
        error = self.failed(Refused)
        self.assertEqual(error.errors, (error,))

    def test_wrong(self) -> None:
        """What is no zone, or no answer to this question, ends it."""
        good = self.message(("SOA", SOA))
        other = good.replace(b"\1x\4test", b"\1y\4test")
        for data in (
            self.message(("A", "192.0.2.1")),  # no SOA record first
            self.message(),
            good[:2] + b"\2\1" + good[4:],  # another id
            good[:4] + b"\0\0" + good[6:],  # no reply
            other,
            b"\0\x10" + good[2:18],  # cut off
        ):
            self.setUp()
            self.protocol.dataReceived(data)
            self.failed(BadReply)

    def test_too_many(self) -> None:
        """There may be so many records."""
        self.say(("SOA", SOA), *[("A", f"192.0.2.{n}") for n in range(20)])
        self.assertIn("10 records", str(self.failed(BadReply)))

    def test_silence(self) -> None:
        """A server that stops to send is given up after a while."""
        self.say(("SOA", SOA))
        self.clock.advance(5)
        # What has come meanwhile still counts.
        self.say(("A", "192.0.2.1"))
        self.clock.advance(4)
        self.clock.pump([1, 0])
        self.failed(ServerTimeout)

    def test_closed(self) -> None:
        """A connection that ends before the zone does is an error."""
        self.say(("SOA", SOA))
        self.protocol.connectionLost(Failure(ConnectionDone()))
        self.failed(ConnectionClosed)
        self.protocol.connectionLost(Failure(ConnectionDone()))

    def test_cancel(self) -> None:
        """To cancel it closes the connection."""
        self.done.cancel()
        self.failureResultOf(self.done)
        self.assertTrue(self.transport.aborted)
        self.assertEqual(self.clock.getDelayedCalls(), [])
